"""How far each integration had come, in a file beside the database: it tells that an older one was put back.

`newest.json` holds `{integration id: [fence, snapshots]}`. A database that is behind it has forgotten what
happened since, and may take devices for missing that it only does not know; so may one without the file.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from sqlalchemy import select, update

from harmony import atomic_file
from harmony.clock import now
from harmony.config import current_settings
from harmony.db import db, is_sqlite, release, write
from harmony.jobs import caution
from harmony.jobs.presence import other_workers_alive
from harmony.models import Absence, Integration, Job
from harmony.models.job import SYNC_JOB

log = logging.getLogger(__name__)

FILE = "newest.json"

Marks = dict[str, tuple[int, int]]


def note(integration_id: int, fence: int, snapshots: int) -> None:
    """Remember what the database has just committed, lower numbers too. Never call it before the commit.

    A file that cannot be written is logged and breaks nothing: it only stays behind the database.
    """
    path = _path()
    try:
        with _alone(path):
            marks = _read(path) or {}
            marks |= {str(integration_id): (fence, snapshots)}
            atomic_file.replace(path, json.dumps(marks))
    except OSError as error:
        log.warning("%s could not be written (%s); a restore may go unnoticed.", FILE, error.strerror)


def is_behind(integration_id: int, fence: int, snapshots: int) -> bool:
    """Tell whether this integration had come further than the database says.

    `fence` is the one before this run's claim. Doubt is True: no entry, no file, or one that cannot be read.
    An integration that never ran knows no devices, and is never behind. A machine that never ran this one
    trusts a database that other workers are working on: that is not an old one.
    """
    if not fence and not snapshots:
        return False
    marks = _remembered()
    mark = (marks or {}).get(str(integration_id))
    if mark is None:
        return marks is None or (snapshots > 0 and not other_workers_alive(now()))
    return fence < mark[0] or snapshots < mark[1]


def distrust(integration_ids: Collection[int], now: datetime) -> None:
    """Mark integrations whose database was put back by a plain copy, and begin the caution mode."""
    restored = update(Integration).where(Integration.id.in_(integration_ids))
    with write() as session:
        session.execute(restored.values(suspect=Absence.RESTORED))
        caution.begin(session, now)


def catch_up() -> None:
    """Remember how far other machines have come, if the database is not behind what this one remembers."""
    if is_sqlite():
        return
    newest = select(Job.integration_id, Job.fence, Integration.snapshots).join(Integration)
    rows = db.session.execute(newest.where(Job.kind == SYNC_JOB)).all()
    known = _remembered() or {}
    for id_, fence, snapshots in rows:
        if known.get(str(id_)) != (fence, snapshots) and not is_behind(id_, fence, snapshots):
            note(id_, fence, snapshots)
    release()


def _remembered() -> Marks | None:
    try:
        return _read(_path())
    except OSError:
        return None


def _path() -> Path:
    return current_settings().data_dir / FILE


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One writer at a time, whichever process or thread: two would lose each other's entry."""
    handle = os.open(path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _read(path: Path) -> Marks | None:
    """What the file says; {} without one, None when it makes no sense. Raises OSError."""
    try:
        stored = json.loads(path.read_bytes())
        return {id_: (int(fence), int(snapshots)) for id_, (fence, snapshots) in stored.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, AttributeError):
        return None
