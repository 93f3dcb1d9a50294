"""Holds: deletions wait for a person, who approves exactly the list that was shown, or dismisses it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from harmony.audit import audit
from harmony.clock import within
from harmony.db import db, table_of, write
from harmony.jobs import lease
from harmony.jobs.kinds import JobKind
from harmony.models import Device, Hold, HoldState, Integration
from harmony.sync.deletion.soft_delete import ROWS_PER_WRITE, Where, overdue

_APPROVAL_HOLDS = timedelta(hours=24)
PENDING = (HoldState.OPEN, HoldState.APPROVED)
_IDS_AT_ONCE = 10_000
_PRESENT: dict[str, object] = {"absent_from": None, "missing_since": None, "absent_why": ""}


class ListChanged(Exception):
    """The list is no longer the one that was looked at; nothing was decided."""


class WrongNumber(Exception):
    """The number typed is not that of the devices; nothing was decided."""

    def __init__(self, expected: int) -> None:
        super().__init__(expected)
        self.expected = expected


class NotOpen(Exception):
    """The hold is decided already, or over; nothing more was decided."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A list as it is now: how many devices, and the SHA-256 over their sorted ids."""

    devices: int
    digest: str


def pending(session: Session, integration_id: int) -> Hold | None:
    """The hold that is open or approved, if there is one."""
    conditions = (Hold.integration_id == integration_id, Hold.state.in_(PENDING))
    return session.scalar(select(Hold).where(*conditions).order_by(Hold.id.desc()).limit(1))


def open_hold(integration_id: int) -> Hold | None:
    """The hold that waits for a person, if there is one."""
    hold = pending(db.session(), integration_id)
    return hold if hold is not None and hold.state == HoldState.OPEN else None


def listed(hold: Hold) -> Where:
    """The devices of the list: those that came back, or went missing later, are not on it."""
    return overdue(hold.integration_id, hold.up_to)


def listing(session: Session, where: Where) -> Listing:
    """Count and stamp a list; its ids are streamed, so that a long one needs no memory."""
    digest, devices = hashlib.sha256(), 0
    ids = select(Device.id).where(*where).order_by(Device.id)
    for part in session.scalars(ids.execution_options(yield_per=_IDS_AT_ONCE)).partitions():
        digest.update("".join(f"{id_}\n" for id_ in part).encode())
        devices += len(part)
    return Listing(devices, digest.hexdigest())


def approve(hold_id: int, digest: str, typed_number: int | None, by: str, now: datetime) -> bool:
    """Let the next complete snapshot delete the listed devices that are still missing then.

    `digest` is that of the list as it was shown, `typed_number` what a person typed. Makes a sync due; False
    when none can start now. Ring the bell after it. Raises NotOpen, ListChanged or WrongNumber.
    """
    with write() as session:
        hold = _undecided(session, hold_id, HoldState.OPEN)
        as_shown = _as_shown(session, hold, digest)
        if typed_number != as_shown.devices:
            raise WrongNumber(as_shown.devices)
        hold.state, hold.decided_by, hold.decided_at = HoldState.APPROVED, by, now
        hold.expires_at = now + _APPROVAL_HOLDS
        hold.devices, hold.digest = as_shown.devices, as_shown.digest
        _note(session, hold, by, "Approved deletions", now)
        integration_id = hold.integration_id
    return lease.request(integration_id, JobKind.DEVICES, by, now)


def approval_counts(hold: Hold, now: datetime) -> bool:
    """Tell whether the approval may still be carried out: given less than a day away from `now`."""
    return hold.expires_at is not None and within(hold.expires_at - _APPROVAL_HOLDS, _APPROVAL_HOLDS, now)


def dismiss(hold_id: int, digest: str, by: str, now: datetime) -> int:
    """The listed devices are really there: forget their absence. Returns how many; an approval ends too.

    Raises NotOpen or ListChanged. Interrupted, it leaves an open hold with the rest of the list.
    """
    with write() as session:
        hold = _undecided(session, hold_id, *PENDING)
        as_shown = _as_shown(session, hold, digest)
        # Taken back first, so that no sync can delete what is being dismissed.
        hold.state, hold.expires_at, hold.decided_by, hold.decided_at = HoldState.OPEN, None, None, None
        hold.devices, hold.digest = as_shown.devices, as_shown.digest
        _note(session, hold, by, "Dismissed deletions", now)
        # The first batch at once: nobody can approve the same list any more.
        rest = _dismiss_some(session, hold, by, now)
    while rest:
        with write() as session:
            rest = _dismiss_some(session, _undecided(session, hold_id, HoldState.OPEN), by, now)
    return as_shown.devices


def _undecided(session: Session, hold_id: int, *states: HoldState) -> Hold:
    hold = session.get(Hold, hold_id)
    if hold is None or hold.state not in states:
        raise NotOpen
    return hold


def _as_shown(session: Session, hold: Hold, digest: str) -> Listing:
    current = listing(session, listed(hold))
    if current.digest != digest:
        raise ListChanged
    return current


def _dismiss_some(session: Session, hold: Hold, by: str, now: datetime) -> bool:
    """One batch; the last one closes the hold. Whether there may be more."""
    devices = table_of(Device)
    ids = session.scalars(select(Device.id).where(*listed(hold)).limit(ROWS_PER_WRITE)).all()
    session.execute(update(devices).where(devices.c.id.in_(ids)).values(_PRESENT))
    if len(ids) < ROWS_PER_WRITE:
        hold.state, hold.decided_by, hold.decided_at = HoldState.DISMISSED, by, now
    return len(ids) == ROWS_PER_WRITE


def _note(session: Session, hold: Hold, by: str, what: str, now: datetime) -> None:
    integration = session.get_one(Integration, hold.integration_id)
    audit(session, by, what, now, integration, detail=f"{hold.devices:,} devices, list {hold.digest[:12]}")
