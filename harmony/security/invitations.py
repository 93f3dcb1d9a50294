"""Invitations: a link that lets one user choose a password, valid once and for three days."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from harmony.audit import audit
from harmony.clock import within
from harmony.db import changed, db, release, write
from harmony.models import Invitation, User
from harmony.security.passwords import hash_password, password_problem
from harmony.security.users import UnfitPassword

VALID_FOR = timedelta(days=3)
_TOKEN_PREFIX = "hrmni_"  # noqa: S105


class InvitationOver(Exception):
    """The link was used, replaced or withdrawn, or is too old."""


def issue(session: Session, user_id: int, now: datetime) -> str:
    """Return a new token for a user, in place of any former one. Inside `write()` only."""
    token = _TOKEN_PREFIX + secrets.token_urlsafe(32)
    withdraw(session, user_id)
    session.add(Invitation(user_id=user_id, token_hash=_hash(token), created_at=now))
    return token


def withdraw(session: Session, user_id: int) -> None:
    """Make the link of a user worthless. Inside `write()` only."""
    session.execute(delete(Invitation).where(Invitation.user_id == user_id))


def invited(token: str, now: datetime) -> User | None:
    """Return the user whose link this is; None when it is not valid any more."""
    query = select(Invitation, User).join(User, User.id == Invitation.user_id)
    found = db.session.execute(query.where(Invitation.token_hash == _hash(token))).first()
    if found is None or not within(found[0].created_at, VALID_FOR, now):
        return None
    user: User = found[1]
    return user


def accept(token: str, password: str, now: datetime) -> User:
    """Give the invited user this password; the link is used up.

    Raises InvitationOver, UnfitPassword, TooManyAtOnce.
    """
    user = invited(token, now)
    if user is None:
        raise InvitationOver
    if problem := password_problem(password, user.name):
        raise UnfitPassword(problem)
    release()
    hashed = hash_password(password)
    with write() as session:
        # Hashing took long enough for the link to be used, withdrawn or replaced.
        used = delete(Invitation).where(Invitation.token_hash == _hash(token), Invitation.user_id == user.id)
        if not changed(session, used):
            raise InvitationOver
        user = session.get_one(User, user.id)
        user.password_hash, user.password_off = hashed, False
        audit(session, user.name, "Chose a password by invitation", now)
    return user


def sweep(now: datetime) -> None:
    """Delete the invitations that nobody can use any more."""
    stale = or_(Invitation.created_at <= now - VALID_FOR, Invitation.created_at >= now + VALID_FOR)
    with write() as session:
        session.execute(delete(Invitation).where(stale))


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
