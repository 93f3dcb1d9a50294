"""Rung R: passkeys through the pages, answered by an authenticator in software that may also lie."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from harmony.clock import now, steady
from harmony.db import db, write
from harmony.models import AuditEntry, Passkey, PasskeyChallenge, Role, SignInSession, User
from harmony.security import sessions, users
from harmony.security.factors import methods, passkeys
from harmony.security.factors.relying_party import PasskeysUnavailable, relying_party
from harmony.web.account import passkey_sign_in
from tests.authenticator import SoftwareAuthenticator
from tests.conftest import ADMINISTRATOR, PASSWORD

OWN = "/account/factors/passkeys"
HTTPS = "https://harmony.example"


def options(client: FlaskClient, path: str) -> dict[str, Any]:
    answer = client.post(path + "/options")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = json.loads(answer.text)
    return found


def register(client: FlaskClient, device: SoftwareAuthenticator, name: str = "Laptop") -> TestResponse:
    credential = device.make(options(client, OWN))
    return client.post(OWN, data={"name": name, "credential": credential})


def use(client: FlaskClient, device: SoftwareAuthenticator, path: str = "/sign-in/passkey") -> TestResponse:
    credential = device.sign(options(client, path))
    return client.post(path, data={"credential": credential, "next": "/devices?q=1"})


def is_signed_in(client: FlaskClient) -> bool:
    return client.get("/sign-in").status_code == 303


def written(app: Flask) -> list[tuple[str, str, str]]:
    with app.app_context():
        rows = db.session.scalars(db.select(AuditEntry).order_by(AuditEntry.id))
        return [(row.who, row.what, row.detail) for row in rows]


def count(app: Flask, model: Any) -> int:
    with app.app_context():
        return db.session.query(model).count()


@pytest.fixture
def device(signed_in: FlaskClient) -> SoftwareAuthenticator:
    """The administrator has one passkey, and is signed out again."""
    made = SoftwareAuthenticator()
    assert "Ten recovery codes" in register(signed_in, made).text
    signed_in.post("/sign-out")
    return made


def test_a_passkey_signs_in_without_a_user_name_or_password(
    app: Flask, client: FlaskClient, device: SoftwareAuthenticator
) -> None:
    assert use(client, device).location == "/devices?q=1"
    assert is_signed_in(client)
    assert written(app)[-1] == (ADMINISTRATOR, "Signed in", "passkey")


def test_after_the_password_a_passkey_is_asked_for(
    app: Flask, client: FlaskClient, device: SoftwareAuthenticator
) -> None:
    answer = client.post("/sign-in", data={"name": ADMINISTRATOR, "password": PASSWORD})
    assert answer.location == "/sign-in/factor"
    assert "Use a passkey" in client.get("/sign-in/factor").text
    asked = options(client, "/sign-in/factor/passkey")
    assert len(asked["allowCredentials"]) == 1
    answer = client.post("/sign-in/factor/passkey", data={"credential": device.sign(asked)})
    assert (answer.status_code, answer.location) == (303, "/")
    assert written(app)[-1] == (ADMINISTRATOR, "Signed in", "password and passkey")


def test_a_passkey_challenge_is_accepted_once(client: FlaskClient, device: SoftwareAuthenticator) -> None:
    credential = device.sign(options(client, "/sign-in/passkey"))
    client.post("/sign-in/passkey", data={"credential": credential})
    client.post("/sign-out")
    client.post("/sign-in/passkey", data={"credential": credential})
    assert not is_signed_in(client)


def test_a_passkey_challenge_that_nobody_gave_is_refused(
    app: Flask, client: FlaskClient, device: SoftwareAuthenticator
) -> None:
    asked = options(client, "/sign-in/passkey") | {"challenge": "A" * 43}
    client.post("/sign-in/passkey", data={"credential": device.sign(asked)})
    assert not is_signed_in(client)
    assert written(app)[-1] == ("unknown", "Sign-in refused", "passkey refused, from 127.0.0.1")


def test_a_passkey_challenge_is_good_for_five_minutes(
    client: FlaskClient, device: SoftwareAuthenticator, monkeypatch: pytest.MonkeyPatch
) -> None:
    credential = device.sign(options(client, "/sign-in/passkey"))
    late = steady() + timedelta(minutes=5)
    monkeypatch.setattr(passkey_sign_in, "steady", lambda: late)
    client.post("/sign-in/passkey", data={"credential": credential})
    assert not is_signed_in(client)


def test_a_challenge_of_registration_signs_nobody_in(
    app: Flask, signed_in: FlaskClient, device: SoftwareAuthenticator
) -> None:
    signed_in.post(
        "/sign-in/passkey", data={"credential": device.sign(options(signed_in, "/sign-in/passkey"))}
    )
    asked = options(signed_in, OWN)
    signed_in.post("/sign-out")
    credential = device.sign({"challenge": asked["challenge"], "rpId": "localhost"})
    signed_in.post("/sign-in/passkey", data={"credential": credential})
    assert not is_signed_in(signed_in)


def test_the_passkey_of_another_user_is_no_second_factor(
    app: Flask, client: FlaskClient, device: SoftwareAuthenticator
) -> None:
    with app.app_context():
        users.create_user("mallory", PASSWORD, Role.ADMINISTRATOR, now())
    own, mallory = SoftwareAuthenticator(), app.test_client()
    mallory.post("/sign-in", data={"name": "mallory", "password": PASSWORD})
    register(mallory, own)
    client.post("/sign-in", data={"name": ADMINISTRATOR, "password": PASSWORD})
    asked = options(client, "/sign-in/factor/passkey")
    answer = client.post("/sign-in/factor/passkey", data={"credential": own.sign(asked)})
    assert answer.status_code == 422
    assert not is_signed_in(client)


def test_a_passkey_that_names_another_user_is_refused(
    client: FlaskClient, device: SoftwareAuthenticator
) -> None:
    device.handle = "A" * 43
    use(client, device)
    assert not is_signed_in(client)


def test_a_signature_of_another_key_is_refused(client: FlaskClient, device: SoftwareAuthenticator) -> None:
    device.key = SoftwareAuthenticator().key
    use(client, device)
    assert not is_signed_in(client)


@pytest.mark.parametrize("origin", ["https://localhost", "http://localhost:1", "http://localhost.evil.test"])
def test_a_passkey_used_on_another_origin_is_refused(
    client: FlaskClient, device: SoftwareAuthenticator, origin: str
) -> None:
    device.origin = origin
    use(client, device)
    assert not is_signed_in(client)


def test_a_passkey_without_user_verification_is_refused(
    client: FlaskClient, device: SoftwareAuthenticator
) -> None:
    device.verifies = False
    use(client, device)
    assert not is_signed_in(client)


def test_a_fall_of_the_sign_count_is_written_down_and_accepted(
    app: Flask, client: FlaskClient, device: SoftwareAuthenticator
) -> None:
    device.count = 7
    use(client, device)
    assert not any(what == "Passkey counter fell" for _who, what, _detail in written(app))
    device.count = 2
    assert use(client, device).location == "/devices?q=1"
    assert (ADMINISTRATOR, "Passkey counter fell", "Laptop") in written(app)


def test_a_disabled_user_s_passkey_signs_nobody_in(
    app: Flask, client: FlaskClient, device: SoftwareAuthenticator
) -> None:
    with app.app_context(), write() as session:
        session.get_one(User, 1).disabled_at = now()
    assert use(client, device).location == "/sign-in"
    assert not is_signed_in(client)


def test_a_known_authenticator_is_left_out_of_the_next_registration(
    client: FlaskClient, device: SoftwareAuthenticator
) -> None:
    use(client, device)
    asked = options(client, OWN)
    assert [row["id"] for row in asked["excludeCredentials"]]
    assert asked["user"]["id"] == device.handle
    assert asked["authenticatorSelection"]["residentKey"] == "required"


def test_a_passkey_is_renamed_and_removed(
    app: Flask, client: FlaskClient, device: SoftwareAuthenticator
) -> None:
    use(client, device)
    client.post(f"{OWN}/1/name", data={"name": "Phone"})
    assert "Phone" in client.get("/account/factors").text
    client.post(f"{OWN}/1/name", data={"name": " "})
    assert "Give the passkey a name." in client.get("/account/factors").text
    client.post(f"{OWN}/1/remove")
    assert count(app, Passkey) == 0
    changes = [(what, detail) for _who, what, detail in written(app) if "passkey" in what]
    assert ("Renamed a passkey", "Laptop is now Phone") in changes
    assert ("Removed a passkey", "Phone") in changes
    client.post("/sign-out")
    assert client.post("/sign-in", data={"name": ADMINISTRATOR, "password": PASSWORD}).location == "/"


def test_a_passkey_of_another_user_is_not_there(app: Flask, device: SoftwareAuthenticator) -> None:
    with app.app_context():
        users.create_user("mallory", PASSWORD, Role.ADMINISTRATOR, now())
    mallory = app.test_client()
    mallory.post("/sign-in", data={"name": "mallory", "password": PASSWORD})
    assert mallory.post(f"{OWN}/1/remove").status_code == 404
    assert mallory.post(f"{OWN}/1/name", data={"name": "x"}).status_code == 404
    assert count(app, Passkey) == 1


def test_the_password_is_switched_off_with_two_passkeys_and_both_stay(
    app: Flask, client: FlaskClient, device: SoftwareAuthenticator
) -> None:
    use(client, device)
    client.post("/account/factors/password", data={"password": "off"})
    assert "Register at least 2 passkeys" in client.get("/account/factors").text
    assert register(client, SoftwareAuthenticator(), "Key").status_code == 303
    client.post("/account/factors/password", data={"password": "off"})
    assert (ADMINISTRATOR, "Switched password sign-in off", "") in written(app)
    client.post(f"{OWN}/1/remove")
    assert "2 passkeys have to stay" in client.get("/account/factors").text
    assert count(app, Passkey) == 2
    client.post("/sign-out")
    assert client.post("/sign-in", data={"name": ADMINISTRATOR, "password": PASSWORD}).status_code == 422
    assert use(client, device).status_code == 303
    client.post("/account/factors/password", data={"password": "on"})
    client.post(f"{OWN}/1/remove")
    assert count(app, Passkey) == 1


def test_passkeys_of_another_host_do_not_let_the_password_go(
    app: Flask, client: FlaskClient, device: SoftwareAuthenticator
) -> None:
    use(client, device)
    register(client, SoftwareAuthenticator(), "Key")
    with app.app_context(), write() as session:
        session.get_one(Passkey, 1).rp_id = "former.example"
    assert "Only at former.example" in client.get("/account/factors").text
    client.post("/account/factors/password", data={"password": "off"})
    with app.app_context():
        assert methods.methods_of(db.session.get_one(User, 1)).has_password


@pytest.mark.parametrize(
    "answer", ["", "x", "{}", "[]", '{"id":"x","response":{"clientDataJSON":"é"}}', "9" * 70_000]
)
def test_whatever_is_sent_as_an_answer_is_refused_with_a_sentence(client: FlaskClient, answer: str) -> None:
    sent = client.post("/sign-in/passkey", data={"credential": answer})
    assert sent.status_code == 303
    assert "The passkey was not accepted" in client.get("/sign-in").text


def test_a_name_is_asked_for_and_a_false_registration_refused(app: Flask, signed_in: FlaskClient) -> None:
    assert "Give the passkey a name." in register(signed_in, SoftwareAuthenticator(), " ").text
    elsewhere = SoftwareAuthenticator(origin="https://evil.example")
    assert register(signed_in, elsewhere, "Laptop").status_code == 422
    assert count(app, Passkey) == 0


def test_challenges_of_one_address_are_counted_and_old_ones_swept(app: Flask, client: FlaskClient) -> None:
    codes = {client.post("/sign-in/passkey/options").status_code for _ in range(61)}
    assert codes == {200, 429}
    assert count(app, PasskeyChallenge) == 60
    with app.app_context():
        passkeys.sweep(steady() + timedelta(minutes=6))
    assert count(app, PasskeyChallenge) == 0


@pytest.mark.parametrize(
    ("public_url", "opened_at", "expected"),
    [
        ("", "http://localhost:8000", ("localhost", "http://localhost:8000")),
        (HTTPS, HTTPS, ("harmony.example", HTTPS)),
        (HTTPS + ":443/below/", HTTPS, ("harmony.example", HTTPS)),
        (HTTPS + ":8443", HTTPS + ":8443", ("harmony.example", HTTPS + ":8443")),
        ("https://Bücher.example", "https://xn--bcher-kva.example", None),
        ("", "http://127.0.0.1:8000", "127.0.0.1 is an IP address"),
        ("", "http://[::1]:8000", "::1 is an IP address"),
        ("https://192.0.2.7", "https://192.0.2.7", "192.0.2.7 is an IP address"),
        ("http://harmony.example", "http://harmony.example", "need https"),
        ("", HTTPS, "need HARMONY_PUBLIC_URL"),
        (HTTPS, "https://other.example", f"at {HTTPS} only"),
        (HTTPS, "http://harmony.example", f"at {HTTPS} only"),
    ],
)
def test_an_address_without_passkeys_says_why_in_a_sentence(
    public_url: str, opened_at: str, expected: tuple[str, str] | str | None
) -> None:
    if isinstance(expected, str):
        with pytest.raises(PasskeysUnavailable, match=expected):
            relying_party(public_url, opened_at)
    else:
        found = relying_party(public_url, opened_at)
        assert tuple(found) == (expected or ("xn--bcher-kva.example", "https://xn--bcher-kva.example"))


def test_the_page_opened_by_address_says_that_passkeys_need_a_name(signed_in: FlaskClient) -> None:
    page = signed_in.get("/account/factors", base_url="http://localhost").text
    assert "Register a passkey" in page
    cookie = signed_in.get_cookie("harmony")
    assert cookie is not None
    signed_in.set_cookie("harmony", cookie.value, domain="127.0.0.1")
    page = signed_in.get("/account/factors", base_url="http://127.0.0.1:8000").text
    assert "Passkeys need a host name, and 127.0.0.1 is an IP address." in page
    assert "Register a passkey" not in page
    assert "Sign in with a passkey" not in signed_in.get("/sign-in", base_url="http://127.0.0.1").text


def long_ago(app: Flask) -> None:
    """Every session proved who acts too long ago."""
    with app.app_context(), write() as session:
        for row in session.query(SignInSession):
            row.reauthenticated_at = steady() - sessions.REAUTHENTICATED


CHANGES = (
    f"{OWN}/options", OWN, f"{OWN}/1/name", f"{OWN}/1/remove", "/account/factors/authenticator/begin",
    "/account/factors/authenticator", "/account/factors/authenticator/remove", "/account/factors/password",
    "/account/factors/recovery-codes", "/settings/sign-in-rules",
)  # fmt: skip


def test_every_change_of_a_factor_needs_a_recent_proof(
    app: Flask, client: FlaskClient, device: SoftwareAuthenticator
) -> None:
    use(client, device)
    long_ago(app)
    for path in CHANGES:
        answer = client.post(path, data={"name": "x", "password": "off"})
        assert answer.location.startswith("/account/confirm?"), path
    assert count(app, Passkey) == 1


def test_a_passkey_proves_again_who_acts_where_there_is_no_password(
    app: Flask, client: FlaskClient, device: SoftwareAuthenticator
) -> None:
    use(client, device)
    with app.app_context(), write() as session:
        session.get_one(User, 1).password_off = True
    long_ago(app)
    page = client.get("/account/confirm?next=/account/factors").text
    assert "Confirm with a passkey" in page
    assert 'type="password"' not in page
    wrong = SoftwareAuthenticator(handle=device.handle)
    assert use(client, wrong, "/account/confirm/passkey").location.startswith("/account/confirm")
    assert client.post(f"{OWN}/options").status_code == 303
    assert use(client, device, "/account/confirm/passkey").location == "/devices?q=1"
    assert client.post(f"{OWN}/options").status_code == 200
    assert written(app)[-1] == (ADMINISTRATOR, "Confirmed by passkey", "")


def test_a_new_password_from_the_command_line_counts_though_it_was_off(
    app: Flask, client: FlaskClient
) -> None:
    with app.app_context(), write() as session:
        session.get_one(User, 1).password_off = True
    word = "twelve loud herons in Bergen"
    result = app.test_cli_runner().invoke(args=["users", "reset", ADMINISTRATOR], input=word)
    assert result.exit_code == 0, result.output
    assert client.post("/sign-in", data={"name": ADMINISTRATOR, "password": word}).location == "/"
