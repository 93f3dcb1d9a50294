"""A test of settings before they are saved: a real sign-in at the provider that signs nobody in."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import delete, or_

from harmony.clock import within
from harmony.db import db, write
from harmony.models import SignOnTest
from harmony.oidc.errors import SignOnError
from harmony.oidc.identity import VerifiedIdentity, why_no_rule
from harmony.oidc.metadata import shortened
from harmony.oidc.rules import RuleResult
from harmony.oidc.settings import ProviderSettings
from harmony.security.vault import VaultLocked, vault

KEPT_FOR = timedelta(hours=1)
_MOST_CLAIMS = 50
_NO_AUTH_TIME = (
    "The provider sends no auth_time: where Harmony asks again who somebody is, only a passkey will do."
)


class SignOnOutcome(msgspec.Struct, frozen=True):
    """The outcome of a test: `sentence` says who one would be, or why nobody; `claims` came."""

    is_access: bool
    sentence: str
    advice: str = ""
    claims: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class SettingsTest:
    """A test as its page shows it."""

    id: str
    settings: ProviderSettings
    edition: int
    outcome: SignOnOutcome | None


class _Kept(msgspec.Struct, frozen=True):
    settings: ProviderSettings
    edition: int


def create(user_id: int, settings: ProviderSettings, edition: int, now: datetime) -> str:
    """Keep complete settings for a test of this user. Return its id."""
    id_ = secrets.token_urlsafe(16)
    sealed = vault().seal(msgspec.json.encode(_Kept(settings, edition)).decode(), _bound_to(id_))
    with write() as session:
        session.execute(delete(SignOnTest).where(SignOnTest.user_id == user_id))
        session.add(SignOnTest(id=id_, user_id=user_id, created_at=now, sealed=sealed))
    return id_


def find(id_: str, now: datetime, user_id: int | None = None) -> SettingsTest | None:
    """Return a test that is not too old; with `user_id` only one of that user."""
    row = db.session.get(SignOnTest, id_)
    if row is None or not within(row.created_at, KEPT_FOR, now) or user_id not in {None, row.user_id}:
        return None
    try:
        kept = msgspec.json.decode(vault().open(row.sealed, _bound_to(id_)), type=_Kept)
        outcome = row.outcome and vault().open(row.outcome, _bound_to(id_))
    except (VaultLocked, msgspec.MsgspecError):
        return None
    found = msgspec.json.decode(outcome, type=SignOnOutcome) if outcome else None
    return SettingsTest(id_, kept.settings, kept.edition, found)


def record(id_: str, outcome: SignOnOutcome) -> None:
    """Keep the outcome of a test."""
    sealed = vault().seal(msgspec.json.encode(outcome).decode(), _bound_to(id_))
    with write() as session:
        row = session.get(SignOnTest, id_)
        if row is not None:
            row.outcome = sealed


def outcome_of(identity: VerifiedIdentity, settings: ProviderSettings) -> SignOnOutcome:
    """Return what a sign-in of this person would lead to."""
    claims = tuple(
        (shortened(name), shortened(_text(value)))
        for name, value in list(identity.claims.items())[:_MOST_CLAIMS]
    )
    result = identity.result
    if result.number is not None:
        advice = "" if "auth_time" in identity.claims else _NO_AUTH_TIME
        return SignOnOutcome(True, _who(result), advice, claims)
    sentence = why_no_rule(result, settings.claim_path)
    advice = "Nobody gets in without a rule. Add one for a value that came, or correct the claim path."
    return SignOnOutcome(False, sentence, advice, claims)


def _who(result: RuleResult) -> str:
    count = len(result.groups)
    within = f" of {count} device group{'s' if count != 1 else ''}" if count else ""
    return f"You would be: {result.role}{within} by rule {result.number}."


def outcome_of_error(error: SignOnError) -> SignOnOutcome:
    """Return what a test shows that failed."""
    return SignOnOutcome(False, error.sentence, error.advice)


def sweep(now: datetime) -> None:
    """Delete the tests that are too old."""
    created = SignOnTest.created_at
    with write() as session:
        session.execute(delete(SignOnTest).where(or_(created <= now - KEPT_FOR, created >= now + KEPT_FOR)))


def _bound_to(id_: str) -> str:
    """Name what a test is bound to."""
    return f"sign_on_test:{id_}"


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value[:100]))
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
