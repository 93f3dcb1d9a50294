"""Puts a backup in the place of the SQLite database, so that nothing is deleted for what it forgot."""

from __future__ import annotations

import os
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from harmony import atomic_file
from harmony.atomic_file import sync_folder
from harmony.audit import COMMAND_LINE, audit
from harmony.backup.copies import copy, database_file, examine
from harmony.backup.names import free_name
from harmony.clock import within
from harmony.config import current_settings
from harmony.db import db, release, sqlite_module, write
from harmony.jobs import caution
from harmony.jobs.presence import is_gone
from harmony.models import Absence, Integration, MessageState, Worker
from harmony.ops.folder_lock import FolderTaken, locked
from harmony.ops.migrate import known_revisions, migrate
from harmony.sync import rollback_detection

# A living worker shows itself every ten seconds.
_ALIVE_WITHIN = timedelta(seconds=60)


class NotRestored(Exception):
    """The file was not replaced; the text says why, and what to do."""


def restore(file: Path, now: datetime) -> Path | None:
    """Replace the database by the backup in `file`. Returns where the replaced one is kept, if any was there.

    Every integration is marked, so that the first run after it holds its deletions. Raises NotRestored and
    NoSqliteFile, with the database as it was.
    """
    current = database_file()
    if current.exists():
        _refuse_living_worker(now)
    try:
        with locked(current_settings().data_dir):
            return _put_in_place(file, current, now)
    except FolderTaken as taken:
        raise NotRestored(f"Nothing was changed: {taken}") from None


def _put_in_place(file: Path, current: Path, now: datetime) -> Path | None:
    draft = _draft(file, current, now)
    atomic_file.create(_marker(), f"{now:%Y-%m-%d %H:%M} UTC\n")
    try:
        db.session.remove()
        db.engine.dispose()
        _close_for_everybody(current)
        kept = _swap(draft, current, now)
    except NotRestored:
        _marker().unlink()
        raise
    finally:
        draft.unlink(missing_ok=True)
    migrate(now)
    mark_restored(now)
    _marker().unlink()
    return kept


def resume(now: datetime) -> None:
    """Begin the caution that a restore died before: a backup of a former version has no place for it."""
    if _marker().exists():
        mark_restored(now)
        _marker().unlink()


def notice_copy(now: datetime) -> bool:
    """Begin the caution when an older database was put in place by hand. Return True if one was.

    Before anything is sent: messages that wait in it would leave before the first sync looks.
    """
    known = rollback_detection.remembered()
    found = rollback_detection.progress(db.session())
    is_copy = any(rollback_detection.is_behind(known, id_, mark) for id_, mark in found.items())
    release()
    if is_copy:
        rollback_detection.distrust(now)
    rollback_detection.accept()  # a confirmed caution does not begin again at the next start
    return is_copy


def _marker() -> Path:
    return current_settings().data_dir / "restoring"


def mark_restored(now: datetime) -> int:
    """Distrust what the next complete snapshot of every integration does not list. Returns how many."""
    with write() as session:
        integrations = session.scalars(select(Integration)).all()
        for integration in integrations:
            integration.suspect = Absence.RESTORED
            audit(session, COMMAND_LINE, "Database restored", now, integration)
        caution.begin(session, now, rollback_detection.newest_timeline())
        caution.cancel_messages(session)  # also in a backup that was made in caution
    return len(integrations)


def _refuse_living_worker(now: datetime) -> None:
    try:
        seen = db.session.execute(select(Worker.identity, Worker.seen_at)).all()
    except SQLAlchemyError:  # damaged or empty: that is why it is replaced
        return
    finally:
        release()
    if any(within(seen_at, _ALIVE_WITHIN, now) and not is_gone(who) for who, seen_at in seen):
        raise NotRestored("A worker is running. Stop Harmony, then try again; nothing was changed.")


def _draft(file: Path, current: Path, now: datetime) -> Path:
    """Copy `file` beside the database, examine it and mark it."""
    draft = current.with_name(f".{current.name}.restoring")
    draft.unlink(missing_ok=True)
    try:
        copy(file, draft)
    except (OSError, sqlite_module().Error) as error:
        raise NotRestored(f"{file} cannot be copied ({error}). Nothing was changed.") from None
    found = examine(draft)
    if found.revision is not None and found.revision not in known_revisions():
        found.problems.append("A newer version of Harmony wrote it; restore it with that version.")
    if found.problems:
        draft.unlink()
        raise NotRestored(" ".join([f"{file} was not restored.", *found.problems, "Nothing was changed."]))
    _mark(draft, now)
    return draft


def _mark(draft: Path, now: datetime) -> None:
    """Mark it before it is in place: a kill between the two must cost no device, and send nothing twice."""
    with closing(sqlite_module().connect(draft)) as connection:
        if _has(connection, "integration", "suspect"):
            connection.execute("UPDATE integration SET suspect = ?", (Absence.RESTORED.value,))
        if _has(connection, "message", "answer"):
            cancelled = (MessageState.CANCELLED.value, caution.MAY_HAVE_BEEN_SENT, *caution.WAITING)
            connection.execute("UPDATE message SET state = ?, answer = ? WHERE state IN (?, ?)", cancelled)
        if _has(connection, "caution", "since"):
            since = now.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
            connection.execute("INSERT OR IGNORE INTO caution (id, since) VALUES (1, ?)", (since,))
        connection.commit()


def _has(connection: Any, table: str, column: str) -> bool:
    """Tell whether a database, which may be of a former version, has the column."""
    return (column,) in connection.execute("SELECT name FROM pragma_table_info(?)", (table,)).fetchall()


def _close_for_everybody(current: Path) -> None:
    """Fold the WAL into the file. SQLite refuses while any process has it open."""
    sqlite = sqlite_module()
    if not current.exists():
        return
    with closing(sqlite.connect(current, timeout=2, isolation_level=None)) as connection:
        try:
            connection.execute("PRAGMA journal_mode=DELETE").fetchone()
        except sqlite.DatabaseError as error:
            if "locked" not in str(error):  # damaged: it is kept as it is, its WAL beside it
                return
            sentence = "Another process has the database open. Stop Harmony, then try again;"
            raise NotRestored(f"{sentence} nothing was changed.") from None


def _swap(draft: Path, current: Path, now: datetime) -> Path | None:
    """Put `draft` in place in one step; at no moment is there no database."""
    kept = None
    if current.exists():
        kept = free_name(current.parent, current.stem, now, "replaced.db")
        os.link(current, kept)
        # A WAL that stayed would be played into the restored file.
        for end in ("-wal", "-shm"):
            if (beside := Path(f"{current}{end}")).exists():
                beside.rename(f"{kept}{end}")
    os.replace(draft, current)
    sync_folder(current.parent)
    return kept
