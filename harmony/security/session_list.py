"""The sessions of a user: listed for that user, ended by that user."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, func, select

from harmony.db import changed, db, write
from harmony.models import SignInSession
from harmony.security.sessions import is_living, token_hash

_ID_LENGTH = 16


def session_id(session: SignInSession) -> str:
    """Return the name of a session in an address: part of a hash, which opens nothing."""
    return session.token_hash[:_ID_LENGTH]


def living_sessions(user_id: int, now: datetime) -> Sequence[SignInSession]:
    """Return the sessions of a user that have not ended, the one used last first."""
    query = (
        select(SignInSession).where(SignInSession.user_id == user_id).order_by(SignInSession.seen_at.desc())
    )
    return [session for session in db.session.scalars(query) if is_living(session, now)]


def end_session(user_id: int, id_: str) -> bool:
    """End one session of a user. Return False if there is none of that id."""
    named = func.substr(SignInSession.token_hash, 1, _ID_LENGTH) == id_
    with write() as session:
        return bool(changed(session, delete(SignInSession).where(SignInSession.user_id == user_id, named)))


def end_other_sessions(user_id: int, token: str | None) -> int:
    """End every session of a user but the one of `token`. Return how many ended."""
    others = SignInSession.user_id == user_id, SignInSession.token_hash != token_hash(token or "")
    with write() as session:
        return changed(session, delete(SignInSession).where(*others))
