"""The page behind the link of a registration message: public, counted, nothing personal (rung: shell)."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

from harmony.clock import now
from harmony.db import write
from harmony.device_api.registration.codes import issue_code
from harmony.models import Device, Integration, IntegrationState, RegistrationCode
from tests.protect.agent import ENTERPRISE, Agent, an_open_integration, device_of
from tests.scanning import scanned_on


@pytest.fixture
def visitor(client: FlaskClient) -> FlaskClient:
    """A browser in which nobody is signed in."""
    return client


def codes(app: Flask, *profiles: str) -> list[str]:
    with app.app_context():
        an_open_integration(2, choice=ENTERPRISE)
        with write() as session:
            session.execute(update(Device).values(user_name="Kim Owner", email="kim@corp.example"))
        return [issue_code(device_of("UDID0").id, "kim", now(), profile) or "" for profile in profiles]


def test_the_link_leads_to_a_form_and_the_code_to_the_steps(app: Flask, visitor: FlaskClient) -> None:
    (code,) = codes(app, "")
    asked = visitor.get("/register")
    assert (asked.status_code, asked.headers["X-Robots-Tag"]) == (200, "noindex, nofollow")
    assert "data-from-fragment" in asked.text
    page = visitor.post("/register", data={"codes": code.lower()})
    assert page.status_code == 200
    assert code in page.text
    assert "Google Play" in page.text
    for personal in ("Kim Owner", "kim@corp.example", "UDID0", "phone"):
        assert personal not in page.text
    # Reading the page does not use the code up.
    assert Agent(app.test_client()).register(token=None, code=code).status_code == 201
    assert visitor.post("/register", data={"codes": code}).status_code == 422


def test_two_codes_of_one_device_show_the_steps_of_both_profiles(app: Flask, visitor: FlaskClient) -> None:
    work, personal = codes(app, "work", "personal")
    page = visitor.post("/register", data={"codes": f"work:{work},personal:{personal}"}).text
    assert "Work profile" in page
    assert {work, personal} <= set(re.findall(r'value="([^"]*)"', page))
    assert scanned_on(page) == [f"http://localhost/register#work:{work},personal:{personal}"]


@pytest.mark.parametrize("wrong", ["", "AAAA-AAAA-AAAA-AAAA", "{},{},{}", "{},", "x" * 5000, "{}, <b>"])
def test_a_wrong_code_is_refused_beside_its_field(app: Flask, visitor: FlaskClient, wrong: str) -> None:
    (code,) = codes(app, "")
    answer = visitor.post("/register", data={"codes": wrong.replace("{}", code)})
    assert answer.status_code == 422
    assert "not valid" in answer.text
    assert "<b>" not in answer.text


def test_codes_of_two_devices_are_refused_together(app: Flask, visitor: FlaskClient) -> None:
    (code,) = codes(app, "")
    with app.app_context():
        other = issue_code(device_of("UDID1").id, "kim", now())
    assert visitor.post("/register", data={"codes": f"{code},{other}"}).status_code == 422


@pytest.mark.parametrize("why", ["expired", "paused", "deleted"])
def test_a_code_that_registers_nothing_shows_nothing(app: Flask, visitor: FlaskClient, why: str) -> None:
    (code,) = codes(app, "")
    with app.app_context(), write() as session:
        if why == "expired":
            session.execute(update(RegistrationCode).values(expires_at=now() - timedelta(seconds=1)))
        elif why == "paused":
            session.execute(update(Integration).values(state=IntegrationState.PAUSED))
        else:
            session.execute(update(Device).values(deleted_at=now()))
    assert visitor.post("/register", data={"codes": code}).status_code == 422


def test_guesses_are_counted_together_with_those_of_apps(app: Flask, visitor: FlaskClient) -> None:
    (code,) = codes(app, "")
    statuses = [
        visitor.post("/register", data={"codes": "AAAA-AAAA-AAAA-AAAA"}).status_code for _ in range(70)
    ]
    assert statuses[:60] == [422] * 60
    assert statuses[-1] == 429
    assert Agent(app.test_client()).register(token="hmtoken_guessed").status_code == 429
    assert visitor.post("/register", data={"codes": code}).status_code == 200
