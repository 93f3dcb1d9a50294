"""Passkeys (WebAuthn): challenges, registration, sign-in. Cryptography and CBOR are in `ceremonies`."""

from __future__ import annotations

import hashlib
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

import msgspec
from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from harmony.clock import within
from harmony.db import db, write
from harmony.models import Passkey, PasskeyChallenge, User
from harmony.security.factors.relying_party import RelyingParty

_VALID_FOR = timedelta(minutes=5)
_CHALLENGE_BYTES = 32
_LARGEST_ANSWER = 64 * 1024


class _Purpose(StrEnum):
    """The use that a challenge was made for; it counts for no other."""

    REGISTRATION = "registration"
    SIGN_IN = "sign-in"


class PasskeyRefused(Exception):
    """The answer of the authenticator was not accepted."""


class Proof(NamedTuple):
    """A passkey that has signed a challenge. `is_copy` warns: its counter did not go on."""

    passkey: Passkey
    is_copy: bool


class _ClientData(msgspec.Struct):
    """The part of the browser's record that names the challenge; py_webauthn checks all of it."""

    challenge: str


class _Response(msgspec.Struct):
    """The answer of an authenticator, under the names of the standard, as far as it is read here."""

    clientDataJSON: str
    userHandle: str | None = None
    transports: list[str] = []


class _Answer(msgspec.Struct):
    """The credential as `PublicKeyCredential.toJSON()` returns it."""

    id: str
    response: _Response


def passkeys_of(user_id: int) -> list[Passkey]:
    """Return the passkeys of a user, the oldest first."""
    return list(db.session.scalars(select(Passkey).where(Passkey.user_id == user_id).order_by(Passkey.id)))


def _user_handle(user: User) -> bytes:
    """Return what authenticators know a user by: nothing personal, and never that of a later user."""
    return hashlib.sha256(f"passkey user {user.id} {user.created_at.isoformat()}".encode()).digest()


def registration_options(party: RelyingParty, user: User, now: datetime) -> str:
    """Return what the browser needs to make a passkey, as JSON; the challenge is good for one answer."""
    from harmony.security.factors import ceremonies  # noqa: PLC0415 - loads slowly, and seldom

    user_id, name, handle = user.id, user.name, _user_handle(user)
    known = [passkey.credential_id for passkey in passkeys_of(user_id)]
    challenge = _new_challenge(_Purpose.REGISTRATION, user_id, now)
    return ceremonies.registration_request(party, name, handle, challenge, known)


def sign_in_options(party: RelyingParty, user_id: int | None, now: datetime) -> str:
    """Return what the browser needs to sign in with a passkey, as JSON: any one, or one of a user."""
    from harmony.security.factors import ceremonies  # noqa: PLC0415

    challenge = _new_challenge(_Purpose.SIGN_IN, user_id, now)
    known = None if user_id is None else [passkey.credential_id for passkey in passkeys_of(user_id)]
    return ceremonies.sign_in_request(party, challenge, known)


def verified(party: RelyingParty, user_id: int, answer: str, now: datetime) -> Passkey:
    """Return the new passkey that an answer brings, not stored and without a name. Raises PasskeyRefused."""
    from harmony.security.factors import ceremonies  # noqa: PLC0415

    parsed = _parsed(answer)
    challenge = _take_challenge(parsed, _Purpose.REGISTRATION, user_id, now)
    try:
        found = ceremonies.verified_registration(party, answer, challenge)
    except ceremonies.AnswerInvalid as problem:
        raise PasskeyRefused from problem
    return Passkey(
        user_id=user_id,
        rp_id=party.id,
        credential_id=_to_text(found.credential_id),
        public_key=found.credential_public_key,
        sign_count=found.sign_count,
        transports=",".join(parsed.response.transports)[:128],
        backed_up=found.credential_backed_up,
        created_at=now,
    )


def prove(party: RelyingParty, user_id: int | None, answer: str, now: datetime) -> Proof:
    """Return the passkey that signed a challenge of ours, and note its use. Raises PasskeyRefused.

    `user_id`: whose passkey it has to be; None for anybody's.
    """
    parsed = _parsed(answer)
    challenge = _take_challenge(parsed, _Purpose.SIGN_IN, user_id, now)
    passkey = db.session.scalar(select(Passkey).where(Passkey.credential_id == parsed.id))
    if passkey is None or (user_id is not None and passkey.user_id != user_id):
        raise PasskeyRefused
    owner = _user_handle(db.session.get_one(User, passkey.user_id))
    if parsed.response.userHandle not in {None, _to_text(owner)}:
        raise PasskeyRefused
    count = _checked_count(party, passkey, answer, challenge)
    is_copy = 0 < count <= passkey.sign_count or (count == 0 < passkey.sign_count)
    with write() as session:
        stored = session.get(Passkey, passkey.id)
        if stored is None:  # removed meanwhile
            raise PasskeyRefused
        stored.sign_count, stored.used_at = count, now
    return Proof(passkey, is_copy)


def sweep(now: datetime) -> None:
    """Forget the challenges that were never answered."""
    at = PasskeyChallenge.created_at
    with write() as session:
        session.execute(delete(PasskeyChallenge).where(or_(at <= now - _VALID_FOR, at >= now + _VALID_FOR)))


def remove_all(session: Session, user_id: int) -> None:
    """Forget the passkeys of a user. Inside `write()` only."""
    session.execute(delete(Passkey).where(Passkey.user_id == user_id))


def _checked_count(party: RelyingParty, passkey: Passkey, answer: str, challenge: bytes) -> int:
    from harmony.security.factors import ceremonies  # noqa: PLC0415

    try:
        return ceremonies.verified_count(party, answer, challenge, passkey.public_key)
    except ceremonies.AnswerInvalid as problem:
        raise PasskeyRefused from problem


def _new_challenge(purpose: _Purpose, user_id: int | None, now: datetime) -> bytes:
    challenge = secrets.token_bytes(_CHALLENGE_BYTES)
    row = {"purpose": purpose.value, "user_id": user_id, "created_at": now}
    with write() as session:
        session.add(PasskeyChallenge(challenge_hash=_hash(challenge), **row))
    return challenge


def _take_challenge(answer: _Answer, purpose: _Purpose, user_id: int | None, now: datetime) -> bytes:
    """Return the challenge that was answered, and delete it: of two that answer it, the first counts."""
    try:
        data = _to_bytes(answer.response.clientDataJSON)
        challenge = _to_bytes(msgspec.json.decode(data, type=_ClientData).challenge)
    except (ValueError, msgspec.MsgspecError):
        raise PasskeyRefused from None
    with write() as session:
        row = session.get(PasskeyChallenge, _hash(challenge))
        if row is None or (row.purpose, row.user_id) != (purpose.value, user_id):
            raise PasskeyRefused
        is_fresh = within(row.created_at, _VALID_FOR, now)
        session.delete(row)
    if not is_fresh:
        raise PasskeyRefused
    return challenge


def _parsed(answer: str) -> _Answer:
    try:
        if len(answer) > _LARGEST_ANSWER:
            raise PasskeyRefused
        return msgspec.json.decode(answer, type=_Answer)
    except (msgspec.MsgspecError, UnicodeError):
        raise PasskeyRefused from None


def _to_text(data: bytes) -> str:
    """Return base64url without padding, as the standard writes it."""
    return urlsafe_b64encode(data).decode().rstrip("=")


def _to_bytes(text: str) -> bytes:
    return urlsafe_b64decode(f"{text}===")


def _hash(challenge: bytes) -> str:
    return hashlib.sha256(challenge).hexdigest()
