"""A device in your hand: the page that plays one Protect app, in demo mode only (rung R)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from harmony import create_app
from harmony.clock import now
from harmony.config import Settings
from harmony.db import db
from harmony.device_api.registration import codes, unregister
from harmony.models import App, Device, DeviceStatus, Finding, InstalledApp, Protection, Registration, Risk
from harmony.simulator.agents.script import TEST_APP
from harmony.web.demo.state import COOKIE
from tests.agents import TOKEN, an_agent, give_token
from tests.builders import an_integration
from tests.canaries import CANARIES, watch
from tests.stored import store

PAGE = "/demo/device"


@pytest.fixture
def browser(app: Flask, signed_in: FlaskClient) -> Iterator[FlaskClient]:
    """The administrator; there are three Android devices that nothing protects yet."""
    with app.app_context():
        integration_id = an_integration()
        give_token(integration_id)
        store(integration_id, 3)
    yield signed_in
    CANARIES.discard(TOKEN)
    watch(TOKEN)


def register(browser: FlaskClient, device: str = "1", **fields: str) -> TestResponse:
    """Choose the device from the list and register it."""
    form = {"device": device, "udid": "", "integration": "1", "platform": "ios", "profile": "device"}
    return browser.post(f"{PAGE}/register", data=form | fields)


def check_in(browser: FlaskClient, *threats: str, **fields: str) -> TestResponse:
    form = {"threats": [*threats], "os_version": "14"} | fields
    return browser.post(f"{PAGE}/check-in", data=form)


def shown(browser: FlaskClient) -> str:
    return browser.get(PAGE).get_data(as_text=True)


def standing(app: Flask, device_id: int = 1) -> tuple[str, int] | None:
    with app.app_context():
        row = db.session.get(Protection, device_id)
        return (row.status, row.risk) if row else None


def open_codes(app: Flask) -> set[tuple[str, str]]:
    with app.app_context():
        rows = db.session.execute(select(Finding.code, Finding.subject).where(Finding.closed_at.is_(None)))
        return {(code, subject) for code, subject in rows}


def installed(app: Flask) -> set[str]:
    with app.app_context():
        return set(db.session.scalars(select(App.identifier).join(InstalledApp)))


def test_in_earnest_the_page_does_not_exist(settings: Settings) -> None:
    app = create_app(dataclasses.replace(settings, demo=False))
    with app.app_context():
        from harmony.models import Role
        from harmony.security.users import create_user

        an_integration()
        create_user("admin", "eleven quiet lanterns over Oslo", Role.ADMINISTRATOR, now())
    client = app.test_client()
    client.post("/sign-in", data={"name": "admin", "password": "eleven quiet lanterns over Oslo"})
    assert client.get(PAGE).status_code == 404
    assert client.post(f"{PAGE}/register", data={}).status_code == 404
    for path in ("/devices", "/", "/integrations/1"):
        assert "emo device" not in client.get(path).get_data(as_text=True)


def test_without_an_integration_it_says_what_to_do(signed_in: FlaskClient) -> None:
    assert "A device registers with the token of an active integration" in shown(signed_in)


def test_a_device_from_the_list_registers_and_its_threats_go_on_and_off(
    app: Flask, browser: FlaskClient
) -> None:
    page = shown(browser)
    assert "phone 000002 · Android" in page
    assert register(browser).status_code == 303
    assert standing(app) == (DeviceStatus.ACTIVE, Risk.NONE)
    assert "Registered." in shown(browser)
    assert check_in(browser, "ROOTED", "PHISHING").status_code == 303
    assert standing(app) == (DeviceStatus.ACTIVE, Risk.HIGH)
    assert open_codes(app) == {("ROOTED", ""), ("PHISHING", "parcel.example.test")}
    page = shown(browser)
    assert "Checked in: active, High." in page
    assert 'value="ROOTED" checked' in page
    assert 'value="SSL_STRIPPING" checked' not in page
    check_in(browser)
    assert (standing(app), open_codes(app)) == ((DeviceStatus.ACTIVE, Risk.NONE), set())


def test_neither_key_nor_token_is_ever_shown(app: Flask, browser: FlaskClient) -> None:
    answer = register(browser)
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "hmkey_" not in cookie + shown(browser)
    with app.app_context():
        assert db.session.scalars(select(Registration)).one().profile == "device"


def test_a_code_that_the_catalogue_does_not_know_is_reported_and_a_wrong_one_refused(
    app: Flask, browser: FlaskClient
) -> None:
    register(browser)
    check_in(browser, "ROOTED", other="JUICE_JACKING")
    assert {code for code, _ in open_codes(app)} == {"ROOTED", "JUICE_JACKING"}
    assert 'value="JUICE_JACKING"' in shown(browser)
    refused = check_in(browser, other="juice jacking")
    assert (refused.status_code, "Capital letters, digits" in refused.get_data(as_text=True)) == (422, True)
    assert check_in(browser, "JAILBROKEN").status_code == 422, "an Android device is not jailbroken"


def test_a_form_that_names_no_device_is_refused(browser: FlaskClient) -> None:
    refused = register(browser, device="")
    assert refused.status_code == 422
    assert "Choose a device, or type its UDID." in refused.get_data(as_text=True)


def test_what_the_dashboard_refuses_is_said_in_its_own_words(app: Flask, browser: FlaskClient) -> None:
    unknown = register(browser, udid="NOBODY")
    assert unknown.status_code == 409
    assert "This device is not known yet; it will be after the next device sync." in unknown.get_data(
        as_text=True
    )
    with app.app_context():
        give_token(1, auto_addition=True)
    assert register(browser, udid="NOBODY").status_code == 303
    with app.app_context():
        assert db.session.scalars(select(Device.added_by).where(Device.udid == "NOBODY")).one()


def test_a_device_in_contact_needs_a_code(app: Flask, browser: FlaskClient) -> None:
    with app.app_context():
        from harmony.simulator.agents.records import Report
        from tests.agents import through

        an_agent(0).register(through(app.test_client()), Report())
    refused = register(browser, device="2", udid="udid0", platform="android")
    assert (refused.status_code, "already registered and active" in refused.get_data(as_text=True)) == (
        409, True
    )  # fmt: skip
    with app.app_context():
        code = codes.issue_code(1, "admin", now())
    assert register(browser, device="2", udid="udid0", code=code or "", platform="android").status_code == 303


def test_a_device_whose_registration_was_reset_is_out_of_the_hand(app: Flask, browser: FlaskClient) -> None:
    register(browser)
    with app.app_context():
        unregister.reset(1, "admin", now())
    answer = check_in(browser, "ROOTED")
    assert (answer.status_code, answer.location) == (303, f"{PAGE}?udid=UDID0")
    page = browser.get(answer.location).get_data(as_text=True)
    assert "This device key is not valid" in page
    assert 'value="UDID0"' in page


def test_it_unregisters_and_the_next_form_is_empty_handed(app: Flask, browser: FlaskClient) -> None:
    register(browser)
    assert browser.post(f"{PAGE}/unregister").status_code == 303
    assert standing(app) == (DeviceStatus.PROVISIONED, Risk.NONE)
    assert "Which device" in shown(browser)
    assert check_in(browser).status_code == 303
    assert browser.post(f"{PAGE}/unregister").status_code == 303


def test_another_persons_cookie_or_a_changed_one_opens_nothing(app: Flask, browser: FlaskClient) -> None:
    register(browser)
    cookie = browser.get_cookie(COOKIE, path="/demo")
    assert cookie is not None
    for wrong in (cookie.value[:-2] + "AA", "v1.x.y", ""):
        browser.set_cookie(COOKIE, wrong, path="/demo")
        assert "Which device" in shown(browser)


def test_apps_of_an_android_device_come_and_go(app: Flask, browser: FlaskClient) -> None:
    register(browser)
    assert "Harmony Test App is installed" in shown(browser)
    check_in(browser, test_app="y")
    assert TEST_APP.identifier in installed(app)
    assert 'name="test_app" value="y" checked' in shown(browser)
    check_in(browser)
    assert TEST_APP.identifier not in installed(app)
