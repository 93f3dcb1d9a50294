"""What becomes of a device: findings opened and closed, and what they make of its risk and status."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy.orm import Session

from harmony.db import bulk
from harmony.jobs import lease
from harmony.jobs.kinds import JobKind
from harmony.models import DeviceStatus, Risk, Severity, Verb
from harmony.protection import events
from harmony.protection.catalogue import factor_of
from harmony.protection.events import Line
from harmony.protection.risk import device_risk, severity

# A change is to stand in the UEM within a minute; those that come together are pushed together.
TAG_WITHIN = timedelta(seconds=20)

OPEN = "SELECT id, profile, code, subject, risk FROM finding WHERE device_id = ? AND closed_at IS NULL"
STANDING = "SELECT status, risk FROM protection WHERE device_id = ?"
CLOSE = "UPDATE finding SET closed_at = ? WHERE id = ?"
INSERT = "INSERT INTO finding (device_id, profile, code, subject, risk, opened_at) VALUES (?, ?, ?, ?, ?, ?)"
KEEP = (
    "INSERT INTO protection (device_id, integration_id, status, risk, changed_at) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (device_id) DO UPDATE "
    "SET status = excluded.status, risk = excluded.risk, changed_at = excluded.changed_at"
)
TOLD = {
    DeviceStatus.ACTIVE: (Verb.ACTIVE, Severity.INFORMATION),
    DeviceStatus.INACTIVE: (Verb.INACTIVE, Severity.WARNING),
}


class NewFinding(NamedTuple):
    """A finding to be opened; `profile` is "" for what the dashboard itself concludes."""

    profile: str
    code: str
    subject: str
    risk: int


class _OpenFinding(NamedTuple):
    """A finding that is open, as the database has it."""

    id: int
    profile: str
    code: str
    subject: str
    risk: int


class Standing(NamedTuple):
    """How a device is."""

    status: DeviceStatus
    risk: Risk


UNKNOWN = Standing(DeviceStatus.PROVISIONED, Risk.NONE)
Changed = NewFinding | _OpenFinding


def open_findings(session: Session, device_id: int) -> list[_OpenFinding]:
    """Every open finding of the device, of whatever profile."""
    return [_OpenFinding(*row) for row in bulk.fetch_all(session, OPEN, (device_id,))]


def standing(session: Session, device_id: int) -> Standing:
    """How the device is; one that never registered and has no finding is Provisioned, No Risk."""
    rows = bulk.fetch_all(session, STANDING, (device_id,))
    return Standing(DeviceStatus(rows[0][0]), Risk(rows[0][1])) if rows else UNKNOWN


def apply(
    session: Session,
    device_id: int,
    integration_id: int,
    now: datetime,
    *,
    opened: Iterable[NewFinding] = (),
    closed_ids: Collection[int] = (),
    status: DeviceStatus | None = None,
) -> Standing:
    """Open and close findings, set the status unless None; write risk, events and the nudge of tagging.

    Inside the caller's `write()`. What is open already is not opened again, and an id that is not open is
    passed over. The risk is reckoned anew from what is open then, even when nothing was opened or closed.
    """
    before, known = standing(session, device_id), open_findings(session, device_id)
    gone = [one for one in known if one.id in closed_ids]
    kept = [one for one in known if one.id not in closed_ids]
    new = _not_among(kept, opened)
    remaining: list[Changed] = [*kept, *new]
    after = Standing(status or before.status, device_risk(one.risk for one in remaining))
    if not gone and not new and after == before:
        return after
    _write(session, device_id, gone, new, now)
    events.note_many(session, _lines(device_id, integration_id, gone, new, now))
    if after.status != before.status and after.status in TOLD:
        verb, loudness = TOLD[after.status]
        events.note(session, now, verb, loudness, device_id=device_id, integration_id=integration_id)
    moment = bulk.encode_time(now)
    bulk.execute(session, KEEP, (device_id, integration_id, after.status.value, int(after.risk), moment))
    if after != before or _codes(known) != _codes(remaining):
        lease.nudge(session, integration_id, JobKind.TAGGING, now + TAG_WITHIN)
    return after


def _not_among(kept: Iterable[_OpenFinding], opened: Iterable[NewFinding]) -> list[NewFinding]:
    there = {one[1:4] for one in kept}
    wanted = {one[:3]: one for one in opened}
    return [one for key, one in wanted.items() if key not in there]


def _codes(findings: Iterable[Changed]) -> set[str]:
    return {one.code for one in findings}


def _write(
    session: Session, device_id: int, gone: Sequence[_OpenFinding], new: Sequence[NewFinding], now: datetime
) -> None:
    moment = bulk.encode_time(now)
    bulk.execute_many(session, CLOSE, [(moment, one.id) for one in gone])
    bulk.execute_many(session, INSERT, [(device_id, *one, moment) for one in new])


def _lines(
    device_id: int,
    integration_id: int,
    gone: Iterable[_OpenFinding],
    new: Iterable[NewFinding],
    now: datetime,
) -> list[Line]:
    ended = [(Verb.ENDED, Severity.INFORMATION, one.code, one.subject) for one in gone]
    detected = [(Verb.DETECTED, severity(Risk(one.risk)), one.code, one.subject) for one in new]
    return [
        Line(now, verb, loudness, device_id, integration_id, code, factor_of(code).vector.value, subject)
        for verb, loudness, code, subject in (*ended, *detected)
    ]
