"""How far each integration had come, in a file beside the database: it tells that an older one was put back.

`newest.json` holds `{integration id: [fence, snapshots]}` and, since a caution mode began, `{timeline of an
integration: [timeline, 0]}`. A database that is behind it has forgotten what happened since, and may take
devices for missing that it only does not know; so may one without the file.

Read the file before the database: it is written after a commit, so that the newest database is never behind
what stood in the file before.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import update
from sqlalchemy.orm import Session

from harmony import atomic_file
from harmony.clock import now
from harmony.config import current_settings
from harmony.db import bulk, db, is_sqlite, release, write
from harmony.jobs import caution
from harmony.jobs.presence import other_workers_alive
from harmony.models import Absence, Integration
from harmony.models.job import SYNC_JOB

log = logging.getLogger(__name__)

FILE = "newest.json"

_TIMELINE = "timeline of "

_SELECT_PROGRESS = """
SELECT job.integration_id, job.fence, integration.snapshots,
       coalesce((SELECT timeline FROM installation), 0)
FROM job JOIN integration ON integration.id = job.integration_id
WHERE job.kind = ?
"""


class HighWaterMark(NamedTuple):
    """The farthest that an integration has come, and since which beginning of a caution that counts."""

    fence: int
    snapshots: int
    timeline: int = 0


Marks = dict[str, HighWaterMark]


def note(integration_id: int, mark: HighWaterMark) -> None:
    """Remember what the database has just committed, lower numbers too. Never call it before the commit.

    A file that cannot be written is logged and breaks nothing: it only stays behind the database.
    """
    _put({str(integration_id): mark})


def progress(session: Session) -> dict[int, HighWaterMark]:
    """Return how far the database says each integration has come, by the session."""
    session.flush()
    return {row[0]: HighWaterMark(*row[1:]) for row in bulk.fetch_all(session, _SELECT_PROGRESS, (SYNC_JOB,))}


def remembered() -> Marks | None:
    """Return what the file says: {} without one, None when it cannot be read or makes no sense."""
    try:
        return _read(_path())
    except OSError:
        return None


def is_behind(known: Marks | None, integration_id: int, mark: HighWaterMark) -> bool:
    """Tell whether this integration had come further than `mark` of the database says.

    Its `fence` is the one before this run's claim. `known` was read before. Doubt is True: no entry, no file,
    or one that cannot be read. An integration that never ran knows no devices, and is never behind. A machine
    that never ran this one trusts a database that other workers are working on: that is not an old one. Nor
    is one whose restore somebody confirmed, though this machine remembers more from before it.
    """
    if not mark.fence and not mark.snapshots:
        return False
    if known is None:
        return True
    before = known.get(str(integration_id))
    if before is None:
        return mark.snapshots > 0 and not other_workers_alive(now())
    if mark.timeline > before.timeline and caution.since() is None:
        return False
    return mark.timeline < before.timeline or mark.fence < before.fence or mark.snapshots < before.snapshots


def has_old_database(integration_id: int) -> bool:
    """Tell whether the database is behind for an integration whose next fence nobody claimed."""
    known = remembered()
    return is_behind(known, integration_id, progress(db.session())[integration_id])


def distrust(now: datetime) -> None:
    """Mark every integration of a database that was put back by a plain copy, and begin the caution mode."""
    after = newest_timeline()
    with write() as session:
        session.execute(update(Integration).values(suspect=Absence.RESTORED))
        caution.begin(session, now, after)


def newest_timeline() -> int:
    """Return the highest timeline that this machine knows of."""
    return max((mark.timeline for mark in (remembered() or {}).values()), default=0)


def catch_up() -> None:
    """Remember how far other machines have come, if the database is not behind what this one remembers."""
    if is_sqlite() or (known := remembered()) is None:
        return
    found = progress(db.session())
    _put({str(id_): mark for id_, mark in found.items() if not is_behind(known, id_, mark)}, known)
    release()


def accept() -> None:
    """Remember how far the database says that each integration has come: it counts from now on."""
    known = remembered() or {}
    found = progress(db.session())
    release()
    _put({str(id_): mark for id_, mark in found.items()}, known)


def _put(marks: Marks, known: Marks | None = None) -> None:
    """Write the entries; with `known`, only those that are other than it, and that nobody wrote meanwhile."""
    if known is not None:
        marks = {id_: mark for id_, mark in marks.items() if known.get(id_) != mark}
    if not marks:
        return
    path = _path()
    try:
        with _alone(path):
            there = _read(path) or {}
            unchanged = {
                id_: mark for id_, mark in marks.items() if known is None or there.get(id_) == known.get(id_)
            }
            atomic_file.replace(path, json.dumps(_pairs(there | unchanged)))
    except OSError as error:
        log.warning("%s could not be written (%s); a restore may go unnoticed.", FILE, error.strerror)


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
    """Read the file; {} without one, None when it makes no sense. Raises OSError."""
    try:
        stored = json.loads(path.read_bytes())
        pairs = {key: (int(first), int(second)) for key, (first, second) in stored.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, AttributeError):
        return None
    return {
        id_: HighWaterMark(*pair, timeline=pairs.get(_TIMELINE + id_, (0, 0))[0])
        for id_, pair in pairs.items()
        if not id_.startswith(_TIMELINE)
    }


def _pairs(marks: Marks) -> dict[str, tuple[int, int]]:
    """Return two numbers for each entry: versions that know no timeline take nothing else."""
    pairs = {id_: (mark.fence, mark.snapshots) for id_, mark in marks.items()}
    return pairs | {_TIMELINE + id_: (mark.timeline, 0) for id_, mark in marks.items() if mark.timeline}
