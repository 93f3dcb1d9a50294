"""Rung R: signing in and out through the pages; the clock stands still where tries are counted."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from harmony.models import User
from harmony.security import users
from harmony.web.account import views as account_views
from tests.conftest import ADMINISTRATOR, PASSWORD

WRONG = "User name and password do not match."


def sign_in(client: FlaskClient, name: str, password: str, **more: str) -> TestResponse:
    return client.post("/sign-in", data={"name": name, "password": password, **more})


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checks without Argon2, for tests that try often."""
    monkeypatch.setattr(users, "check_password", lambda stored, given: bool(stored) and given == PASSWORD)


def test_the_page_asks_for_name_and_password(client: FlaskClient) -> None:
    answer = client.get("/sign-in?next=/devices")
    assert answer.status_code == 200
    assert 'name="name"' in answer.text
    assert 'type="password"' in answer.text
    assert 'name="next" value="/devices"' in answer.text


def test_the_right_password_leads_to_the_page_asked_for(client: FlaskClient) -> None:
    answer = sign_in(client, ADMINISTRATOR.upper(), PASSWORD, next="/devices?q=1")
    assert (answer.status_code, answer.location) == (303, "/devices?q=1")
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("harmony=hrmns_")
    assert {"HttpOnly", "Path=/", "SameSite=Lax"} <= set(cookie.split("; "))
    assert client.get("/sign-in?next=/devices").location == "/devices"


def test_over_https_the_cookie_is_bound_to_this_host(client: FlaskClient) -> None:
    data = {"name": ADMINISTRATOR, "password": PASSWORD}
    cookie = client.post("/sign-in", data=data, base_url="https://localhost").headers["Set-Cookie"]
    assert cookie.startswith("__Host-harmony=hrmns_")
    assert "Secure" in cookie.split("; ")


@pytest.mark.parametrize("away", ["https://evil.example", "//evil.example", "/\\evil.example", ""])
@pytest.mark.usefixtures("cheap")
def test_signing_in_never_leads_to_another_site(client: FlaskClient, away: str) -> None:
    assert sign_in(client, ADMINISTRATOR, PASSWORD, next=away).location == "/"


@pytest.mark.usefixtures("cheap")
def test_an_unknown_name_and_a_wrong_password_get_the_same_answer(client: FlaskClient) -> None:
    wrong = sign_in(client, ADMINISTRATOR, "not the password", next="/devices")
    unknown = sign_in(client, "n" + ADMINISTRATOR[1:], "not the password", next="/devices")
    assert wrong.status_code == unknown.status_code == 422
    assert WRONG in wrong.text
    assert "needs your attention" not in wrong.text, "nothing was to be saved, and no field is named"
    assert 'name="next" value="/devices"' in wrong.text
    assert wrong.text == unknown.text.replace("n" + ADMINISTRATOR[1:], ADMINISTRATOR)
    assert "Set-Cookie" not in wrong.headers


@pytest.mark.usefixtures("cheap")
def test_neither_name_nor_password_reach_the_page_or_the_log(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    answer = sign_in(client, "my-secret-as-name", "my-secret-password")
    assert "my-secret-password" not in answer.text
    assert "my-secret" not in caplog.text
    assert "A sign-in from 127.0.0.1 was refused: wrong name or password." in caplog.text


@pytest.mark.parametrize("data", [{}, {"name": "admin"}, {"password": "x"}, {"name": "", "password": ""}])
def test_an_incomplete_form_comes_back(client: FlaskClient, data: dict[str, str]) -> None:
    answer = client.post("/sign-in", data=data)
    assert answer.status_code == 422
    assert "Enter your" in answer.text


@pytest.mark.usefixtures("cheap")
def test_guessing_is_slowed_down_and_then_goes_on(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = datetime(2026, 11, 24, 8, tzinfo=UTC)
    monkeypatch.setattr(account_views, "now", lambda: moment)
    assert [sign_in(client, ADMINISTRATOR, "wrong").status_code for _ in range(5)] == [422] * 5
    answer = sign_in(client, ADMINISTRATOR, PASSWORD)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "60")
    assert "Wait 60 seconds" in answer.text
    monkeypatch.setattr(account_views, "now", lambda: moment + timedelta(seconds=60))
    assert sign_in(client, ADMINISTRATOR, PASSWORD).status_code == 303


@pytest.mark.usefixtures("cheap")
def test_the_administrator_gets_in_from_elsewhere_meanwhile(client: FlaskClient) -> None:
    for _ in range(6):
        last = sign_in(client, ADMINISTRATOR, "wrong")
    assert last.status_code == 429
    elsewhere = {"REMOTE_ADDR": "192.0.2.77"}
    data = {"name": ADMINISTRATOR, "password": PASSWORD}
    assert client.post("/sign-in", data=data, environ_overrides=elsewhere).status_code == 303


def test_a_forged_forwarding_header_is_not_another_address(client: FlaskClient) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(users, "check_password", lambda stored, given: False)
        codes = [
            client.post(
                "/sign-in",
                data={"name": ADMINISTRATOR, "password": "wrong"},
                headers={"X-Forwarded-For": f"192.0.2.{number}"},
            ).status_code
            for number in range(6)
        ]
    assert codes == [422] * 5 + [429]


def test_signing_out_ends_the_session_on_the_server(signed_in: FlaskClient) -> None:
    kept = signed_in.get_cookie("harmony")
    assert kept is not None
    answer = signed_in.post("/sign-out")
    assert (answer.status_code, answer.location) == (303, "/sign-in")
    assert answer.headers["Clear-Site-Data"] == '"cookies", "storage"'
    assert signed_in.get_cookie("harmony") is None
    signed_in.set_cookie("harmony", kept.value)
    assert signed_in.get("/devices").location == "/sign-in?next=/devices"


@pytest.mark.usefixtures("cheap")
def test_signing_in_again_changes_the_token_and_ends_the_former_one(client: FlaskClient) -> None:
    sign_in(client, ADMINISTRATOR, PASSWORD)
    former = client.get_cookie("harmony")
    sign_in(client, ADMINISTRATOR, PASSWORD)
    current = client.get_cookie("harmony")
    assert former is not None
    assert current is not None
    assert current.value != former.value
    client.set_cookie("harmony", former.value)
    assert client.get("/sign-in").status_code == 200


def test_a_planted_token_is_not_taken_over(client: FlaskClient) -> None:
    client.set_cookie("harmony", "hrmns_planted")
    sign_in(client, ADMINISTRATOR, PASSWORD)
    cookie = client.get_cookie("harmony")
    assert cookie is not None
    assert cookie.value != "hrmns_planted"


def test_a_user_that_is_gone_is_signed_out(signed_in: FlaskClient, context: Flask) -> None:
    from harmony.db import write

    with write() as session:
        session.query(User).delete()
    assert signed_in.get("/devices").location == "/setup"


@pytest.mark.parametrize("chosen", ["auto", "light", "dark"])
def test_the_theme_is_remembered_without_signing_in(client: FlaskClient, chosen: str) -> None:
    answer = client.post("/theme", data={"theme": chosen, "next": "/sign-in"})
    assert (answer.status_code, answer.location) == (303, "/sign-in")
    assert f'data-theme="{chosen}"' in client.get("/sign-in").text


def test_an_unknown_theme_changes_nothing_and_leads_nowhere_else(client: FlaskClient) -> None:
    answer = client.post("/theme", data={"theme": '"><script>', "next": "//evil.example"})
    assert (answer.status_code, answer.location) == (303, "/")
    assert "Set-Cookie" not in answer.headers
