"""Brings devices to where they stand: reads what is stored of them, decides, writes what differs.

Set-wise and inside the caller's `write()`; whatever stands right already is not written again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from harmony.db import bulk
from harmony.db.bulk import encode_time, in_list, list_param, time_encoder
from harmony.jobs import lease
from harmony.jobs.kinds import JobKind
from harmony.models import Action, AppException, DeviceStatus, PolicyRecord, Risk, Severity, Verb
from harmony.protection import events
from harmony.protection.catalogue import factor_of
from harmony.protection.evaluate import Exceptions, Facts, Standing, bounds, no_contact, reason, standing
from harmony.protection.events import Line
from harmony.protection.outage_grace import may_judge_silence
from harmony.protection.record import TAG_WITHIN, TOLD
from harmony.protection.risk import severity

# Devices in one write, so that no commit lasts longer than 100 ms.
BATCH = 500

DEVICES = (
    "SELECT p.device_id, p.integration_id, p.last_contact_at, p.status, p.risk, d.platform, d.os_version "
    "FROM protection p JOIN device d ON d.id = p.device_id WHERE {}"
)
_PROTECTORS = (
    "SELECT device_id, platform, os_version, client_version FROM registration WHERE ended_at IS NULL AND {}"
)
FINDINGS = "SELECT device_id, id, profile, code, subject, risk FROM finding WHERE closed_at IS NULL AND {}"
OPEN = "INSERT INTO finding (device_id, profile, code, subject, risk, opened_at) VALUES (?, '', ?, '', ?, ?)"
CLOSE = "UPDATE finding SET closed_at = ? WHERE id = ?"
RATE = "UPDATE finding SET risk = ? WHERE id = ?"
STAND = "UPDATE protection SET status = ?, risk = ?, changed_at = ? WHERE device_id = ?"


class Known(NamedTuple):
    """A device with its facts; `finding_ids` are those of `facts.findings`, in their order."""

    device_id: int
    integration_id: int
    finding_ids: Sequence[int]
    facts: Facts


Decided = Sequence[tuple[Known, Standing]]


def follow(session: Session, device_ids: Sequence[int], policy: PolicyRecord, now: datetime) -> int:
    """Let these devices, BATCH of them at most, stand as the policy in force says; how many changed."""
    exceptions = excepted(session)
    decide = cache(lambda facts: standing(facts, policy, exceptions))
    decided = [(one, decide(one.facts)) for one in known(session, device_ids, policy, now)]
    _write_findings(session, decided, now)
    changed = [(one, stands) for one, stands in decided if _differs(one.facts, stands)]
    moment = encode_time(now)
    rows = [(stands.status, stands.risk, moment, one.device_id) for one, stands in changed]
    bulk.execute_many(session, STAND, rows)
    events.note_many(session, [line for pair in changed for line in _lines(*pair, policy, now)])
    for integration_id in sorted({one.integration_id for one, _stands in changed}):
        lease.nudge(session, integration_id, JobKind.TAGGING, now + TAG_WITHIN)
    return len(changed)


def excepted(session: Session) -> Exceptions:
    """What administrators decided of apps."""
    rows = session.execute(select(AppException.platform, AppException.identifier, AppException.action))
    return {(platform, identifier): Action(action) for platform, identifier, action in rows}


def known(session: Session, device_ids: Sequence[int], policy: PolicyRecord, now: datetime) -> list[Known]:
    """What is stored of those of them that ever registered."""
    which = (list_param(device_ids),)
    protectors: defaultdict[int, list[Any]] = defaultdict(list)
    for device_id, *told in bulk.fetch_all(session, _PROTECTORS.format(in_list("device_id")), which):
        protectors[device_id].append(tuple(told))
    ids: defaultdict[int, list[int]] = defaultdict(list)
    findings: defaultdict[int, list[Any]] = defaultdict(list)
    for device_id, id_, *found in bulk.fetch_all(session, FINDINGS.format(in_list("device_id")), which):
        ids[device_id].append(id_)
        findings[device_id].append(tuple(found))
    # Compared as the driver gives them: a hundred thousand times need not be parsed.
    judged = may_judge_silence(session, now)
    silent, inactive = map(time_encoder(), bounds(policy, now))
    return [
        Known(device_id, integration_id, ids[device_id], Facts(
            status, level, *_late(contact, silent, inactive, judged=judged), platform, os_version,
            tuple(protectors[device_id]), tuple(findings[device_id]),
        ))
        for device_id, integration_id, contact, status, level, platform, os_version
        in bulk.fetch_all(session, DEVICES.format(in_list("p.device_id")), which)
    ]  # fmt: skip


def _late(contact: Any, silent: Any, inactive: Any, *, judged: bool) -> tuple[bool | None, bool | None]:
    if not judged or contact is None:
        return None, None
    return silent is not None and contact < silent, contact < inactive


def _write_findings(session: Session, decided: Decided, now: datetime) -> None:
    moment = encode_time(now)
    closed = [(moment, one.finding_ids[place]) for one, stands in decided for place in stands.closed]
    rated = [(level, one.finding_ids[place]) for one, stands in decided for place, level in stands.rated]
    opened = [
        (one.device_id, code, level, moment) for one, stands in decided for code, level in stands.opened
    ]
    for sql, rows in ((CLOSE, closed), (RATE, rated), (OPEN, opened)):
        bulk.execute_many(session, sql, rows)


def _differs(facts: Facts, stands: Standing) -> bool:
    found = bool(stands.opened or stands.closed)
    return found or (facts.status, facts.risk) != (stands.status, stands.risk)


def _lines(one: Known, stands: Standing, policy: PolicyRecord, now: datetime) -> Iterator[Line]:
    about = (one.device_id, one.integration_id)
    for code, level in stands.opened:
        why = reason(code, one.facts, policy)
        yield Line(now, Verb.DETECTED, severity(Risk(level)), *about, code, factor_of(code).vector.value, why)
    for code in (one.facts.findings[place][1] for place in stands.closed):
        yield Line(now, Verb.ENDED, Severity.INFORMATION, *about, code, factor_of(code).vector.value)
    if stands.status != one.facts.status:
        verb, loudness = TOLD[DeviceStatus(stands.status)]
        since = no_contact(policy.inactive_days) if verb is Verb.INACTIVE else ""
        yield Line(now, verb, loudness, *about, detail=since)
