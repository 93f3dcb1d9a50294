"""Record protection: the only SQL that writes findings, protection and events, and the request for tagging.

Others decide and hand over changes, any number at once, inside their `write()`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from harmony.db import bulk
from harmony.feed import record_event_lines
from harmony.jobs import lease
from harmony.jobs.kinds import JobKind
from harmony.protection.change import Change, DeviceState, EventLine, OpenFinding, ProtectionStatus, effect_of

# A change is to stand in the UEM within a minute; those that come together are pushed together.
TAG_WITHIN = timedelta(seconds=20)
LONGEST_DETAIL = 256

_SELECT_STATES = (
    "SELECT d.id, d.integration_id, d.platform, coalesce(p.status, 'provisioned'), coalesce(p.risk, 0) "
    "FROM device d LEFT JOIN protection p ON p.device_id = d.id WHERE {}"
)
_SELECT_OPEN_FINDINGS = (
    "SELECT device_id, id, profile, code, subject, risk FROM finding WHERE closed_at IS NULL AND {}"
)
_CLOSE_FINDING = "UPDATE finding SET closed_at = ? WHERE id = ?"
UPDATE_FINDING_RISK = "UPDATE finding SET risk = ? WHERE id = ?"
INSERT_FINDING = (
    "INSERT INTO finding (device_id, profile, code, subject, risk, opened_at) VALUES (?, ?, ?, ?, ?, ?)"
)
UPSERT_PROTECTION = (
    "INSERT INTO protection (device_id, integration_id, status, risk, changed_at) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (device_id) DO UPDATE "
    "SET status = excluded.status, risk = excluded.risk, changed_at = excluded.changed_at"
)
_UPDATE_LAST_CONTACT = "UPDATE protection SET last_contact_at = ? WHERE device_id = ?"
_UPDATE_REGISTERED_AT = (
    "UPDATE protection SET registered_at = coalesce(registered_at, ?), last_contact_at = ? "
    "WHERE device_id = ?"
)
_INSERT_EVENT = (
    "INSERT INTO event (at, verb, severity, device_id, integration_id, factor, vector, detail) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)


def load_states(session: Session, device_ids: Sequence[int]) -> dict[int, DeviceState]:
    """Load the protection of these devices, which must exist."""
    rows = bulk.fetch_all(
        session, _SELECT_STATES.format(bulk.in_list("d.id")), (bulk.list_param(device_ids),)
    )
    findings = open_findings(session, device_ids)
    return {row[0]: DeviceState(*row)._replace(findings=findings.get(row[0], ())) for row in rows}


def open_findings(session: Session, device_ids: Sequence[int]) -> Mapping[int, list[OpenFinding]]:
    """Load every open finding of these devices, of whatever profile, by device."""
    findings: defaultdict[int, list[OpenFinding]] = defaultdict(list)
    sql = _SELECT_OPEN_FINDINGS.format(bulk.in_list("device_id"))
    for device_id, *finding in bulk.fetch_all(session, sql, (bulk.list_param(device_ids),)):
        findings[device_id].append(OpenFinding(*finding))
    return findings


def record_changes(session: Session, changes: Iterable[Change], now: datetime) -> dict[int, ProtectionStatus]:
    """Write what differs, an event for each difference, and a request for tagging where tags show it.

    Each device may have one change. Rows that the ORM has loaded are read again. Return the status and risk
    of each device then.
    """
    session.flush()
    effects = [effect_of(change) for change in changes]
    time = bulk.encode_time(now)
    states = [(effect.change.before, effect) for effect in effects]
    closed = [(time, finding.id) for effect in effects for finding in effect.closed]
    rated = [(risk, id_) for effect in effects for id_, risk in effect.change.rated.items()]
    opened = [(state.device_id, *new[:4], time) for state, effect in states for new in effect.opened]
    protection = [(*state[:2], effect.after.status.value, int(effect.after.risk), time)
                  for state, effect in states if effect.is_change]  # fmt: skip
    for sql, rows in (
        (_CLOSE_FINDING, closed), (UPDATE_FINDING_RISK, rated), (INSERT_FINDING, opened),
        (UPSERT_PROTECTION, protection),
    ):  # fmt: skip
        bulk.execute_many(session, sql, rows)
    record_events(session, [line for effect in effects for line in effect.events(now)])
    session.expire_all()
    for integration_id in sorted({state.integration_id for state, effect in states if effect.is_tagged}):
        lease.make_due(session, integration_id, JobKind.TAGGING, now + TAG_WITHIN)
    return {state.device_id: effect.after for state, effect in states}


def record_contacts(session: Session, contacts: Iterable[tuple[int, datetime | None]]) -> None:
    """Write the last contact of devices; None while no Protect app is registered."""
    encode = bulk.time_encoder()
    bulk.execute_many(session, _UPDATE_LAST_CONTACT, [(encode(at), device_id) for device_id, at in contacts])


def record_registration(session: Session, device_id: int, now: datetime) -> None:
    """Write that a Protect app registers: the first time it ever did, and a contact."""
    time = bulk.encode_time(now)
    bulk.execute(session, _UPDATE_REGISTERED_AT, (time, time, device_id))


def record_events(session: Session, lines: Iterable[EventLine]) -> None:
    """Write lines of Events; details that are too long are cut."""
    encode = bulk.time_encoder()
    rows = [
        (encode(at), verb.value, severity.value, *rest, detail[:LONGEST_DETAIL])
        for at, verb, severity, *rest, detail in lines
    ]
    bulk.execute_many(session, _INSERT_EVENT, rows)
    record_event_lines(session, rows)
