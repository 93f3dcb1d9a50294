"""Signing out on both sides: from here to the provider, and by its word (rung: S, over loopback)."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from harmony.clock import now
from harmony.db import db
from harmony.models import AuditEntry, UsedLogoutToken
from harmony.oidc import logout
from tests.conftest import ADMINISTRATOR, PASSWORD
from tests.oidc.fake import CLIENT_ID, FakeProvider
from tests.oidc.test_sign_in import START, is_signed_in, sign_in


def said(client: FlaskClient, token: str) -> int:
    """What the provider is answered."""
    return client.application.test_client().post(f"{START}/logout", data={"logout_token": token}).status_code


def test_signing_out_offers_to_sign_out_at_the_provider_too(
    visitor: FlaskClient, provider: FakeProvider
) -> None:
    sign_in(visitor, provider)
    page = visitor.post("/sign-out").headers["Location"]
    assert not is_signed_in(visitor)
    shown = visitor.get(page).get_data(as_text=True)
    assert "Sign out of Example ID too" in shown
    link = shown.split(f'href="{provider.issuer}/end?')[1].split('"')[0].replace("&amp;", "&")
    query = parse_qs(urlsplit(f"?{link}").query)
    assert query["client_id"] == [CLIENT_ID]
    assert query["post_logout_redirect_uri"] == ["http://localhost/sign-in"]
    assert query["id_token_hint"][0].count(".") == 2
    assert visitor.get(page).headers["Location"] == "/sign-in"


def test_signing_out_never_waits_for_a_provider_that_has_no_logout_or_is_down(
    visitor: FlaskClient, provider: FakeProvider, signed_in: FlaskClient
) -> None:
    assert signed_in.post("/sign-out").headers["Location"] == "/sign-in"
    sign_in(visitor, provider)
    provider.metadata = {"end_session_endpoint": None}
    from harmony.oidc import provider as known_providers

    known_providers.forget()
    assert visitor.post("/sign-out").headers["Location"] == "/sign-in"
    sign_in(visitor, provider)
    known_providers.forget()
    provider.stop()
    assert visitor.post("/sign-out").headers["Location"] == "/sign-in"
    assert not is_signed_in(visitor)


def test_the_provider_ends_every_session_of_a_person_and_no_other(
    visitor: FlaskClient, provider: FakeProvider
) -> None:
    other, local = visitor.application.test_client(), visitor.application.test_client()
    sign_in(visitor, provider)
    provider.claims = {"sub": "lou-2", "preferred_username": "lou", "sid": "session-2"}
    sign_in(other, provider)
    local.post("/sign-in", data={"name": ADMINISTRATOR, "password": PASSWORD})
    assert said(visitor, provider.logout_token()) == 200
    assert [is_signed_in(client) for client in (visitor, other, local)] == [False, True, True]
    with visitor.application.app_context():
        lines = db.session.execute(select(AuditEntry.who, AuditEntry.what)).all()
    assert ("kim", "Signed out by the provider") in lines


@pytest.mark.parametrize(
    ("named", "ends"),
    [
        ({"sub": None, "sid": "session-1"}, True),
        ({"sid": "session-1"}, True),
        ({"sid": "another"}, False),
        ({"sub": None, "sid": "another"}, False),
        ({"sub": "somebody else"}, False),
    ],
)
def test_a_session_is_named_by_its_id_or_by_its_person(
    visitor: FlaskClient, provider: FakeProvider, named: dict[str, Any], ends: bool
) -> None:
    sign_in(visitor, provider)
    assert said(visitor, provider.logout_token(**named)) == 200
    assert is_signed_in(visitor) != ends


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://evil.example"},
        {"aud": "another"},
        {"exp": 1},
        {"exp": None},
        {"exp": int(time.time()) + 10 * 86_400},
        {"iat": 9_999_999_999},
        {"nonce": "an ID token has one"},
        {"events": None},
        {"events": {"other": {}}},
        {"jti": None},
        {"sub": None},
        {"sub": 7},
    ],
)
def test_a_wrong_logout_token_ends_nothing(
    visitor: FlaskClient, provider: FakeProvider, changes: dict[str, Any]
) -> None:
    sign_in(visitor, provider)
    assert said(visitor, provider.logout_token(**changes)) == 400
    assert is_signed_in(visitor)


def test_a_logout_token_counts_once(visitor: FlaskClient, provider: FakeProvider) -> None:
    token = provider.logout_token()
    sign_in(visitor, provider)
    assert said(visitor, token) == 200
    sign_in(visitor, provider)
    assert said(visitor, token) == 400
    assert is_signed_in(visitor)
    with visitor.application.app_context():
        logout.sweep(now())
        assert db.session.scalar(select(UsedLogoutToken)) is not None
        logout.sweep(now() + logout.REMEMBERED)
        assert db.session.scalar(select(UsedLogoutToken)) is None


def test_nonsense_and_too_many_words_of_the_provider_are_refused(
    visitor: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = now()
    monkeypatch.setattr("harmony.web.sign_on.views.now", lambda: at)  # no try comes back meanwhile
    assert [said(visitor, token) for token in ("", "a.b.c", "é", "x" * 100_000)] == [400] * 4
    assert [said(visitor, "") for _ in range(57)] == [400] * 56 + [429]
