"""Sign-ins whose password was right and whose second factor is missing, and the cookie that names one."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from sqlalchemy import delete, or_
from sqlalchemy.orm import Session

from harmony.clock import within
from harmony.db import changed, db, write
from harmony.models import PendingSignIn

_VALID_FOR = timedelta(minutes=10)
_MOST_TRIES = 5


def open_pending(user_id: int, target: str, now: datetime) -> str:
    """Begin to wait for the second factor of a user. Return the token for the cookie."""
    token = secrets.token_urlsafe(32)
    with write() as session:
        session.add(PendingSignIn(token_hash=_hash(token), user_id=user_id, target=target, created_at=now))
    return token


def find(token: str | None, now: datetime) -> PendingSignIn | None:
    """Return the sign-in that waits under a token; None for an unknown, old or too often tried one."""
    found = db.session.get(PendingSignIn, _hash(token)) if token else None
    return found if found is not None and _is_open(found, now) else None


def use_try(session: Session, token_hash: str, now: datetime) -> bool:
    """Count a try; False when the sign-in is over. Inside `write()` only."""
    found = session.get(PendingSignIn, token_hash)
    if found is None or not _is_open(found, now):
        return False
    found.tries += 1
    return True


def close(session: Session, token_hash: str) -> bool:
    """End a pending sign-in; True for the first who does. Inside `write()` only."""
    return changed(session, delete(PendingSignIn).where(PendingSignIn.token_hash == token_hash)) == 1


def close_all(session: Session, user_id: int) -> None:
    """End every pending sign-in of a user. Inside `write()` only."""
    session.execute(delete(PendingSignIn).where(PendingSignIn.user_id == user_id))


def sweep(now: datetime) -> None:
    """Forget the sign-ins that nobody completed."""
    at = PendingSignIn.created_at
    stale = or_(at <= now - _VALID_FOR, at >= now + _VALID_FOR)
    with write() as session:
        session.execute(delete(PendingSignIn).where(stale))


def _is_open(found: PendingSignIn, now: datetime) -> bool:
    return within(found.created_at, _VALID_FOR, now) and found.tries < _MOST_TRIES


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
