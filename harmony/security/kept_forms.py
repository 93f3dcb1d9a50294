"""Forms kept sealed: one left half typed in the wizard, or one sent after the session had ended.

The latter waits for the same user's next sign-in. Secrets of the wizard may be
among the texts, and small files.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

import msgspec
from flask import request
from sqlalchemy import delete, or_, select
from werkzeug.datastructures import FileStorage, MultiDict

from harmony.clock import within
from harmony.db import db, write
from harmony.models import KeptForm
from harmony.security.credentials import NEVER_ECHOED
from harmony.security.vault import VaultLocked, vault

# As much as a request may carry at all.
_MOST_BYTES = 1024 * 1024
# Signing in follows at once; a person who has to look the password up has this long.
KEPT_FOR = timedelta(hours=1)
MOST_PER_USER = 5
# Hidden fields that say something of the page, not of what was typed.
ABOUT_THE_PAGE = frozenset({"edition", "seen", "version", "digest"})


class TypedForm(msgspec.Struct, frozen=True):
    """A form as it was typed: `values` in the order they were sent, `files` by the name of their field."""

    values: tuple[tuple[str, str], ...] = ()
    files: dict[str, bytes] = {}
    # Secrets were typed beside them, and are not kept.
    lacks_secrets: bool = False

    @classmethod
    def of_request(cls) -> TypedForm:
        """Read the form of the present request."""
        files = {name: _content(upload) for name, upload in request.files.items() if upload}
        return cls(tuple(request.form.items(multi=True)), files)

    def without_secrets(self) -> TypedForm:
        """Return all but the secrets."""
        values = tuple(pair for pair in self.values if pair[0] not in NEVER_ECHOED)
        typed = any(text for name, text in self.values if name in NEVER_ECHOED)
        return msgspec.structs.replace(self, values=values, lacks_secrets=typed)

    @property
    def is_typed(self) -> bool:
        """Tell whether anything was typed or chosen; else a button was pressed alone."""
        names = {name for name, _ in self.values}
        return bool(names - ABOUT_THE_PAGE or self.files or self.lacks_secrets)

    def fields(self) -> MultiDict[str, str]:
        """Return the values as a form takes them."""
        return MultiDict(self.values)


def seal(typed: TypedForm, bound_to: str) -> str | None:
    """Seal all of a form as one text. Return None when it is larger than is kept."""
    text = msgspec.json.encode(typed).decode()
    return vault().seal(text, bound_to) if len(text) <= _MOST_BYTES else None


def unseal(sealed: str, bound_to: str) -> TypedForm | None:
    """Return the form that was sealed; None when no configured key opens it any more."""
    try:
        return msgspec.json.decode(vault().open(sealed, bound_to), type=TypedForm)
    except (VaultLocked, msgspec.DecodeError):
        return None


def keep(user_id: int, page: str, typed: TypedForm, now: datetime) -> str | None:
    """Keep what a user typed on `page`, of each user the newest few. Return its id, None if too large."""
    id_ = secrets.token_urlsafe(16)
    sealed = seal(typed, bound_to(id_, user_id))
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
    """Return what that user typed on that page; None for another user or page, and when it is too old."""
    row = db.session.get(KeptForm, id_)
    if row is None or row.user_id != user_id or row.page != page or not _is_fresh(row, now):
        return None
    return unseal(row.sealed, bound_to(id_, user_id))


def is_typed(id_: str, now: datetime) -> bool | None:
    """Tell whether anything was typed in the form of that id, whoever sent it; None when none is kept."""
    row = db.session.get(KeptForm, id_)
    if row is None or not _is_fresh(row, now):
        return None
    found = unseal(row.sealed, bound_to(id_, row.user_id))
    return None if found is None else found.is_typed


def sweep(now: datetime) -> None:
    """Delete forms that nobody came back for."""
    with write() as session:
        stale = or_(KeptForm.kept_at <= now - KEPT_FOR, KeptForm.kept_at >= now + KEPT_FOR)
        session.execute(delete(KeptForm).where(stale))


def _is_fresh(row: KeptForm, now: datetime) -> bool:
    return within(row.kept_at, KEPT_FOR, now)


def bound_to(id_: str, user_id: int) -> str:
    """Name what a kept form is bound to."""
    return f"kept form {id_} of user {user_id}"


def _content(upload: FileStorage) -> bytes:
    """Read a file, and leave it at its beginning for the next reader."""
    upload.stream.seek(0)
    content: bytes = upload.read(_MOST_BYTES + 1)
    upload.stream.seek(0)
    return content
