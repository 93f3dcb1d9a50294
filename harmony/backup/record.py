"""The record of scheduled backups in the database, which every node reads: their files are of one machine."""

from __future__ import annotations

import logging
import socket
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from harmony.config import current_settings
from harmony.db import db, is_sqlite, release, write
from harmony.models import BackupRecord

log = logging.getLogger(__name__)

_ROW = 1
_LONGEST_PROBLEM = 256


def note(folder: Path, newest_at: datetime | None, problem: str = "") -> None:
    """Write when the newest backup was made, and why the last try made none; "" if it made one."""
    try:
        with write() as session:
            row = session.get(BackupRecord, _ROW)
            if row is None:
                row = BackupRecord(id=_ROW, newest_at=None, folder="")
                session.add(row)
            row.problem = problem[:_LONGEST_PROBLEM]
            if not problem or row.newest_at is None:
                row.newest_at, row.folder = newest_at, _place(folder)
    except SQLAlchemyError:  # as of a silent database, which is said elsewhere
        log.warning("The record of backups could not be written.", exc_info=True)


def made_elsewhere(folder: Path) -> datetime | None:
    """Return when another machine made the newest backup, in a folder of its own; never on SQLite."""
    if is_sqlite():
        return None
    row = db.session.get(BackupRecord, _ROW, populate_existing=True)
    found = None if row is None or row.folder == _place(folder) else row.newest_at
    release()
    return found


def trouble(now: datetime) -> str | None:
    """Say that no backup is young enough although they are made by schedule; None when one is.

    Before the first try nothing is missing.
    """
    hours, row = current_settings().backup_hours, db.session.get(BackupRecord, _ROW)
    return None if row is None else _sentence(row.newest_at, row.problem, hours, now)


def _sentence(newest_at: datetime | None, problem: str, every_hours: int, now: datetime) -> str | None:
    """Judge the record at `now`.

    >>> from datetime import UTC
    >>> noon = datetime(2026, 1, 2, 12, tzinfo=UTC)
    >>> _sentence(noon - timedelta(hours=48), "The disk is full.", 24, noon)
    >>> _sentence(noon - timedelta(hours=49), "The disk is full.", 24, noon)
    'The newest backup is of 31 Dec 2025, 11:00 UTC. The last try failed: The disk is full.'
    >>> _sentence(None, "The disk is full.", 24, noon)
    'No backup was made yet. The last try failed: The disk is full.'
    >>> _sentence(None, "The disk is full.", 0, noon)
    """
    if not every_hours or (newest_at and now - newest_at <= 2 * timedelta(hours=every_hours)):
        return None
    newest = "No backup was made yet."
    if newest_at:
        newest = f"The newest backup is of {newest_at:%d %b %Y, %H:%M} UTC."
    return f"{newest} The last try failed: {problem}" if problem else f"{newest} See the log of the worker."


def _place(folder: Path) -> str:
    return f"{current_settings().node or socket.gethostname()}:{folder}"[:1024]
