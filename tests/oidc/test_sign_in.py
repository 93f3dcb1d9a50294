"""Signing in at a provider that does as it should, or not (rung: S, over loopback)."""

from __future__ import annotations

import time
from typing import Any

import pytest
from flask.testing import FlaskClient
from joserfc.jwk import ECKey, RSAKey
from sqlalchemy import select
from werkzeug.test import TestResponse

from harmony.clock import now, steady
from harmony.db import db, write
from harmony.models import AuditEntry, ExternalIdentity, ProviderSession, SignInSession, SignOnFlow, User
from harmony.oidc import flow
from harmony.oidc import provider as known_providers
from harmony.security import sessions
from harmony.security.vault import vault
from tests.conftest import ADMINISTRATOR, PASSWORD
from tests.oidc.conftest import SETTINGS
from tests.oidc.fake import FakeProvider

START = "/sign-in/provider"
LOST = "This sign-in was not started in this browser, was used already, or took too long."


def begin(visitor: FlaskClient, path: str = START) -> str:
    answer = visitor.get(path)
    assert answer.status_code == 303, answer.get_data(as_text=True)
    return answer.headers["Location"]


def sign_in(visitor: FlaskClient, provider: FakeProvider, **changes: str | None) -> TestResponse:
    return visitor.get(provider.approve(begin(visitor), **changes))


def is_signed_in(visitor: FlaskClient) -> bool:
    return visitor.get("/devices").status_code == 200


def people(visitor: FlaskClient) -> dict[str, str]:
    with visitor.application.app_context():
        return {name: role for name, role in db.session.execute(select(User.name, User.role))}


def scope_of(visitor: FlaskClient, name: str) -> list[str] | None:
    with visitor.application.app_context():
        return db.session.scalars(select(User).where(User.name == name)).one().scope


def audit_lines(visitor: FlaskClient) -> list[tuple[str, str, str]]:
    with visitor.application.app_context():
        rows = select(AuditEntry.who, AuditEntry.what, AuditEntry.detail).order_by(AuditEntry.id)
        return [(who, what, detail) for who, what, detail in db.session.execute(rows)]


def leave_as_last_administrator(visitor: FlaskClient, name: str) -> None:
    """Somebody from the provider chose a password here, and the first administrator left."""
    with visitor.application.app_context():
        users = {user.name: user for user in db.session.scalars(select(User))}
        users[name].password_hash = users[ADMINISTRATOR].password_hash
        users[ADMINISTRATOR].disabled_at = now()
        db.session.commit()


def test_somebody_signs_in_and_gets_an_account_with_the_role_of_the_rule(
    visitor: FlaskClient, provider: FakeProvider
) -> None:
    assert "Sign in with Example ID" in visitor.get("/sign-in").get_data(as_text=True)
    answer = sign_in(visitor, provider)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert is_signed_in(visitor)
    assert people(visitor)["kim"] == "operator"
    assert ("kim", "Got an account", "operator, by the provider") in audit_lines(visitor)
    assert ("kim", "Signed in", "OpenID Connect") in audit_lines(visitor)


def test_the_way_back_leads_to_the_page_that_was_asked_for_and_to_no_other_site(
    visitor: FlaskClient, provider: FakeProvider
) -> None:
    for wanted, reached in (("/policy", "/policy"), ("//evil.example", "/"), ("https://evil.example", "/")):
        answer = visitor.get(provider.approve(begin(visitor, f"{START}?next={wanted}")))
        assert answer.headers["Location"] == reached


def test_an_account_is_found_by_issuer_and_subject_and_never_by_a_name(
    visitor: FlaskClient, provider: FakeProvider
) -> None:
    provider.claims = {"preferred_username": ADMINISTRATOR, "email": "admin@example.com"}
    sign_in(visitor, provider)
    assert set(people(visitor)) == {ADMINISTRATOR, f"{ADMINISTRATOR} (2)"}
    provider.claims = {"preferred_username": "renamed"}
    sign_in(visitor, provider)
    assert set(people(visitor)) == {ADMINISTRATOR, f"{ADMINISTRATOR} (2)"}
    provider.claims = {"preferred_username": ADMINISTRATOR, "sub": "somebody else"}
    sign_in(visitor, provider)
    assert f"{ADMINISTRATOR} (3)" in people(visitor)


def test_the_role_is_set_anew_at_each_sign_in(visitor: FlaskClient, provider: FakeProvider) -> None:
    provider.claims = {"groups": ["harmony-operators", "harmony-admins"]}
    sign_in(visitor, provider)
    assert people(visitor)["kim"] == "administrator"
    provider.claims = {"groups": ["harmony-operators"]}
    sign_in(visitor, provider)
    assert people(visitor)["kim"] == "operator"
    assert ("kim", "Got another role", "by the provider") in audit_lines(visitor)


def test_the_rules_never_take_the_last_administrator_with_a_password(
    visitor: FlaskClient, provider: FakeProvider, caplog: pytest.LogCaptureFixture
) -> None:
    provider.claims = {"groups": ["harmony-admins"]}
    sign_in(visitor, provider)
    leave_as_last_administrator(visitor, "kim")
    provider.claims = {"groups": ["harmony-operators"]}
    assert sign_in(visitor, provider).status_code == 303
    assert people(visitor)["kim"] == "administrator"
    assert "stays administrator" in caplog.text
    assert "kim" not in caplog.text


def test_that_somebody_stays_administrator_against_the_rules_is_recorded_once(
    visitor: FlaskClient, administrator: FlaskClient, provider: FakeProvider, typed: dict[str, str]
) -> None:
    changed = typed | {"rules": typed["rules"] + "\nharmony-viewers = viewer", "edition": "1"}
    assert administrator.post(SETTINGS, data=changed).status_code == 303
    provider.claims = {"groups": ["harmony-admins"]}
    sign_in(visitor, provider)
    leave_as_last_administrator(visitor, "kim")
    for group in ("operators", "operators", "viewers", "viewers"):
        provider.claims = {"groups": [f"harmony-{group}"]}
        assert sign_in(visitor, provider).status_code == 303
    assert [line for line in audit_lines(visitor) if line[1] == "Stayed administrator"] == [
        ("kim", "Stayed administrator", "last one with a password; operator by the provider"),
        ("kim", "Stayed administrator", "last one with a password; viewer by the provider"),
    ]


def test_a_rule_may_name_device_groups_and_one_without_them_leaves_the_scope(
    visitor: FlaskClient, administrator: FlaskClient, provider: FakeProvider, typed: dict[str, str]
) -> None:
    rules = "harmony-admins = viewer\nharmony-operators = Operator in 1:570, 1:571"
    changed = typed | {"rules": rules, "edition": "1"}
    assert administrator.post(SETTINGS, data=changed).status_code == 303
    sign_in(visitor, provider)
    assert scope_of(visitor, "kim") == ["1:570", "1:571"]
    provider.claims = {"groups": ["harmony-admins"]}
    sign_in(visitor, provider)
    assert (people(visitor)["kim"], scope_of(visitor, "kim")) == ("viewer", ["1:570", "1:571"])


def test_to_confirm_who_one_is_leads_to_the_provider_which_must_ask_again(
    visitor: FlaskClient, administrator: FlaskClient, provider: FakeProvider
) -> None:
    sign_in(visitor, provider)
    page = visitor.get("/account/confirm?next=/devices").get_data(as_text=True)
    assert f'href="{START}?next=/devices&amp;again=1"' in page
    assert "Single sign-on" in administrator.get("/settings/users").get_data(as_text=True).split("<main")[1]
    assert "again=1" not in administrator.get("/account/confirm").get_data(as_text=True)
    for asked, location in ((time.time(), "/devices"), (time.time() - 600, None)):
        provider.claims = {"auth_time": int(asked)}
        sent = begin(visitor, f"{START}?next=/devices&again=1")
        assert "prompt=login" in sent
        answer = visitor.get(provider.approve(sent))
        assert answer.headers.get("Location") == location
    assert "did not ask again who you are" in answer.get_data(as_text=True)


def test_a_provider_that_does_not_say_when_it_asked_proves_nothing(
    visitor: FlaskClient, provider: FakeProvider
) -> None:
    """The browser may have left `prompt=login` out on its way."""
    sign_in(visitor, provider)
    sent = begin(visitor, f"{START}?next=/devices&again=1")
    assert "max_age=0" in sent
    answer = visitor.get(provider.approve(sent))
    assert answer.status_code == 422
    assert "does not say when it asked who you are" in answer.get_data(as_text=True)
    assert proofs(visitor) == [False]


def test_a_disabled_account_is_not_let_in(visitor: FlaskClient, provider: FakeProvider) -> None:
    sign_in(visitor, provider)
    with visitor.application.app_context(), write() as session:
        session.scalars(select(User).where(User.name == "kim")).one().disabled_at = now()
    answer = sign_in(visitor, provider)
    assert answer.status_code == 403
    assert "Your account is disabled." in answer.get_data(as_text=True)


def test_nobody_gets_in_without_a_rule_and_is_told_what_came(
    visitor: FlaskClient, provider: FakeProvider
) -> None:
    provider.claims = {"groups": ["staff", "<b>night</b>"]}
    answer = sign_in(visitor, provider)
    assert answer.status_code == 403
    page = answer.get_data(as_text=True)
    assert "No rule matches your groups: staff, &lt;b&gt;night&lt;/b&gt;." in page
    assert not is_signed_in(visitor)
    assert set(people(visitor)) == {ADMINISTRATOR}
    assert ("kim", "Was refused by single sign-on", "no rule matches") in audit_lines(visitor)


def test_who_loses_the_last_rule_loses_every_session(visitor: FlaskClient, provider: FakeProvider) -> None:
    other = visitor.application.test_client()
    sign_in(visitor, provider)
    sign_in(other, provider)
    provider.claims = {"groups": []}
    assert sign_in(visitor, provider).status_code == 403
    assert not is_signed_in(visitor)
    assert not is_signed_in(other)


def test_too_many_groups_for_a_token_are_named_as_the_reason(
    visitor: FlaskClient, provider: FakeProvider
) -> None:
    provider.claims = {"groups": None, "_claim_names": {"groups": "src1"}}
    assert "only a pointer instead of groups" in sign_in(visitor, provider).get_data(as_text=True)


def test_groups_come_from_userinfo_where_the_token_has_none(
    visitor: FlaskClient, provider: FakeProvider
) -> None:
    provider.claims = {"groups": None}
    provider.userinfo = {"groups": ["harmony-operators"]}
    assert sign_in(visitor, provider).status_code == 303
    provider.userinfo["sub"] = "somebody else"
    answer = sign_in(visitor, provider)
    assert answer.status_code == 422
    assert "about another person" in answer.get_data(as_text=True)


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256"])
def test_the_usual_algorithms_and_ways_to_send_the_secret_work(
    visitor: FlaskClient, provider: FakeProvider, algorithm: str
) -> None:
    provider.metadata = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    if algorithm == "ES256":
        provider.keys.append(ECKey.generate_key("P-256", {"kid": "curve"}))
    provider.signer = (algorithm, provider.keys[-1])
    assert sign_in(visitor, provider).status_code == 303


WRONG_CLAIMS: list[tuple[dict[str, Any], str]] = [
    ({"nonce": "another"}, "belongs to another sign-in"),
    ({"nonce": None}, "belongs to another sign-in"),
    ({"iss": "https://evil.example"}, "issued by another provider"),
    ({"aud": "another client"}, "for another client"),
    ({"aud": ["harmony dashboard", "other"]}, "issued to another client"),
    ({"azp": "another client"}, "issued to another client"),
    ({"exp": 1}, "has expired"),
    ({"exp": None}, "no usable exp"),
    ({"exp": True}, "no usable exp"),
    ({"exp": float("inf")}, "no usable exp"),
    ({"iat": 9_999_999_999}, "ahead of Harmony"),
    ({"nbf": 9_999_999_999}, "ahead of Harmony"),
    ({"sub": None}, "names no subject"),
    ({"sub": "x" * 256}, "names no subject"),
    ({"sub": 7}, "names no subject"),
]


@pytest.mark.parametrize(("claims", "says"), WRONG_CLAIMS)
def test_a_token_with_a_wrong_claim_signs_nobody_in(
    visitor: FlaskClient, provider: FakeProvider, claims: dict[str, Any], says: str
) -> None:
    provider.claims = claims
    answer = sign_in(visitor, provider)
    assert answer.status_code == 422
    assert says in answer.get_data(as_text=True)
    assert not is_signed_in(visitor)
    assert any(what == "Was refused by single sign-on" for _who, what, _detail in audit_lines(visitor))


def test_clocks_may_differ_by_a_minute_and_not_by_two(visitor: FlaskClient, provider: FakeProvider) -> None:
    provider.claims = {"iat": int(time.time()) + 45}
    assert sign_in(visitor, provider).status_code == 303
    provider.claims = {"iat": int(time.time()) + 120}
    assert "seconds ahead of Harmony" in sign_in(visitor, provider).get_data(as_text=True)


def test_no_signature_a_shared_secret_and_a_foreign_key_are_refused(
    visitor: FlaskClient, provider: FakeProvider
) -> None:
    for provider.unsigned in ("none", "None", "HS256", "", None):
        if provider.unsigned is not None:
            assert "accepted algorithm" in sign_in(visitor, provider).get_data(as_text=True)
    provider.signer = ("RS256", RSAKey.generate_key(2048, {"kid": "first"}))
    assert "token is wrong" in sign_in(visitor, provider).get_data(as_text=True)
    assert not is_signed_in(visitor)


def test_a_new_key_is_read_once_and_an_invented_one_not_each_time(
    visitor: FlaskClient, provider: FakeProvider
) -> None:
    assert sign_in(visitor, provider).status_code == 303
    provider.keys = [RSAKey.generate_key(2048, {"kid": "second"})]
    assert sign_in(visitor, provider).status_code == 303
    provider.signer = ("RS256", RSAKey.generate_key(2048, {"kid": "invented"}))
    provider.calls.clear()
    for _ in range(3):
        assert "does not publish" in sign_in(visitor, provider).get_data(as_text=True)
    assert provider.calls.count("/keys") == 0


def test_the_answer_counts_once_in_the_browser_that_asked_and_for_ten_minutes(
    visitor: FlaskClient, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    back, thief = provider.approve(begin(visitor)), visitor.application.test_client()
    assert LOST in thief.get(back, follow_redirects=True).get_data(as_text=True)
    assert visitor.get(back).headers["Location"] == "/"
    for used in (back, back.replace("state=", "state=x"), back.replace("state=", "other=")):
        assert visitor.get(used).headers["Location"] == "/sign-in"
    late = provider.approve(begin(visitor))
    with monkeypatch.context() as patch:
        patch.setattr("harmony.web.sign_on.views.steady", lambda: steady() + flow.KEPT_FOR)
        assert visitor.get(late).headers["Location"] == "/sign-in"
    assert visitor.get(late).headers["Location"] == "/sign-in"


def test_two_windows_of_a_browser_may_sign_in_at_the_same_time(
    visitor: FlaskClient, provider: FakeProvider
) -> None:
    first, second = provider.approve(begin(visitor)), provider.approve(begin(visitor))
    assert visitor.get(first).status_code == 303
    assert visitor.get(second).status_code == 303


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"iss": "https://evil.example"}, "came from another provider"),
        ({"iss": None}, "came from another provider"),
        ({"code": None}, "sent no code"),
        ({"code": "invented"}, "did not accept the code"),
        ({"error": "access_denied"}, "declined or cancelled there"),
        ({"error": "interaction_required"}, "with the error interaction_required."),
        ({"error": "<script>"}, "ended the sign-in with an error."),
    ],
)
def test_what_is_wrong_with_an_answer_is_said_in_a_sentence(
    visitor: FlaskClient, provider: FakeProvider, changes: dict[str, str | None], says: str
) -> None:
    answer = sign_in(visitor, provider, **changes)
    assert answer.status_code == 422
    assert says in answer.get_data(as_text=True)
    assert not is_signed_in(visitor)


JSON = {"Content-Type": "application/json"}
Answer = tuple[int, dict[str, str], bytes]
SPOILED: list[tuple[str, Answer, str]] = [
    ("/keys", (500, JSON, b"{}"), "answered with status 500"),
    ("/keys", (200, JSON, b"[" * 300_000), "larger than 256 KiB"),
    ("/keys", (200, JSON, b"[" * 100_000), "list of keys cannot be read"),
    ("/keys", (200, JSON, b'{"keys": [7]}'), "list of keys cannot be read"),
    ("/keys", (200, JSON, b'{"keys": [{"kty": "RSA"}, {"kty": "oct", "k": "YQ"}]}'), "does not publish"),
    ("/token", (302, {"Location": "https://evil.example"}, b""), "answered with status 302"),
    ("/token", (200, JSON, b"{}"), "sent no ID token"),
    ("/token", (200, JSON, b'{"id_token": "x"}'), "token cannot be read"),
    ("/token", (200, JSON, b'{"id_token": "' + b"x" * 300_000 + b'"}'), "larger than 256 KiB"),
    ("/token", (401, JSON, b'{"error": "invalid_client"}'), "refused Harmony&#39;s client ID"),
]


@pytest.mark.parametrize(("path", "answer", "says"), SPOILED)
def test_a_spoiled_answer_of_the_provider_signs_nobody_in(
    visitor: FlaskClient, provider: FakeProvider, path: str, answer: Answer, says: str
) -> None:
    provider.spoiled[path] = answer
    page = sign_in(visitor, provider)
    assert page.status_code in {422, 503}
    assert says in page.get_data(as_text=True)
    assert not is_signed_in(visitor)


def test_a_provider_that_is_down_ends_no_session_and_keeps_no_administrator_out(
    visitor: FlaskClient, provider: FakeProvider
) -> None:
    sign_in(visitor, provider)
    provider.stop()
    known_providers.forget()
    assert is_signed_in(visitor)
    other = visitor.application.test_client()
    answer = other.get(START)
    assert answer.status_code == 503
    assert "Nothing listens at" in answer.get_data(as_text=True)
    assert other.post("/sign-in", data={"name": ADMINISTRATOR, "password": PASSWORD}).status_code == 303
    assert is_signed_in(other)


def test_an_account_of_the_provider_has_no_password_to_sign_in_with(
    visitor: FlaskClient, provider: FakeProvider
) -> None:
    sign_in(visitor, provider)
    other = visitor.application.test_client()
    for password in ("", PASSWORD):
        assert other.post("/sign-in", data={"name": "kim", "password": password}).status_code == 422


def test_local_accounts_keep_role_and_password_whatever_the_provider_says(
    visitor: FlaskClient, provider: FakeProvider, typed: dict[str, str], administrator: FlaskClient
) -> None:
    provider.claims = {"preferred_username": ADMINISTRATOR, "sub": ADMINISTRATOR}
    sign_in(visitor, provider)
    provider.claims |= {"groups": []}
    sign_in(visitor, provider)
    assert people(visitor)[ADMINISTRATOR] == "administrator"
    administrator.post(f"{SETTINGS}/remove")
    other = visitor.application.test_client()
    assert other.post("/sign-in", data={"name": ADMINISTRATOR, "password": PASSWORD}).status_code == 303


def test_going_to_the_provider_is_limited_per_address(visitor: FlaskClient, provider: FakeProvider) -> None:
    answers = [visitor.get(START).status_code for _ in range(31)]
    assert answers == [303] * 30 + [429]


def test_nothing_of_a_sign_in_stays_behind(visitor: FlaskClient, provider: FakeProvider) -> None:
    begin(visitor)
    with visitor.application.app_context():
        flow.sweep(steady())
        assert db.session.scalar(select(SignOnFlow)) is not None
        flow.sweep(steady() + flow.KEPT_FOR)
        assert db.session.scalar(select(SignOnFlow)) is None


def test_without_a_provider_there_is_no_button_and_no_way(client: FlaskClient) -> None:
    assert "Sign in with Example ID" not in client.get("/sign-in").get_data(as_text=True)
    assert client.get(START).status_code == 404
    assert client.post(f"{START}/logout").status_code == 404


def test_signing_in_again_replaces_the_session_of_the_browser(
    visitor: FlaskClient, provider: FakeProvider
) -> None:
    sign_in(visitor, provider)
    sign_in(visitor, provider)
    with visitor.application.app_context():
        user_id = db.session.scalars(select(ExternalIdentity.user_id)).one()
        living = select(SignInSession).where(SignInSession.user_id == user_id)
        assert len(db.session.scalars(living).all()) == 1


def test_a_name_that_folding_lengthens_gets_an_account(visitor: FlaskClient, provider: FakeProvider) -> None:
    provider.claims = {"preferred_username": "\ufdfa" * 4}
    assert sign_in(visitor, provider).status_code == 303
    assert is_signed_in(visitor)


def test_a_sign_in_without_a_question_is_no_recent_proof(
    visitor: FlaskClient, provider: FakeProvider
) -> None:
    sign_in(visitor, provider)
    assert proofs(visitor) == [False]
    provider.claims = {"auth_time": int(time.time())}
    visitor.get(provider.approve(begin(visitor, f"{START}?next=/devices&again=1")))
    assert proofs(visitor) == [True]


def proofs(visitor: FlaskClient) -> list[bool]:
    """For each living session of kim: whether somebody proved in it who they are."""
    with visitor.application.app_context():
        kim = select(User.id).where(User.name == "kim").scalar_subquery()
        rows = select(SignInSession).where(SignInSession.user_id == kim, SignInSession.ended_at.is_(None))
        return [row.reauthenticated_at is not None for row in db.session.scalars(rows)]


def test_who_loses_the_last_rule_loses_sessions_of_every_kind(
    visitor: FlaskClient, provider: FakeProvider
) -> None:
    sign_in(visitor, provider)
    other = visitor.application.test_client()
    with visitor.application.test_request_context():
        user = db.session.scalars(select(User).where(User.name == "kim")).one()
        token = sessions.open_session(user, steady(), "passkey")
        name = sessions.named_cookie(sessions.SESSION)
    other.set_cookie(name, token)
    assert is_signed_in(other)
    provider.claims = {"groups": ["nobody"]}
    sign_in(visitor.application.test_client(), provider)
    assert not is_signed_in(other)


def test_proving_again_in_a_session_of_the_provider_keeps_its_logout(
    visitor: FlaskClient, provider: FakeProvider
) -> None:
    sign_in(visitor, provider)
    with visitor.application.app_context():
        before = db.session.scalars(select(ProviderSession)).one().token_hash
        [token] = [
            cookie.value
            for cookie in visitor._cookies.values()
            if sessions.token_hash(cookie.value) == before
        ]
        db.session.rollback()
        successor = sessions.mark_reauthenticated(token, steady())
        behind = db.session.scalars(select(ProviderSession)).one()
        assert behind.token_hash == sessions.token_hash(successor)
        assert vault().open(behind.id_token, sessions.id_token_bound_to(behind.token_hash))
        assert db.session.get(SignInSession, before) is None
