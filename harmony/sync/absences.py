"""Marks the devices that a complete snapshot did not list, and says why it may be wrong about them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, bindparam, exists, select, tuple_, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from harmony.db import db, release, table_of, write
from harmony.history import happened
from harmony.models import Absence, Device, Happening, Membership
from harmony.models.configuration import Synchronization
from harmony.sync.deletion import ROWS_PER_WRITE

SLICE = 1000
# What the history of a device says of it.
DETAILS = {
    Absence.PLAIN: "",
    Absence.EMPTIED: "Its groups listed no device at all.",
    Absence.EDITED: "The groups, the server or its credentials had just been edited.",
    Absence.RESTORED: "The database had just been restored from a backup.",
}

# What the UEM has never listed (it was added by registration) cannot be missed.
_MISSABLE = (Device.absent_from.is_(None), Device.deleted_at.is_(None), Device.added_by.is_(None))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A complete snapshot: its `number`, what it saw, and what makes it doubtful.

    `is_seen` takes the UEM's id and the folded UDID and answers for each by itself: it is asked with the id
    and "" first. `emptied` are the chosen groups, (kind, id), that listed no device. `suspect` is that of the
    integration.
    """

    integration_id: int
    run_id: int
    number: int
    choice: Synchronization
    is_seen: Callable[[str | None, str], bool]
    emptied: Collection[tuple[str, str]] = ()
    suspect: Absence | None = None


def mark(snapshot: Snapshot, beat: Callable[[Session], None], now: datetime) -> int:
    """Mark the live devices that were not seen and are not marked yet; how many. No other row is touched.

    `beat` renews the lease inside each batch's transaction. Repeated after a kill, it marks the rest.
    """
    ids = unseen(snapshot)
    marked = 0
    while batch := list(islice(ids, ROWS_PER_WRITE)):
        with write() as session:
            beat(session)
            marked += _mark(session, snapshot, batch, now)
    release()
    return marked


def only_in_emptied(snapshot: Snapshot) -> ColumnElement[bool]:
    """Whether every group of a device that is still chosen listed no device at all."""
    chosen = {(group.kind, group.external_id) for group in snapshot.choice.groups}
    emptied = chosen & set(snapshot.emptied)
    return _member(emptied) & ~_member(chosen - emptied)


def emptied_groups(snapshot: Snapshot, where: Iterable[ColumnElement[bool]]) -> set[tuple[str, str]]:
    """The groups, as kind and id, of those devices whose every chosen group listed no device at all."""
    if not snapshot.emptied:
        return set()
    group = (Membership.group_kind, Membership.group_id)
    theirs = select(*group).join(Device, Device.id == Membership.device_id).distinct()
    rows = _read(
        theirs.where(*where, only_in_emptied(snapshot), tuple_(*group).in_(sorted(snapshot.emptied)))
    )
    return {(kind, id_) for kind, id_ in rows}


def _member(groups: Collection[tuple[str, str]]) -> ColumnElement[bool]:
    group = tuple_(Membership.group_kind, Membership.group_id)
    mine = exists().where(Membership.device_id == Device.id, group.in_(sorted(groups)))
    return mine.correlate(Device)  # also where the outer statement is about memberships


def unseen(snapshot: Snapshot) -> Iterator[int]:
    """The ids of the live devices that were not seen and are not marked yet; release() after it."""
    for rows in _every(snapshot.integration_id):
        doubtful = {id_: external_id for id_, external_id in rows if not snapshot.is_seen(external_id, "")}
        if doubtful:
            yield from _unmarked(snapshot, doubtful)


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


def _unmarked(snapshot: Snapshot, doubtful: Mapping[int, str | None]) -> list[int]:
    rows = _read(select(Device.id, Device.udid_key).where(Device.id.in_(doubtful), *_MISSABLE))
    return [id_ for id_, udid_key in rows if not snapshot.is_seen(doubtful[id_], udid_key)]


def _read(query: Any, **values: object) -> Sequence[Any]:
    """All rows at once; a `write()` may come before the next, so that nothing is left open."""
    return db.session.connection().execute(query, values).all()


def _mark(session: Session, snapshot: Snapshot, ids: Sequence[int], now: datetime) -> int:
    # A person may have deleted or restored one since it was read.
    still = set(session.scalars(select(Device.id).where(Device.id.in_(ids), *_MISSABLE)))
    doubted = _doubted(session, snapshot, still)
    _write(session, snapshot, still - doubted, snapshot.suspect or Absence.PLAIN, now)
    _write(session, snapshot, doubted, Absence.EMPTIED, now)
    return len(still)


def _doubted(session: Session, snapshot: Snapshot, ids: Collection[int]) -> set[int]:
    if snapshot.suspect or not snapshot.emptied:
        return set()
    return set(session.scalars(select(Device.id).where(Device.id.in_(ids), only_in_emptied(snapshot))))


def _write(session: Session, snapshot: Snapshot, ids: Iterable[int], why: Absence, now: datetime) -> None:
    devices, ids = table_of(Device), sorted(ids)
    marks = {"absent_from": snapshot.number, "missing_since": now, "absent_why": why.value}
    session.execute(update(devices).where(devices.c.id.in_(ids)).values(marks))
    happened(session, [(id_, DETAILS[why]) for id_ in ids], Happening.MISSING, now, snapshot.run_id)
