"""Brings devices to where they stand: reads what is stored of them, decides, writes what differs.

Set-wise and inside the caller's `write()`; whatever stands right already is not written again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from harmony.models import Action, AppException, DeviceStatus, DutyName, PolicyRecord, Risk, Severity, Verb
from harmony.protect import events
from harmony.protect.changes import TAG_WITHIN, TOLD
from harmony.protect.events import Line
from harmony.protect.factors import factor_of
from harmony.protect.hearing import may_judge_silence
from harmony.protect.risk import severity
from harmony.protect.standing import Exceptions, Known, Open, Protector, Standing, standing
from harmony.sync import driver, duties
from harmony.sync.driver import among, listed, read_time, written_time

# Devices in one write, so that no commit lasts longer than 100 ms.
BATCH = 1000

DEVICES = (
    "SELECT p.device_id, p.integration_id, p.status, p.risk, p.last_contact_at, d.platform, d.os_version "
    "FROM protection p JOIN device d ON d.id = p.device_id WHERE {}"
)
PROTECTORS = (
    "SELECT device_id, platform, os_version, client_version FROM registration "
    "WHERE ended_at IS NULL AND {} ORDER BY id"
)
FINDINGS = "SELECT device_id, id, profile, code, subject, risk FROM finding WHERE closed_at IS NULL AND {}"
OPEN = "INSERT INTO finding (device_id, profile, code, subject, risk, opened_at) VALUES (?, '', ?, '', ?, ?)"
CLOSE = "UPDATE finding SET closed_at = ? WHERE id = ?"
RATE = "UPDATE finding SET risk = ? WHERE id = ?"
STAND = "UPDATE protection SET status = ?, risk = ?, changed_at = ? WHERE device_id = ?"

Decided = Sequence[tuple[Known, Standing]]


def follow(session: Session, device_ids: Sequence[int], policy: PolicyRecord, now: datetime) -> int:
    """Let these devices, BATCH of them at most, stand as the policy in force says; how many changed."""
    exceptions, judged = excepted(session), may_judge_silence(session, now)
    devices = known(session, device_ids)
    decided = [(one, standing(one, policy, exceptions, now, judged=judged)) for one in devices]
    _write_findings(session, decided, now)
    changed = [(device, stands) for device, stands in decided if _differs(device, stands)]
    moment = written_time()(now)
    rows = [(stands.status, stands.risk, moment, device.device_id) for device, stands in changed]
    driver.run_many(session, STAND, rows)
    events.note_many(session, [line for pair in changed for line in _lines(*pair, policy, now)])
    for integration_id in sorted({device.integration_id for device, _stands in changed}):
        duties.nudge(session, integration_id, DutyName.TAGGING, now + TAG_WITHIN)
    return len(changed)


def excepted(session: Session) -> Exceptions:
    """What administrators decided of apps."""
    rows = session.execute(select(AppException.platform, AppException.identifier, AppException.action))
    return {(platform, identifier): Action(action) for platform, identifier, action in rows}


def known(session: Session, device_ids: Sequence[int]) -> list[Known]:
    """What is stored of those of them that ever registered."""
    which = (listed(device_ids),)
    protectors: defaultdict[int, list[Protector]] = defaultdict(list)
    for device_id, *told in driver.fetch(session, PROTECTORS.format(among("device_id")), which):
        protectors[device_id].append(Protector(*told))
    findings: defaultdict[int, list[Open]] = defaultdict(list)
    for device_id, *found in driver.fetch(session, FINDINGS.format(among("device_id")), which):
        findings[device_id].append(Open(*found))
    rows = driver.fetch(session, DEVICES.format(among("p.device_id")), which)
    return [
        Known(id_, integration_id, status, level, read_time(contact), platform, os_version,
              tuple(protectors[id_]), tuple(findings[id_]))
        for id_, integration_id, status, level, contact, platform, os_version in rows
    ]  # fmt: skip


def _write_findings(session: Session, decided: Decided, now: datetime) -> None:
    moment = written_time()(now)
    closed = [(moment, finding.id) for _device, stands in decided for finding in stands.closed]
    rated = [(level, finding.id) for _device, stands in decided for finding, level in stands.rated]
    opened = [
        (device.device_id, code, level, moment) for device, stands in decided for code, level in stands.opened
    ]
    for sql, rows in ((CLOSE, closed), (RATE, rated), (OPEN, opened)):
        driver.run_many(session, sql, rows)


def _differs(device: Known, stands: Standing) -> bool:
    found = bool(stands.opened or stands.closed)
    return found or (device.status, device.risk) != (stands.status, stands.risk)


def _lines(device: Known, stands: Standing, policy: PolicyRecord, now: datetime) -> Iterator[Line]:
    about = (device.device_id, device.integration_id)
    for code, level in stands.opened:
        yield Line(now, Verb.DETECTED, severity(Risk(level)), *about, code, factor_of(code).vector.value)
    for code in (finding.code for finding in stands.closed):
        yield Line(now, Verb.ENDED, Severity.INFORMATION, *about, code, factor_of(code).vector.value)
    if stands.status != device.status:
        verb, loudness = TOLD[DeviceStatus(stands.status)]
        days = policy.inactive_days
        since = f"No contact for more than {days} {'day' if days == 1 else 'days'}."
        yield Line(now, verb, loudness, *about, detail=since if verb is Verb.INACTIVE else "")
