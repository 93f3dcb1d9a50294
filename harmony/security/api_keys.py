"""API keys: created and shown once, listed, revoked; and who a key that is shown belongs to."""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError

from harmony.audit import audit
from harmony.clock import within
from harmony.db import changed, db, write
from harmony.models import ApiKey, Role, RoleSettings, User
from harmony.security import key_format
from harmony.security.auth import principal_for
from harmony.security.principal import Principal

log = logging.getLogger(__name__)

# The time of the last use is coarse, so that a request does not cost a write.
_USED_EVERY = timedelta(minutes=5)
_RANKS = list(Role)
# A key, its user, and whether its role hides personal data: one question for every request.
_KEYS = (
    select(ApiKey, User, RoleSettings.hides_personal_data)
    .outerjoin(User, User.id == ApiKey.user_id)
    .outerjoin(RoleSettings, RoleSettings.role == ApiKey.role)
)


class UnusableKey(Exception):
    """The key opens nothing; `code` says why: `key_unknown`, `key_revoked`, `key_expired`, `key_disabled`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """The choices of an administrator for a new key; with a `user_id` it acts for that user."""

    name: str
    role: Role
    lifetime: timedelta
    user_id: int | None = None
    scope: Sequence[str] | None = None
    hides_personal_data: bool = False


def create(wanted: NewApiKey, by: str, now: datetime) -> tuple[int, str]:
    """Create a key. Return its id, and the key itself, which is not stored and cannot be shown again."""
    key = key_format.complete(_random(key_format.NAME_LENGTH), _random(key_format.SECRET_LENGTH))
    row = ApiKey(
        name=wanted.name, start=key_format.start_of(key), key_hash=_hash(key), user_id=wanted.user_id,
        role=wanted.role.value, scope=_stored_scope(wanted),
        hides_personal_data=wanted.hides_personal_data, created_at=now, created_by=by,
        expires_at=now + wanted.lifetime,
    )  # fmt: skip
    with write() as session:
        session.add(row)
        session.flush()
        detail = f"{row.name}, {row.start}…, {row.role}, until {row.expires_at:%Y-%m-%d}"
        audit(session, by, "Created an API key", now, detail=detail)
        return row.id, key


def revoke(key_id: int, by: str, now: datetime) -> bool:
    """Let the key open nothing any more. False: it was revoked already."""
    unrevoked = (ApiKey.id == key_id, ApiKey.revoked_at.is_(None))
    with write() as session:
        if not changed(session, update(ApiKey).where(*unrevoked).values(revoked_at=now, revoked_by=by)):
            return False
        row = session.get_one(ApiKey, key_id)
        audit(session, by, "Revoked an API key", now, detail=f"{row.name}, {row.start}…")
    return True


def listed() -> Sequence[tuple[ApiKey, str | None]]:
    """Return every key with the name of the user it acts for, those that are revoked last."""
    rows = select(ApiKey, User.name).outerjoin(User, User.id == ApiKey.user_id)
    ordered = rows.order_by(ApiKey.revoked_at.is_not(None), ApiKey.name, ApiKey.id)
    return [(key, name) for key, name in db.session.execute(ordered)]


def state(key: ApiKey, now: datetime) -> str:
    """Return "revoked", "expired" or "active"."""
    if key.revoked_at is not None:
        return "revoked"
    return "expired" if key.expires_at <= now else "active"


def opened_by(shown: str, now: datetime) -> tuple[int, Principal]:
    """Return the id of the key that is shown, and who it acts for. Raises UnusableKey.

    A key with a wrong checksum is refused without asking the database. A table is asked for the hash alone:
    how long that takes tells nothing of any key.
    """
    if not key_format.is_well_formed(shown):
        raise UnusableKey("key_unknown")
    found = db.session.execute(_KEYS.where(ApiKey.key_hash == _hash(shown))).first()
    if found is None:
        raise UnusableKey("key_unknown")
    key, user, role_hides = found
    _require_open(key, user, now)
    if key.last_used_at is None or not within(key.last_used_at, _USED_EVERY, now):
        _touch(key.id, now)
    return key.id, _of_service(key, hides=bool(role_hides)) if user is None else _of_user(key, user)


def _stored_scope(wanted: NewApiKey) -> list[str] | None:
    """Return the scope as it is stored; none narrows an administrator."""
    return None if wanted.scope is None or wanted.role is Role.ADMINISTRATOR else list(wanted.scope)


def _require_open(key: ApiKey, user: User | None, now: datetime) -> None:
    if (found := state(key, now)) != "active":
        raise UnusableKey(f"key_{found}")
    if user is not None and user.disabled_at is not None:
        raise UnusableKey("key_disabled")


def _of_service(key: ApiKey, *, hides: bool) -> Principal:
    hides = key.hides_personal_data or (hides and key.role != Role.ADMINISTRATOR)
    return Principal(None, f"API key {key.name}", Role(key.role), _scope(key), hides)


def _of_user(key: ApiKey, user: User) -> Principal:
    """Return the user with no more rights than the key has, and a key with no more than the user."""
    own = principal_for(user)
    scopes = [scope for scope in (_scope(key), own.scope) if scope is not None]
    return Principal(
        user.id,
        f"{user.name} (API key)"[:64],
        min(Role(key.role), own.role, key=_RANKS.index),
        frozenset.intersection(*scopes) if scopes else None,
        own.hides_personal_data or key.hides_personal_data,
    )


def _scope(key: ApiKey) -> frozenset[str] | None:
    return None if key.scope is None else frozenset(key.scope)


def _touch(key_id: int, now: datetime) -> None:
    try:
        with write() as session:
            session.execute(update(ApiKey).where(ApiKey.id == key_id).values(last_used_at=now))
    except OperationalError:
        # A full disk or a busy database must not take reading away as well.
        log.warning("The time of a key's last use could not be written.")


def _random(length: int) -> str:
    return "".join(secrets.choice(key_format.ALPHABET) for _ in range(length))


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
