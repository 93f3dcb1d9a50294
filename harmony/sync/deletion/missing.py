"""Marks the devices that a complete snapshot did not list, and says why it may be wrong about them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, bindparam, exists, or_, select, text, tuple_, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from harmony.audit import record_history
from harmony.db import db, release, table_of, write
from harmony.device_ids import serial_key
from harmony.jobs.accounting import Account, Identity
from harmony.models import Absence, Device, Happening, Membership
from harmony.models.configuration import Synchronization
from harmony.sync.current_ids import has_current_id
from harmony.sync.deletion.soft_delete import ROWS_PER_WRITE

SLICE = 1000
# What the history of a device says of it.
_DETAILS = {
    Absence.PLAIN: "",
    Absence.EVENT: "The UEM did not have it in the chosen groups when it was read because of an event. "
    "Full syncs decide whether it is deleted.",
    Absence.EMPTIED: "Its groups listed no device at all.",
    Absence.EDITED: "The groups, the server or its credentials had just been edited.",
    Absence.RESTORED: "The database had just been restored from a backup.",
}

# What the UEM has never listed (it was added by registration) cannot be missed.
MARKS = (
    Device.id, Device.external_id, Device.uuid, Device.udid_key, Device.serial, Device.absent_from,
    Device.absent_why,
)  # fmt: skip
_MAY_BE = "A row that cannot be read, or a smart group, may be about it"
_UNMARKED: dict[str, object] = {"absent_from": None, "missing_since": None, "absent_why": ""}
_MARKED = (Device.missing_since.is_not(None), Device.deleted_at.is_(None))
_LIVE = (Device.deleted_at.is_(None), Device.added_by.is_(None))
# Whom no complete snapshot has missed yet. A mark that was made because of an event is none of a snapshot.
_MISSABLE = (or_(Device.absent_from.is_(None), Device.absent_why == Absence.EVENT.value), *_LIVE)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A complete snapshot: its `number`, what it saw, and what makes it doubtful.

    `is_listed` tells of an id of the UEM whether a row or a list of members has it; `account` of other marks
    whether a doubtful row has them. `emptied` are the chosen groups, (kind, id), that listed no device.
    `suspect` is that of the integration.
    """

    integration_id: int
    run_id: int
    number: int
    choice: Synchronization
    is_listed: Callable[[str | None], bool]
    account: Account = field(default_factory=Account)
    emptied: Collection[tuple[str, str]] = ()
    suspect: Absence | None = None


class _Unlisted(NamedTuple):
    """A live device that no row names by its id: missing, unless a doubtful row may be about it."""

    id: int
    doubtful: bool
    is_kept: bool


def mark(snapshot: Snapshot, beat: Callable[[Session], None], now: datetime) -> tuple[int, int]:
    """Mark the live devices that are absent and not marked yet. No other row is touched.

    Returns how many were marked, and how many were kept because a doubtful row may be about them. `beat`
    renews the lease inside each batch's transaction. Repeated after a kill, it marks the rest.
    """
    unlisted = candidates(snapshot)
    marked = kept = 0
    while batch := list(islice(unlisted, ROWS_PER_WRITE)):
        kept += sum(device.is_kept for device in batch)
        absent = [device.id for device in batch if not device.doubtful]
        with write(snapshot.integration_id) as session:
            beat(session)
            marked += _mark(session, snapshot, absent, now)
    release()
    return marked, kept


def not_found(snapshot: Snapshot, external_ids: Collection[str]) -> list[int]:
    """Return the unmarked devices with these ids that the run read one by one and did not find.

    Those that a doubtful row or a list of members may be about are left out. Reads only; release() after it.
    """
    asked = [id_ for id_ in external_ids if not snapshot.is_listed(id_)]
    named = (Device.integration_id == snapshot.integration_id, Device.external_id.in_(asked))
    current = text(has_current_id("device"))
    unmarked = select(Device.id).where(*named, current, Device.absent_from.is_(None))
    ids = list(db.session.scalars(unmarked))
    return [device.id for device in _unmarked(snapshot, ids) if not device.doubtful]


def unmark(snapshot: Snapshot, beat: Callable[[Session], None], now: datetime) -> int:
    """Take the mark off the devices that a doubtful row or a list of members may be about; how many."""
    rows = _read(select(*MARKS).where(Device.integration_id == snapshot.integration_id, *_MARKED))
    ids = [row.id for row in rows if is_doubtful(snapshot, row)]
    release()
    for start in range(0, len(ids), ROWS_PER_WRITE):
        with write(snapshot.integration_id) as session:
            beat(session)
            batch = ids[start : start + ROWS_PER_WRITE]
            session.execute(update(table_of(Device)).where(Device.id.in_(batch)).values(_UNMARKED))
            record_history(
                session, [(id_, _MAY_BE) for id_ in batch], Happening.REAPPEARED, now, snapshot.run_id
            )
    return len(ids)


def is_doubtful(snapshot: Snapshot, row: Any) -> bool:
    """Return True if a device, as a row of `MARKS`, may be listed although no believed row names it."""
    return snapshot.is_listed(row.external_id) or snapshot.account.may_be(_identity(row))


def _identity(row: Any) -> Identity:
    return Identity(row.external_id or "", row.uuid.lower(), row.udid_key, serial_key(row.serial))


def _only_in_emptied(snapshot: Snapshot) -> ColumnElement[bool]:
    """Whether every group of a device that is still chosen listed no device at all."""
    chosen = {(group.kind, group.external_id) for group in snapshot.choice.groups}
    emptied = chosen & set(snapshot.emptied)
    return _member(emptied) & ~_member(chosen - emptied)


def emptied_groups(snapshot: Snapshot, where: Iterable[ColumnElement[bool]]) -> set[tuple[str, str]]:
    """The groups, as kind and id, of those devices whose every chosen group listed no device at all."""
    if not snapshot.emptied:
        return set()
    group = (Membership.group_kind, Membership.group_id)
    chosen_groups = select(*group).join(Device, Device.id == Membership.device_id).distinct()
    rows = _read(
        chosen_groups.where(*where, _only_in_emptied(snapshot), tuple_(*group).in_(sorted(snapshot.emptied)))
    )
    return {(kind, id_) for kind, id_ in rows}


def _member(groups: Collection[tuple[str, str]]) -> ColumnElement[bool]:
    group = tuple_(Membership.group_kind, Membership.group_id)
    member = exists().where(Membership.device_id == Device.id, group.in_(sorted(groups)))
    return member.correlate(Device)  # also where the outer statement is about memberships


def candidates(snapshot: Snapshot) -> Iterator[_Unlisted]:
    """The live devices whose id is not listed and that are not marked yet; release() after it."""
    for rows in _every(snapshot.integration_id):
        if ids := [id_ for id_, external_id in rows if not snapshot.is_listed(external_id)]:
            yield from _unmarked(snapshot, ids)


def _every(integration_id: int) -> Iterator[Sequence[Any]]:
    """The id and the UEM's id of every device, a slice at a time.

    Both stand in one index, so that not a page of the table is read for the many that were seen.
    """
    ids = select(Device.id, Device.external_id).where(Device.integration_id == integration_id)
    yield from _slices(ids.where(Device.external_id.is_not(None)), Device.external_id)
    yield from _slices(ids.where(Device.external_id.is_(None)), Device.id)


def _slices(query: Any, key: InstrumentedAttribute[Any]) -> Iterator[Sequence[Any]]:
    first = query.order_by(key).limit(SLICE)
    following = first.where(key > bindparam("after"))
    rows = _read(first)
    while rows:
        yield rows
        rows = _read(following, after=getattr(rows[-1], key.key)) if len(rows) == SLICE else []


def _unmarked(snapshot: Snapshot, ids: Sequence[int]) -> Iterator[_Unlisted]:
    """Look at them one by one: whose id or hardware changed hands in this run is missing from the next on."""
    detached = set(snapshot.account.detached.values())
    for row in _read(select(*MARKS).where(Device.id.in_(ids), *_MISSABLE)):
        is_kept = snapshot.account.may_be(_identity(row))
        again = row.id in detached or snapshot.account.may_be_recent(_identity(row))
        yield _Unlisted(row.id, is_kept or again, is_kept)


def _read(query: Any, **values: object) -> Sequence[Any]:
    """All rows at once; a `write()` may come before the next, so that nothing is left open."""
    return db.session.connection().execute(query, values).all()


def _mark(session: Session, snapshot: Snapshot, ids: Sequence[int], now: datetime) -> int:
    # A person may have deleted or restored one since it was read.
    still = set(session.scalars(select(Device.id).where(Device.id.in_(ids), *_MISSABLE))) if ids else set()
    doubted = _doubted(session, snapshot, still)
    _write(session, snapshot, still - doubted, snapshot.suspect or Absence.PLAIN, now)
    _write(session, snapshot, doubted, Absence.EMPTIED, now)
    return len(still)


def _doubted(session: Session, snapshot: Snapshot, ids: Collection[int]) -> set[int]:
    if snapshot.suspect or not snapshot.emptied:
        return set()
    return set(session.scalars(select(Device.id).where(Device.id.in_(ids), _only_in_emptied(snapshot))))


def mark_not_found(session: Session, snapshot: Snapshot, ids: Sequence[int], now: datetime) -> int:
    """Mark those of the devices that are still unmarked, because of an event; how many."""
    still = select(Device.id).where(Device.id.in_(ids), Device.absent_from.is_(None), *_LIVE)
    marked = session.scalars(still).all() if ids else []
    _write(session, snapshot, marked, Absence.EVENT, now)
    return len(marked)


def _write(session: Session, snapshot: Snapshot, ids: Iterable[int], why: Absence, now: datetime) -> None:
    devices, ids = table_of(Device), sorted(ids)
    marks = {"absent_from": snapshot.number, "missing_since": now, "absent_why": why.value}
    session.execute(update(devices).where(devices.c.id.in_(ids)).values(marks))
    record_history(session, [(id_, _DETAILS[why]) for id_ in ids], Happening.MISSING, now, snapshot.run_id)
