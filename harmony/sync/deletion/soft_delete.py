"""Deletes devices softly, brings them back, and purges what nobody brought back in time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.orm import Session

from harmony.audit import audit, record_history
from harmony.db import changed, db, table_of, write
from harmony.jobs import lease
from harmony.jobs.kinds import JobKind
from harmony.models import Absence, Device, Happening, Integration

_DEVICES = table_of(Device)
# Who deleted what no person approved.
BY_SYNC = "sync"
# Of an integration whose removal can be undone (`sync.removal_undo`); no user has this name.
BY_REMOVAL = "integration\tremoval"
# Small enough that no other writer waits long for its turn.
ROWS_PER_WRITE = 1000
# A purged row takes its groups and its history along.
PURGED_PER_WRITE = 250
_BACK: dict[str, object] = {
    "deleted_at": None,
    "deleted_by": None,
    "absent_from": None,
    "missing_since": None,
    "absent_why": "",
}

Where = Sequence[ColumnElement[bool]]
_NOT_HIDDEN = Device.deleted_by.is_distinct_from(BY_REMOVAL)


@dataclass(frozen=True, slots=True)
class Deletion:
    """By whom devices are deleted, when, and what their history says of it."""

    by: str
    detail: str
    run_id: int | None
    at: datetime


class Done(NamedTuple):
    """An action of a person: on devices of which sort, and when."""

    what: str
    with_what: str
    by: str
    at: datetime


def live(integration_id: int | None) -> int:
    """Return how many devices the integration has, or all have together, missing ones included."""
    # No index leaves the deleted out, but two small ones know all of them and the deleted.
    every = db.session.scalar(select(func.count()).select_from(Device).where(*_of(integration_id))) or 0
    return every - deleted(integration_id)


def all_of(integration_id: int) -> int:
    """Return how many devices the integration has, deleted and hidden ones included."""
    own = Device.integration_id == integration_id
    return db.session.scalar(select(func.count()).select_from(Device).where(own)) or 0


def unlisted(integration_id: int) -> int:
    """Count its live devices that registration added and the UEM has never listed."""
    conditions = (Device.integration_id == integration_id, Device.added_by.is_not(None))
    live = (*conditions, Device.deleted_at.is_(None))
    return db.session.scalar(select(func.count()).select_from(Device).where(*live)) or 0


def deleted(integration_id: int | None) -> int:
    """Return how many of its devices are deleted and can still be restored."""
    conditions = (*_of(integration_id), Device.deleted_at.is_not(None))
    return db.session.scalar(select(func.count()).select_from(Device).where(*conditions)) or 0


def deleted_by_syncs(integration_id: int, since: datetime) -> int:
    """Return how many of its devices syncs deleted since then and nobody brought back."""
    conditions = (Device.integration_id == integration_id, Device.deleted_by == BY_SYNC)
    return db.session.scalar(select(func.count(Device.id)).where(*conditions, Device.deleted_at > since)) or 0


def overdue(integration_id: int, up_to: int) -> Where:
    """The live devices that no complete snapshot has listed since that of the number `up_to`, or longer.

    A mark made because of an event is none of a snapshot, so that it is never overdue.
    """
    return (
        Device.integration_id == integration_id,
        Device.missing_since.is_not(None),
        Device.absent_from <= up_to,
        Device.absent_why != Absence.EVENT.value,
        Device.deleted_at.is_(None),
    )


def delete_softly(where: Where, deletion: Deletion, may: Callable[[Session], bool]) -> int:
    """Delete what `where` says, a batch at a time, until there is none or `may` says no; how many."""

    def one_batch(session: Session) -> int:
        if not may(session):
            return 0
        ids = _some(session, where, ROWS_PER_WRITE)
        gone = {"deleted_at": deletion.at, "deleted_by": deletion.by[:64]}
        session.execute(update(_DEVICES).where(_DEVICES.c.id.in_(ids)).values(gone))
        record_history(
            session, [(id_, deletion.detail) for id_ in ids], Happening.DELETED, deletion.at, deletion.run_id
        )
        return len(ids)

    return _in_batches(one_batch, ROWS_PER_WRITE)


def delete_unlisted(where: Where, by: str, now: datetime) -> int:
    """Delete those among `where` that Protect registered and no sync has listed; how many.

    No sync counts them as missing, so that only a person can tell which of them are nobody's.
    """
    where = (*where, Device.added_by.is_not(None), Device.deleted_at.is_(None))
    with write() as session:
        _note(session, where, Done("Deleted devices", "devices that the UEM does not list", by, now))
    gone = Deletion(by, "By an administrator; the UEM never listed it.", None, now)
    return delete_softly(where, gone, lambda _session: True)


def restore(device_id: int, by: str, now: datetime) -> bool:
    """Bring one deleted device back. False when it is not deleted, or gone for good."""
    return restore_all((Device.id == device_id,), by, now) == 1


def restore_all(where: Where, by: str, now: datetime) -> int:
    """Bring back every deleted device among `where`; their absence is counted from nothing again."""
    where = (*where, Device.deleted_at.is_not(None), _NOT_HIDDEN)
    with write() as session:
        _note(session, where, Done("Restored devices", "deleted devices", by, now))

    def one_batch(session: Session) -> int:
        ids = _some(session, where, ROWS_PER_WRITE)
        session.execute(update(_DEVICES).where(_DEVICES.c.id.in_(ids)).values(_BACK))
        record_history(session, [(id_, "By an administrator.") for id_ in ids], Happening.RESTORED, now)
        return len(ids)

    return _in_batches(one_batch, ROWS_PER_WRITE)


def purge(now: datetime, keep_days: int) -> int:
    """Remove for good, with their history, the devices that were deleted longer ago than `keep_days`."""
    over = Device.deleted_at < now - timedelta(days=keep_days)
    where = (Device.deleted_at.is_not(None), over, _NOT_HIDDEN)

    def one_batch(session: Session) -> int:
        ids = _some(session, where, PURGED_PER_WRITE)
        return changed(session, delete(_DEVICES).where(_DEVICES.c.id.in_(ids)))

    return _in_batches(one_batch, PURGED_PER_WRITE)


def _of(integration_id: int | None) -> Where:
    return () if integration_id is None else (Device.integration_id == integration_id,)


def _some(session: Session, where: Where, count: int) -> Sequence[int]:
    return session.scalars(select(Device.id).where(*where).limit(count)).all()


def _in_batches(one_batch: Callable[[Session], int], full: int) -> int:
    """Do `one_batch` in a `write()` of its own until one is not full; the sum of what they return."""
    total, done = 0, full
    while done == full:
        with write() as session:
            done = one_batch(session)
        total += done
    return total


def _note(session: Session, where: Where, done: Done) -> None:
    """Who did it with how many of which integration; before the first batch, so that none goes unsaid."""
    counts = select(Device.integration_id, func.count()).where(*where).group_by(Device.integration_id)
    for integration_id, count in session.execute(counts).all():
        integration = session.get(Integration, integration_id)
        # Their tags are to be on them or not any more, and no change of theirs tells so.
        lease.make_due(session, integration_id, JobKind.TAGGING, done.at, whole=True)
        audit(session, done.by, done.what, done.at, integration, detail=f"{count:,} {done.with_what}")
