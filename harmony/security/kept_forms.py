"""Forms that were sent after the session had ended: kept sealed for the same user's next sign-in."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from sqlalchemy import delete, or_, select

from harmony.clock import within
from harmony.db import db, write
from harmony.models import KeptForm
from harmony.security import typed_form
from harmony.security.typed_form import TypedForm

# Signing in follows at once; whoever fetches the password from elsewhere has this long.
KEPT = timedelta(hours=1)
MOST_PER_USER = 5


def keep(user_id: int, page: str, typed: TypedForm, now: datetime) -> str | None:
    """Keep what was typed on `page` for that user; the id to find it by, None when it is too large.

    Of each user the newest few are kept.
    """
    id_ = secrets.token_urlsafe(16)
    sealed = typed_form.seal(typed, bound_to(id_, user_id))
    if sealed is None:
        return None
    with write() as session:
        session.add(KeptForm(id=id_, user_id=user_id, page=page, sealed=sealed, kept_at=now))
        session.flush()
        newest = select(KeptForm.id).where(KeptForm.user_id == user_id)
        older = newest.order_by(KeptForm.kept_at.desc(), KeptForm.id).offset(MOST_PER_USER)
        for old in session.scalars(older).all():
            session.execute(delete(KeptForm).where(KeptForm.id == old))
    return id_


def find(id_: str, user_id: int, page: str, now: datetime) -> TypedForm | None:
    """What that user typed on that page; None for anybody else, on any other page, and when it is too old."""
    row = db.session.get(KeptForm, id_)
    if row is None or row.user_id != user_id or row.page != page or not _is_fresh(row, now):
        return None
    return typed_form.unseal(row.sealed, bound_to(id_, user_id))


def is_kept(id_: str, now: datetime) -> bool:
    """Whether something is kept under that id, for whomever."""
    row = db.session.get(KeptForm, id_)
    return row is not None and _is_fresh(row, now)


def sweep(now: datetime) -> None:
    """Forget what nobody came back for."""
    with write() as session:
        stale = or_(KeptForm.kept_at <= now - KEPT, KeptForm.kept_at >= now + KEPT)
        session.execute(delete(KeptForm).where(stale))


def _is_fresh(row: KeptForm, now: datetime) -> bool:
    return within(row.kept_at, KEPT, now)


def bound_to(id_: str, user_id: int) -> str:
    """Name what a kept form is bound to."""
    return f"kept form {id_} of user {user_id}"
