"""The set-up code: who reads it where Harmony was started may create the first administrator."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta

from sqlalchemy import delete, select

from harmony.clock import within
from harmony.db import db, release, write
from harmony.models import Role, SetupCode, User
from harmony.security import users
from harmony.security.code_letters import ALPHABET, letters_meant

# Behind the prefix, twelve letters are 60 bits.
_PREFIX = "HRMN"
_GROUPS = 3
_GROUP_SIZE = 4
_VALID_FOR = timedelta(hours=24)


class WrongCode(Exception):
    """The set-up code is not the current one, is older than a day, or was already used."""


def issue(now: datetime) -> str | None:
    """Return a new code, replacing the former one; None when a user exists. Only its SHA-256 is stored."""
    groups = ("".join(secrets.choice(ALPHABET) for _ in range(_GROUP_SIZE)) for _ in range(_GROUPS))
    code = "-".join((_PREFIX, *groups))
    with write() as session:
        session.execute(delete(SetupCode))
        if users.any_user():
            return None
        session.add(SetupCode(code_hash=_hash(code), created_at=now))
    return code


def redeem_and_create(code: str, name: str, password: str, now: datetime) -> User:
    """Create the first administrator; code and account change in one transaction, so one of two wins.

    Raises WrongCode, users.UnfitName, users.UnfitPassword.
    """
    if not _is_current(code, now):
        raise WrongCode
    release()
    user = users.new_user(name, password, Role.ADMINISTRATOR, now)
    with write() as session:
        # Again, now under the lock: hashing the password took long enough for another to come first.
        if not _is_current(code, now):
            raise WrongCode
        users.add(session, user)
        session.execute(delete(SetupCode))
    return user


def _is_current(code: str, now: datetime) -> bool:
    stored = db.session.scalar(select(SetupCode).order_by(SetupCode.id.desc()).limit(1))
    if stored is None or not within(stored.created_at, _VALID_FOR, now) or users.any_user():
        return False
    return hmac.compare_digest(stored.code_hash, _hash(code))


def _hash(code: str) -> str:
    return hashlib.sha256(_canonical(code).encode()).hexdigest()


def _canonical(code: str) -> str:
    """Return the code that was meant: typed in lower case, without hyphens or prefix, with O for 0."""
    letters = letters_meant(code)
    if len(letters) == len(_PREFIX) + _GROUPS * _GROUP_SIZE:
        letters = letters.removeprefix(_PREFIX)
    return letters
