"""Whatever happens to devices is recorded alike: risk, events, due tagging (rung H, on each database)."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, update

from harmony.apps.exceptions import Decision, carry_out, decide
from harmony.db import Base, db, write
from harmony.device_api.check_in import take
from harmony.device_api.registration import unregister
from harmony.device_api.report import CheckInReport, ReportedApp, ReportedThreat
from harmony.jobs.kinds import JobKind
from harmony.models import (
    Action,
    App,
    Event,
    Finding,
    Job,
    PolicyRecord,
    Protection,
    Registration,
    Verb,
)
from harmony.protection import outage_grace
from harmony.protection.change import ProtectionStatus
from harmony.protection.policy import in_force, save
from harmony.protection.policy_rollout import roll_out
from harmony.protection.sweep import sweep
from tests.builders import NOON, an_integration
from tests.protect.stored import registered
from tests.sampling import sample

DEVICES = 3
APPS = [ReportedApp("com.a", "1", "A"), ReportedApp("com.b", "1", "B")]
THREATS = [
    ReportedThreat(*threat)
    for threat in (
        ("ROOTED", ""), ("NO_SCREEN_LOCK", ""), ("UNHEARD_OF", "x"), ("UNHEARD_OF", "y"),
        ("HACKING_TOOL", "com.a"), ("BACKUP_TOOL", "com.b"),
    )
]  # fmt: skip

reports = st.builds(
    lambda threats, apps, version: {"threats": tuple(threats), "apps": apps, "os_version": version},
    st.lists(st.sampled_from(THREATS), unique=True),
    st.none() | st.lists(st.sampled_from(APPS), unique=True).map(tuple),
    st.sampled_from(["", "13", "15"]),
)
policies = st.builds(
    PolicyRecord,
    risks=st.dictionaries(st.sampled_from(["ROOTED", "HACKING_TOOL", "BACKUP_TOOL"]), st.integers(0, 3)),
    inactive_days=st.sampled_from([5, 7]),
    silent_risk=st.integers(0, 3),
    minimum_os=st.sampled_from([{}, {"android": "14"}]),
)
steps = st.one_of(
    st.tuples(st.just("check_in"), st.dictionaries(st.integers(0, DEVICES - 1), reports, min_size=1)),
    st.tuples(st.just("change_policy"), policies),
    st.tuples(st.just("wait"), st.sampled_from([1, 4, 8])),
    st.tuples(st.just("except_app"), st.tuples(st.sampled_from(APPS), st.sampled_from([None, *Action]))),
    st.tuples(st.just("reset"), st.integers(0, DEVICES - 1)),
)


class Stored(NamedTuple):
    """The stored protection of a device; `findings` are the open ones: id, code, risk."""

    status: str
    risk: int
    changed_at: datetime
    findings: tuple[tuple[int, str, int], ...]

    @property
    def tags(self) -> tuple[str, int, frozenset[str]]:
        """Return what its tags show."""
        return self.status, self.risk, frozenset(code for _id, code, _risk in self.findings)


class Snapshot(NamedTuple):
    """The devices by id, how often each event was written (device, verb, factor), whether tagging is due."""

    devices: dict[int, Stored]
    events: Counter[tuple[Any, ...]]
    tagging: bool


class Dashboard:
    """A dashboard with a few registered devices, and what can happen to them."""

    def __init__(self) -> None:
        self.at = NOON
        with write() as session:
            for table in reversed(Base.metadata.sorted_tables):
                if not table.name.startswith("audit"):  # which refuses that
                    session.execute(delete(table))
        self.integration = an_integration()
        self.devices = registered(self.integration, DEVICES, os_version="15")
        rows = db.session.execute(select(Registration.device_id, Registration.key_hash))
        self.keys = {device_id: key for device_id, key in rows}
        with write() as session:
            session.add(
                Job(integration_id=self.integration, kind=JobKind.TAGGING, whole=False, fence=0, failures=0)
            )

    def check_in(self, said: dict[int, dict[str, Any]]) -> None:
        take(
            [
                CheckInReport(self.keys[self.devices[number]], self.at, **report)
                for number, report in said.items()
            ]
        )

    def change_policy(self, record: PolicyRecord) -> None:
        save(record, in_force(db.session())[0], "kim", self.at)
        roll_out(self.at)

    def wait(self, days: int) -> None:
        self.at += timedelta(days=days)
        with write() as session:
            outage_grace.end(session, self.at - timedelta(minutes=1))
        sweep(self.at)

    def except_app(self, said: tuple[ReportedApp, Action | None]) -> None:
        app = db.session.scalars(select(App).where(App.identifier == said[0].identifier)).first()
        if app is not None and decide(app, Decision(said[1], "", "kim", self.at)):
            carry_out()

    def reset(self, number: int) -> None:
        unregister.reset(self.devices[number], "kim", self.at)

    def snapshot(self) -> Snapshot:
        """Read everything that a step may change, and ask for no tagging until the next one."""
        db.session.rollback()
        findings: dict[int, list[tuple[int, str, int]]] = {}
        for row in db.session.scalars(
            select(Finding).where(Finding.closed_at.is_(None)).order_by(Finding.id)
        ):
            findings.setdefault(row.device_id, []).append((row.id, row.code, row.risk))
        events = db.session.execute(select(Event.device_id, Event.verb, Event.factor)).all()
        devices = {
            row.device_id: Stored(
                row.status, row.risk, row.changed_at, tuple(findings.get(row.device_id, ()))
            )
            for row in db.session.scalars(select(Protection))
        }
        tagging = db.session.scalar(select(Job.next_at).where(Job.kind == JobKind.TAGGING))
        with write() as session:
            session.execute(update(Job).values(next_at=None))
        return Snapshot(devices, Counter(tuple(event) for event in events), tagging is not None)


def expected_events(device_id: int, before: Stored, after: Stored) -> Counter[tuple[Any, ...]]:
    """The events of one device that follow from how it was and is."""
    was, now = ({id_: code for id_, code, _risk in stored.findings} for stored in (before, after))
    lines = [(device_id, Verb.DETECTED, now[id_]) for id_ in now.keys() - was.keys()]
    lines += [(device_id, Verb.ENDED, was[id_]) for id_ in was.keys() - now.keys()]
    if after.status != before.status and after.status in {Verb.ACTIVE, Verb.INACTIVE}:
        lines.append((device_id, Verb(after.status), ""))
    return Counter(lines)


def judge(before: Snapshot, after: Snapshot) -> None:
    """Compare what a step wrote with the difference that it made."""
    expected: Counter[tuple[Any, ...]] = Counter()
    for device_id, stored in after.devices.items():
        old = before.devices[device_id]
        assert stored.risk == max((risk for _id, _code, risk in stored.findings), default=0)
        changed = (old.tags, {f[0] for f in old.findings}) != (stored.tags, {f[0] for f in stored.findings})
        assert (stored.changed_at != old.changed_at) == changed
        expected += expected_events(device_id, old, stored)
    told = {Verb.DETECTED, Verb.ENDED, Verb.ACTIVE, Verb.INACTIVE}
    written = {line: count for line, count in (after.events - before.events).items() if line[1] in told}
    assert written == expected
    tags = [(before.devices[device_id].tags, stored.tags) for device_id, stored in after.devices.items()]
    assert after.tagging == any(old != new for old, new in tags)


@given(st.lists(steps, min_size=1, max_size=8))
@settings(max_examples=sample(25, 500), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_risk_events_and_tagging_follow_from_whatever_happens(
    context: Flask, story: list[tuple[str, Any]]
) -> None:
    dashboard = Dashboard()
    before = dashboard.snapshot()
    for name, argument in story:
        dashboard.at += timedelta(minutes=20)
        getattr(dashboard, name)(argument)
        after = dashboard.snapshot()
        judge(before, after)
        before = after


def test_two_reports_of_a_device_in_one_write_follow_one_another(context: Flask) -> None:
    dashboard = Dashboard()
    key = dashboard.keys[dashboard.devices[0]]
    rooted, calm = CheckInReport(key, NOON, (ReportedThreat("ROOTED", ""),)), CheckInReport(key, NOON)
    before = dashboard.snapshot()
    assert [
        answer.risk for answer in take([rooted, calm, rooted]) if isinstance(answer, ProtectionStatus)
    ] == [3, 0, 3]
    after = dashboard.snapshot()
    device = dashboard.devices[0]
    assert after.events - before.events == {(device, "detected", "ROOTED"): 2, (device, "ended", "ROOTED"): 1}
    assert (after.devices[device].risk, after.tagging) == (3, True)
