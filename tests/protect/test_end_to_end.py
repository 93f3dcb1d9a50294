"""From what a Protect app says to risk, status and events, through API and jobs (rung shell).

The apps speak to `/protect/v1`; what the worker does is done by its own jobs, called by hand.
"""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

import pytest
from flask import Flask
from sqlalchemy import select, update

from harmony.apps import exceptions as app_exceptions
from harmony.apps.exceptions import Decision
from harmony.clock import now
from harmony.db import db, write
from harmony.models import (
    Action,
    App,
    Device,
    DeviceStatus,
    Event,
    PolicyRecord,
    Protection,
    Registration,
    Risk,
    Severity,
    Verb,
)
from harmony.protection import policy, policy_rollout
from harmony.protection.sweep import sweep
from harmony.simulator.agents.agent import Agent
from harmony.simulator.agents.records import ANDROID, IOS, Report, Threat
from harmony.simulator.agents.script import ANDROID_APPS, TEST_APP
from harmony.simulator.agents.wire import Send
from harmony.worker import tasks
from tests.agents import an_agent, give_token, through
from tests.builders import an_integration
from tests.stored import store

ACTIVE, INACTIVE = DeviceStatus.ACTIVE, DeviceStatus.INACTIVE


class Line(NamedTuple):
    """An event as the page of events shows it."""

    severity: str
    vector: str
    factor: str
    verb: str


@pytest.fixture
def send(app: Flask) -> Send:
    """A way to the API of a dashboard that knows three devices, the second one an iPhone."""
    with app.app_context():
        integration_id = an_integration()
        give_token(integration_id)
        store(integration_id, 3)
        with write() as session:
            session.execute(update(Device).where(Device.external_id == "1").values(platform="Apple"))
    return through(app.test_client())


def registered(send: Send, number: int = 0, platform: str = ANDROID, **report: object) -> Agent:
    """A Protect app that has registered and checked in."""
    agent = an_agent(number, platform)
    agent.register(send, Report())
    agent.check_in(send, Report(**report))  # type: ignore[arg-type]
    return agent


def stands(app: Flask, agent: Agent) -> tuple[str, Risk]:
    """Status and risk of its device, as pages show them."""
    with app.app_context():
        row = db.session.get_one(Protection, agent.device_id)
        return row.status, Risk(row.risk)


def lines(app: Flask, agent: Agent) -> list[Line]:
    """What happened to its device since it registered."""
    columns = (Event.severity, Event.vector, Event.factor, Event.verb)
    with app.app_context():
        rows = db.session.execute(
            select(*columns).where(Event.device_id == agent.device_id).order_by(Event.id)
        )
        found = [Line(*row) for row in rows]
    return [line for line in found if line.verb not in {Verb.REGISTERED, Verb.ACTIVE}]


def decide(app: Flask, action: Action | None) -> None:
    """What *Edit app exception* does, and one beat of the worker."""
    with app.app_context():
        block = select(App).where(App.identifier == TEST_APP.identifier)
        found = db.session.scalars(block).one()
        assert app_exceptions.decide(found, Decision(action, "A test", "kim", now()))
        db.session.remove()
        tasks.exceptions()


def the_policy(app: Flask, record: PolicyRecord) -> None:
    """What the page of the policy does, and one beat of the worker."""
    with app.app_context():
        version, _ = policy.in_force(db.session())
        policy.save(record, version, "kim", now())
        policy_rollout.roll_out(now())


def worker_beat(app: Flask, days: float = 0) -> None:
    """What the worker looks at once a minute, so many days from now."""
    with app.app_context():
        sweep(now() + timedelta(days=days))


def test_blocking_an_installed_app_makes_its_devices_high_and_lifting_it_takes_that_back(
    app: Flask, send: Send
) -> None:
    having = registered(send, 0, apps=(*ANDROID_APPS, TEST_APP))
    other = registered(send, 2, apps=ANDROID_APPS)
    decide(app, Action.BLOCK)
    assert stands(app, having) == (ACTIVE, Risk.HIGH)
    assert stands(app, other) == (ACTIVE, Risk.NONE)
    assert having.check_in(send, Report()).risk == "high", "the next check-in does not forget it"
    decide(app, None)
    assert stands(app, having) == (ACTIVE, Risk.NONE)
    assert lines(app, having) == [
        (Severity.CRITICAL, "Application", "BLOCKED_APP", Verb.DETECTED),
        (Severity.INFORMATION, "Application", "BLOCKED_APP", Verb.ENDED),
    ]
    assert lines(app, other) == []


def test_a_blocked_app_that_is_installed_later_counts_at_once_until_it_is_removed(
    app: Flask, send: Send
) -> None:
    first = registered(send, 0, apps=(TEST_APP,))
    decide(app, Action.BLOCK)
    late = registered(send, 2, apps=ANDROID_APPS)
    assert late.check_in(send, Report(apps=(*ANDROID_APPS, TEST_APP))).risk == "high"
    assert late.check_in(send, Report(apps=ANDROID_APPS)).risk == "none"
    assert stands(app, first) == (ACTIVE, Risk.HIGH)
    assert {(line.factor, line.verb) for line in lines(app, late)} == {
        ("", Verb.INSTALLED), ("BLOCKED_APP", Verb.DETECTED), ("", Verb.REMOVED), ("BLOCKED_APP", Verb.ENDED)
    }  # fmt: skip


@pytest.mark.parametrize(
    ("platform", "threat", "risk", "detected"),
    [
        (IOS, Threat("JAILBROKEN"), Risk.HIGH, (Severity.CRITICAL, "OS Exploits")),
        (ANDROID, Threat("PHISHING", "a.test"), Risk.HIGH, (Severity.CRITICAL, "Network Security")),
        (ANDROID, Threat("USB_DEBUGGING"), Risk.LOW, (Severity.WARNING, "Device")),
        (ANDROID, Threat("JUICE_JACKING"), Risk.MEDIUM, (Severity.WARNING, "Device")),
    ],
)
def test_a_threat_arrives_at_its_risk_and_ends_with_the_next_report(
    app: Flask, send: Send, *, platform: str, threat: Threat, risk: Risk, detected: tuple[str, str]
) -> None:
    agent = registered(send, int(platform == IOS), platform)
    assert agent.check_in(send, Report(threats=(threat,))).risk == risk.name.lower()
    assert stands(app, agent) == (ACTIVE, risk)
    assert agent.check_in(send, Report(threats=(threat,))).risk == risk.name.lower()
    assert agent.check_in(send, Report()).risk == "none"
    loudness, vector = detected
    assert lines(app, agent) == [
        (loudness, vector, threat.code, Verb.DETECTED),
        (Severity.INFORMATION, vector, threat.code, Verb.ENDED),
    ]


def test_an_outdated_system_counts_from_the_policy_until_it_is_updated(app: Flask, send: Send) -> None:
    old = registered(send, 1, IOS, os_version="17.6.1")
    new = registered(send, 0, ANDROID, os_version="14")
    the_policy(app, PolicyRecord(minimum_os={IOS: "18", ANDROID: "13"}))
    assert stands(app, old) == (ACTIVE, Risk.MEDIUM)
    assert stands(app, new) == (ACTIVE, Risk.NONE)
    old.check_in(send, Report(os_version="18.1"))
    worker_beat(app)
    assert stands(app, old) == (ACTIVE, Risk.NONE)
    assert lines(app, old) == [
        (Severity.WARNING, "Device", "OS_OUTDATED", Verb.DETECTED),
        (Severity.INFORMATION, "Device", "OS_OUTDATED", Verb.ENDED),
    ]


def test_a_silent_device_is_at_risk_then_inactive_and_active_again_when_it_is_heard(
    app: Flask, send: Send
) -> None:
    the_policy(app, PolicyRecord(silent_days=3, silent_risk=int(Risk.LOW), inactive_days=7))
    silent, other = registered(send, 0), registered(send, 2)
    last_heard(app, silent, days=4)
    worker_beat(app)
    assert stands(app, silent) == (ACTIVE, Risk.LOW)
    last_heard(app, silent, days=8)
    worker_beat(app)
    assert stands(app, silent) == (INACTIVE, Risk.LOW)
    worker_beat(app)
    assert silent.check_in(send, Report()) == ("active", "none", 900)
    assert stands(app, other) == (ACTIVE, Risk.NONE)
    found = [(line.factor, line.verb) for line in lines(app, silent)]
    assert found == [("DEVICE_SILENT", Verb.DETECTED), ("", Verb.INACTIVE), ("DEVICE_SILENT", Verb.ENDED)]


def last_heard(app: Flask, agent: Agent, days: float) -> None:
    """So long ago."""
    with app.app_context(), write() as session:
        for table in (Protection, Registration):
            mine = update(table).where(table.device_id == agent.device_id)
            session.execute(mine.values(last_contact_at=now() - timedelta(days=days)))


def test_unregistering_leaves_the_device_provisioned_and_its_findings_open(app: Flask, send: Send) -> None:
    agent = registered(send, threats=(Threat("ROOTED"),))
    agent.unregister(send)
    assert stands(app, agent) == (DeviceStatus.PROVISIONED, Risk.HIGH)
