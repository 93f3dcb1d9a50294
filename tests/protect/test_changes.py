"""Findings that open and close, and what becomes of risk, status, events and tags (rung: shell)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from harmony.db import db, write
from harmony.jobs.kinds import JobKind
from harmony.models import (
    Device,
    DeviceStatus,
    Event,
    Finding,
    Job,
    Protection,
    Risk,
    Severity,
    Verb,
)
from harmony.protection import policy, record
from harmony.protection.change import EventLine, NewFinding, ProtectionStatus
from harmony.protection.record import open_findings, record_events
from tests.builders import NOON, an_integration
from tests.protect.stored import change
from tests.stored import store

pytestmark = pytest.mark.usefixtures("context")

LATER = NOON + timedelta(minutes=5)
MALWARE = NewFinding("device", "MALICIOUS_APP", "com.evil", 3)
NO_LOCK = NewFinding("device", "NO_SCREEN_LOCK", "", 1)


@pytest.fixture
def device() -> tuple[int, int]:
    """A device and its integration."""
    integration_id = an_integration()
    store(integration_id, 1)
    return db.session.scalars(select(Device.id)).one(), integration_id


def apply(device: tuple[int, int], at: datetime = NOON, **values: Any) -> ProtectionStatus:
    return change(device[0], at, **values)


def told() -> list[tuple[str, str, str, str]]:
    return [
        (one.verb, one.severity, one.factor, one.detail)
        for one in db.session.scalars(select(Event).order_by(Event.id))
    ]


def tagging_is_due(device: tuple[int, int]) -> object:
    db.session.rollback()
    job = db.session.get(Job, (device[1], JobKind.TAGGING))
    return job and job.next_at


def close_all(device: tuple[int, int], at: datetime = LATER) -> ProtectionStatus:
    findings = open_findings(db.session(), [device[0]])[device[0]]
    return apply(device, at, closed={finding.id: finding.subject for finding in findings})


def test_the_risk_is_the_highest_of_what_is_open(device: tuple[int, int]) -> None:
    assert apply(device, opened=[NO_LOCK]).risk is Risk.LOW
    assert apply(device, opened=[MALWARE]).risk is Risk.HIGH
    malware = db.session.scalars(select(Finding.id).where(Finding.code == "MALICIOUS_APP")).one()
    assert apply(device, LATER, closed={malware: ""}).risk is Risk.LOW
    assert close_all(device).risk is Risk.NONE


def test_every_change_is_told_once_with_its_severity(device: tuple[int, int]) -> None:
    apply(device, opened=[MALWARE, MALWARE], status=DeviceStatus.ACTIVE)
    apply(device, opened=[MALWARE], status=DeviceStatus.ACTIVE)
    apply(device, LATER, status=DeviceStatus.INACTIVE)
    close_all(device)
    assert told() == [
        (Verb.DETECTED, Severity.CRITICAL, "MALICIOUS_APP", "com.evil"),
        (Verb.ACTIVE, Severity.INFORMATION, "", ""),
        (Verb.INACTIVE, Severity.WARNING, "", ""),
        (Verb.ENDED, Severity.INFORMATION, "MALICIOUS_APP", "com.evil"),
    ]


def test_what_ends_is_kept_and_may_come_again(device: tuple[int, int]) -> None:
    apply(device, opened=[MALWARE])
    close_all(device)
    apply(device, LATER, opened=[MALWARE])
    found = db.session.scalars(select(Finding).order_by(Finding.id)).all()
    assert [(one.opened_at, one.closed_at) for one in found] == [(NOON, LATER), (LATER, None)]


def test_a_change_asks_for_tags_within_a_minute(device: tuple[int, int]) -> None:
    apply(device, opened=[MALWARE])
    assert tagging_is_due(device) == NOON + record.TAG_WITHIN
    assert timedelta(minutes=1) > record.TAG_WITHIN


def test_what_changes_nothing_writes_nothing(device: tuple[int, int]) -> None:
    apply(device)
    assert db.session.get(Protection, device[0]) is None
    apply(device, opened=[MALWARE])
    apply(device, LATER, opened=[MALWARE], closed={999: ""})
    assert db.session.get_one(Protection, device[0]).changed_at == NOON
    assert len(told()) == 1


def test_the_same_threat_on_another_profile_is_a_change_but_no_new_tag(device: tuple[int, int]) -> None:
    apply(device, opened=[MALWARE])
    with write() as session:
        session.get_one(Job, (device[1], JobKind.TAGGING)).next_at = None
    apply(device, LATER, opened=[MALWARE._replace(profile="work")])
    assert db.session.get_one(Protection, device[0]).changed_at == LATER
    assert tagging_is_due(device) is None


def test_a_detail_that_is_too_long_is_cut(device: tuple[int, int]) -> None:
    with write() as session:
        line = EventLine(NOON, Verb.DETECTED, Severity.WARNING, device_id=device[0], detail="x" * 300)
        record_events(session, [line])
    assert len(told()[0][3]) == record.LONGEST_DETAIL


def test_without_a_policy_the_defaults_are_in_force(device: tuple[int, int]) -> None:
    version, defaults = policy.in_force(db.session())
    assert (version, defaults.inactive_days) == (0, 7)
