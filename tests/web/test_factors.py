"""Rungs R and C: second factors through the pages: set up, ask for, enforce, recover, remove."""

from __future__ import annotations

import re
from datetime import timedelta

import pyotp
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from harmony.clock import now, steady
from harmony.db import db, write
from harmony.models import AuditEntry, PendingSignIn, Role, User
from harmony.security import users
from harmony.security.factors import methods, recovery_codes, totp
from harmony.web.account import second_factor
from tests.canaries import watch
from tests.conftest import ADMINISTRATOR, PASSWORD

CODE = re.compile(r"[0-9A-Z]{6}(?:-[0-9A-Z]{6}){3}")


def sign_in(client: FlaskClient, **more: str) -> TestResponse:
    return client.post("/sign-in", data={"name": ADMINISTRATOR, "password": PASSWORD, **more})


def set_up(client: FlaskClient) -> tuple[str, list[str]]:
    """Set an authenticator app up through the pages. Return its secret and the recovery codes."""
    assert client.post("/account/factors/authenticator/begin").status_code == 303
    page = client.get("/account/factors/authenticator").text
    found = re.search(r'value="([A-Z2-7]{32})"', page)
    assert found
    answer = _confirm(client, found[1])
    # Where a step ended between the code and its request, the code is too old, and the page is shown again.
    if answer.status_code == 422:
        answer = _confirm(client, found[1])
    assert answer.status_code in {200, 303}, answer.text
    assert found[1] not in answer.text
    watch(found[1])
    return found[1], CODE.findall(answer.text)


def _confirm(client: FlaskClient, secret: str) -> TestResponse:
    """Type a code of the step before, so that the present one is left for signing in."""
    typed = pyotp.TOTP(secret).at(now() - timedelta(seconds=30))
    return client.post("/account/factors/authenticator", data={"one_time_code": typed})


def send_code(client: FlaskClient, code: str) -> TestResponse:
    return client.post("/sign-in/factor/code", data={"one_time_code": code})


def written(app: Flask) -> list[tuple[str, str, str]]:
    with app.app_context():
        rows = db.session.scalars(db.select(AuditEntry).order_by(AuditEntry.id))
        return [(row.who, row.what, row.detail) for row in rows]


def is_signed_in(client: FlaskClient) -> bool:
    return client.get("/sign-in").status_code == 303


@pytest.fixture
def factor(app: Flask, signed_in: FlaskClient) -> tuple[str, list[str]]:
    """The administrator has an authenticator app, and is signed out again."""
    secret, codes = set_up(signed_in)
    signed_in.post("/sign-out")
    return secret, codes


def test_setting_up_an_app_brings_ten_recovery_codes_shown_once(app: Flask, signed_in: FlaskClient) -> None:
    secret, codes = set_up(signed_in)
    assert len(codes) == 10
    assert signed_in.get("/account/factors/authenticator").location == "/account/factors"
    page = signed_in.get("/account/factors").text
    assert "10 of 10 left" in page
    assert secret not in page
    assert not CODE.search(page)
    assert (ADMINISTRATOR, "Set up an authenticator app", "") in written(app)


def test_a_wrong_code_leaves_the_app_unconfirmed(app: Flask, signed_in: FlaskClient) -> None:
    signed_in.post("/account/factors/authenticator/begin")
    for typed in ("000000", "", "x"):
        answer = signed_in.post("/account/factors/authenticator", data={"one_time_code": typed})
        assert answer.status_code == 422
    with app.app_context():
        assert not totp.is_set_up(1)


def test_after_the_password_a_code_is_asked_for_and_leads_where_one_wanted(
    app: Flask, client: FlaskClient, factor: tuple[str, list[str]]
) -> None:
    answer = sign_in(client, next="/devices?q=1")
    assert answer.location == "/sign-in/factor"
    assert not is_signed_in(client)
    assert client.get("/devices").location == "/sign-in?next=/devices"
    assert send_code(client, pyotp.TOTP(factor[0]).now()).location == "/devices?q=1"
    assert is_signed_in(client)
    assert written(app)[-1] == (ADMINISTRATOR, "Signed in", "password and one-time code")


def test_a_used_totp_code_opens_no_second_session(
    app: Flask, client: FlaskClient, factor: tuple[str, list[str]]
) -> None:
    typed = pyotp.TOTP(factor[0]).now()
    sign_in(client)
    assert send_code(client, typed).status_code == 303
    other = app.test_client()
    sign_in(other)
    assert send_code(other, typed).status_code == 422
    assert not is_signed_in(other)


def test_five_wrong_codes_end_the_sign_in(
    app: Flask, client: FlaskClient, factor: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in(client)
    assert [send_code(client, "000000").status_code for _ in range(5)] == [422] * 4 + [303]
    assert client.get("/sign-in/factor").location == "/sign-in"
    assert written(app).count((ADMINISTRATOR, "Sign-in refused", "wrong one-time code, from 127.0.0.1")) == 5
    sign_in(client)
    assert send_code(client, pyotp.TOTP(factor[0]).now()).status_code == 429
    later = now() + timedelta(minutes=5)
    monkeypatch.setattr(second_factor, "now", lambda: later)
    assert send_code(client, pyotp.TOTP(factor[0]).at(later)).status_code == 303


def test_a_throttled_code_does_not_keep_the_person_out_who_has_a_recovery_code(
    client: FlaskClient, factor: tuple[str, list[str]]
) -> None:
    sign_in(client)
    for _ in range(6):
        send_code(client, "000000")
    sign_in(client)
    answer = client.post("/sign-in/factor/recovery-code", data={"recovery_code": factor[1][0]})
    assert answer.status_code == 303
    assert is_signed_in(client)


def test_a_recovery_code_signs_in_once(
    app: Flask, client: FlaskClient, factor: tuple[str, list[str]]
) -> None:
    codes = factor[1]
    for status in (303, 422):
        sign_in(client)
        answer = client.post("/sign-in/factor/recovery-code", data={"recovery_code": codes[0]})
        assert answer.status_code == status
        client.post("/sign-out")
    with app.app_context():
        assert recovery_codes.left(1) == 9


def test_new_recovery_codes_end_the_former_ones(client: FlaskClient, factor: tuple[str, list[str]]) -> None:
    sign_in(client)
    send_code(client, pyotp.TOTP(factor[0]).now())
    new = CODE.findall(client.post("/account/factors/recovery-codes").text)
    assert len(new) == 10
    assert not set(new) & set(factor[1])
    client.post("/sign-out")
    sign_in(client)
    former = client.post("/sign-in/factor/recovery-code", data={"recovery_code": factor[1][0]})
    assert former.status_code == 422
    assert client.post("/sign-in/factor/recovery-code", data={"recovery_code": new[0]}).status_code == 303


def test_a_pending_sign_in_ends_after_ten_minutes(
    app: Flask, client: FlaskClient, factor: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in(client)
    late = steady() + timedelta(minutes=10)
    monkeypatch.setattr(second_factor, "steady", lambda: late)
    assert client.get("/sign-in/factor").location == "/sign-in"
    assert send_code(client, pyotp.TOTP(factor[0]).now()).location == "/sign-in"
    assert not is_signed_in(client)


def test_the_cookie_of_a_pending_sign_in_opens_nothing_and_is_stored_as_a_hash(
    app: Flask, client: FlaskClient, factor: tuple[str, list[str]]
) -> None:
    sign_in(client)
    cookie = client.get_cookie("harmony-pending")
    assert cookie is not None
    with app.app_context():
        assert cookie.value not in db.session.scalars(db.select(PendingSignIn.token_hash)).one()
    client.set_cookie("harmony", cookie.value)
    assert client.get("/devices").location == "/sign-in?next=/devices"


def test_a_user_disabled_between_password_and_code_is_refused(
    app: Flask, client: FlaskClient, factor: tuple[str, list[str]]
) -> None:
    sign_in(client)
    with app.app_context(), write() as session:
        session.get_one(User, 1).disabled_at = now()
    assert send_code(client, pyotp.TOTP(factor[0]).now()).location == "/sign-in"
    assert not is_signed_in(client)


def test_a_removed_app_is_asked_for_no_more(client: FlaskClient, factor: tuple[str, list[str]]) -> None:
    sign_in(client)
    send_code(client, pyotp.TOTP(factor[0]).now())
    assert client.post("/account/factors/authenticator/remove").status_code == 303
    client.post("/sign-out")
    assert sign_in(client).location == "/"


def test_a_role_that_needs_a_factor_leads_to_the_set_up_and_opens_nothing_else(
    app: Flask, signed_in: FlaskClient
) -> None:
    assert signed_in.post("/settings/sign-in-rules", data={"roles": "administrator"}).status_code == 303
    assert (ADMINISTRATOR, "Changed second factors", "administrator: required") in written(app)
    for path in ("/devices", "/", "/settings/sign-in-rules", "/devices.csv", "/audit"):
        assert signed_in.get(path).location == "/account/factors", path
    fragment = signed_in.get("/devices", headers={"HX-Request": "true"})
    assert (fragment.status_code, fragment.headers["HX-Redirect"]) == (403, "/account/factors")
    assert "Your role needs a second factor" in signed_in.get("/account/factors").text
    set_up(signed_in)
    assert signed_in.get("/devices").status_code == 200


def test_the_last_factor_of_a_role_that_needs_one_stays(signed_in: FlaskClient) -> None:
    set_up(signed_in)
    signed_in.post("/settings/sign-in-rules", data={"roles": "administrator"})
    signed_in.post("/account/factors/authenticator/remove")
    page = signed_in.get("/account/factors").text
    assert "this is the last" in page
    assert "Remove the app" in page


def test_a_rule_for_viewers_concerns_no_administrator(signed_in: FlaskClient) -> None:
    signed_in.post("/settings/sign-in-rules", data={"roles": "viewer"})
    assert signed_in.get("/devices").status_code == 200
    assert "0 of 1 users" in signed_in.get("/settings/sign-in-rules").text


def test_factors_are_one_s_own_and_the_rules_an_administrator_s(app: Flask) -> None:
    with app.app_context():
        users.create_user(ADMINISTRATOR, PASSWORD, Role.VIEWER, now())
    viewer = app.test_client()
    sign_in(viewer)
    assert viewer.get("/account/factors").status_code == 200
    assert viewer.get("/settings/sign-in-rules").status_code == 403
    assert viewer.post("/settings/sign-in-rules", data={}).status_code == 403
    set_up(viewer)


def test_the_command_line_lets_the_locked_out_in_again(
    app: Flask, client: FlaskClient, factor: tuple[str, list[str]]
) -> None:
    result = app.test_cli_runner().invoke(args=["users", "reset-factors", ADMINISTRATOR.upper()])
    assert result.exit_code == 0, result.output
    assert sign_in(client).location == "/"
    assert ("command line", "Removed second factors", ADMINISTRATOR) in written(app)
    unknown = app.test_cli_runner().invoke(args=["users", "reset-factors", "nobody"])
    assert (unknown.exit_code, unknown.output) == (1, "Error: There is no user of that name.\n")


def test_the_command_line_switches_the_password_on_again_and_ends_sessions(
    app: Flask, signed_in: FlaskClient
) -> None:
    with app.app_context(), write() as session:
        session.get_one(User, 1).password_off = True
    assert app.test_cli_runner().invoke(args=["users", "reset-factors", ADMINISTRATOR]).exit_code == 0
    assert not is_signed_in(signed_in)
    assert sign_in(signed_in).location == "/"


def test_a_password_that_is_off_is_answered_like_a_wrong_one(app: Flask, client: FlaskClient) -> None:
    with app.app_context(), write() as session:
        session.get_one(User, 1).password_off = True
    off = sign_in(client)
    wrong = client.post("/sign-in", data={"name": ADMINISTRATOR, "password": "wrong"})
    assert (off.status_code, off.text) == (wrong.status_code, wrong.text) == (422, wrong.text)


def test_without_passkeys_the_password_stays_on(app: Flask, signed_in: FlaskClient) -> None:
    set_up(signed_in)
    signed_in.post("/account/factors/password", data={"password": "off"})
    assert "Register at least 2 passkeys" in signed_in.get("/account/factors").text
    with app.app_context():
        assert methods.methods_of(db.session.get_one(User, 1)).has_password


def test_a_new_password_leaves_the_second_factor(
    app: Flask, client: FlaskClient, factor: tuple[str, list[str]]
) -> None:
    word = "twelve loud herons in Bergen"
    assert app.test_cli_runner().invoke(args=["users", "reset", ADMINISTRATOR], input=word).exit_code == 0
    answer = client.post("/sign-in", data={"name": ADMINISTRATOR, "password": word})
    assert answer.location == "/sign-in/factor"


def test_proving_again_who_acts_changes_the_token(signed_in: FlaskClient) -> None:
    former = signed_in.get_cookie("harmony")
    assert former is not None
    assert signed_in.post("/account/confirm", data={"password": PASSWORD}).status_code == 303
    assert signed_in.get("/account").status_code == 200
    signed_in.set_cookie("harmony", former.value)
    assert signed_in.get("/account").location == "/sign-in?next=/account"
