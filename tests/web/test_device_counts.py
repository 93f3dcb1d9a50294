"""The numbers of an integration's devices and its newest runs, each with few statements (rung: shell)."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event

from harmony.db import db, is_sqlite, write
from harmony.jobs import runs
from harmony.jobs.kinds import JobKind
from harmony.models import Device, DeviceStatus, Risk, SyncKind, SyncRunState
from harmony.web.devices import counts
from tests.builders import NOON, an_integration
from tests.database import on_both
from tests.stored import a_sync, devices, plan_of, protect, store

database = on_both

ACTIVE, INACTIVE, PROVISIONED = DeviceStatus.ACTIVE, DeviceStatus.INACTIVE, DeviceStatus.PROVISIONED
# What each of the first devices is; a Provisioned one that has a risk was unregistered after a finding.
KINDS = (
    *[(ACTIVE, Risk.NONE)] * 3,
    *[(ACTIVE, Risk.HIGH)] * 2,
    (INACTIVE, Risk.MEDIUM),
    (INACTIVE, Risk.NONE),
    (PROVISIONED, Risk.LOW),
    (PROVISIONED, Risk.NONE),
)
STATEMENTS_OF_THE_STATUS_PART = 21


def a_fleet(count: int = 12) -> int:
    """Devices of every kind, the rest never registered; one is deleted, two are missing, one is unlisted."""
    id_ = an_integration()
    store(id_, count)
    rows = devices(id_)
    for device, (status, risk) in zip(rows, KINDS, strict=False):
        protect(device.id, status, risk)
    with write() as session:
        stored = [session.get_one(Device, device.id) for device in rows]
        stored[1].deleted_at = NOON
        for device in stored[2:4]:
            device.missing_since, device.absent_from = NOON, 1
        stored[-1].added_by = "registration"
    return id_


@pytest.mark.usefixtures("context")
@pytest.mark.parametrize("integrations", [1, 2])
def test_devices_are_counted_as_one_by_one(integrations: int) -> None:
    ids = [a_fleet(12 + number) for number in range(integrations)]
    for id_ in ids:
        live = [device for device in devices(id_) if device.deleted_at is None]
        found = counts.of_integration(id_)
        by_status = Counter(DeviceStatus(device.status or PROVISIONED) for device in live)
        by_risk = Counter(device.risk if device.status or device.risk else None for device in live)
        assert {status: count for status, count in found.statuses.items() if count} == by_status
        assert {risk: count for risk, count in found.risks.items() if count} == by_risk
        assert found.live == len(live)
        assert (found.missing, found.deleted, found.unlisted) == (2, 1, 1)


@pytest.mark.usefixtures("context")
@pytest.mark.parametrize("integrations", [1, 2])
def test_one_reading_counts_what_the_indexes_count(integrations: int) -> None:
    ids = [a_fleet(12 + number) for number in range(integrations)]
    found = counts.in_one_reading(())
    of_each = [counts.of_integration(id_) for id_ in ids]
    assert found.statuses == sum((Counter(each.statuses) for each in of_each), Counter())
    assert found.risks == sum((Counter(each.risks) for each in of_each), Counter())
    assert (+found.platforms).total() == sum(each.live for each in of_each)
    for shown in (found, counts.live_devices(())):
        assert (shown.statuses, shown.risks, +shown.platforms) == (
            +found.statuses, +found.risks, +found.platforms,
        )  # fmt: skip


def test_the_overview_reads_the_devices_of_postgresql_once(app: Flask, signed_in: FlaskClient) -> None:
    with app.app_context():
        a_fleet()
        engine, limit = db.engine, None if is_sqlite() else 1
    signed_in.get("/")
    asked: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *arguments: asked.append(arguments[2]))
    assert signed_in.get("/").status_code == 200
    readings = [text for text in asked if "count(*)" in text and "FROM device " in text.replace("\n", " ")]
    assert readings
    if limit:
        assert len(readings) == limit, "\n".join(readings)


@pytest.mark.usefixtures("context")
def test_what_many_devices_are_is_counted_together_on_postgresql() -> None:
    id_, asked = a_fleet(), list[str]()
    event.listen(db.engine, "before_cursor_execute", lambda *arguments: asked.append(arguments[2]))
    counts.of_integration(id_)
    (counted,) = [text for text in asked if "count(*)" in text]
    assert ("AS unregistered,\n        count(*) FILTER" in counted) is not is_sqlite()


@pytest.mark.usefixtures("context")
def test_an_integration_without_devices_has_none_of_any_kind() -> None:
    found = counts.of_integration(an_integration())
    assert set(found.statuses.values()) | set(found.risks.values()) == {0}


@pytest.mark.usefixtures("context")
def test_the_newest_run_of_each_job_is_found_at_once() -> None:
    id_, other = an_integration(), an_integration()
    with write() as session:
        for at, changes in enumerate(
            (
                {"sync_kind": SyncKind.SNAPSHOT},
                {"sync_kind": SyncKind.SNAPSHOT, "state": SyncRunState.FAILED},
                {"sync_kind": SyncKind.DELTA},
                {"kind": JobKind.TAGGING, "sync_kind": ""},
                {"kind": JobKind.TAGGING, "sync_kind": "", "state": SyncRunState.RUNNING},
            )
        ):
            session.add(a_sync(id_, NOON + timedelta(minutes=at), **changes))
        session.add(a_sync(other, state=SyncRunState.RUNNING))
    found = runs.newest_of_all(db.session(), id_)
    assert {kind: run.id for kind, run in found.under_way.items()} == {JobKind.TAGGING: 5}
    assert {kind: run.id for kind, run in found.ended.items()} == {JobKind.DEVICES: 3, JobKind.TAGGING: 4}
    assert found.full_sync is not None
    assert (found.full_sync.id, found.full_sync.state) == (2, SyncRunState.FAILED)
    assert runs.newest_of_all(db.session(), other).full_sync is None


@pytest.mark.usefixtures("context")
def test_runs_under_way_are_found_by_their_state_however_many_have_ended() -> None:
    if is_sqlite():  # PostgreSQL plans by what it knows of the rows
        (step,) = plan_of(runs._SELECT_UNDER_WAY.params(integration_id=1))
        assert "ix_job_run_state" in step


def test_the_part_of_the_page_that_follows_a_sync_asks_few_questions(
    app: Flask, signed_in: FlaskClient
) -> None:
    with app.app_context():
        id_ = a_fleet()
        engine = db.engine
    signed_in.get(f"/integrations/{id_}/status")
    asked: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *arguments: asked.append(arguments[2]))
    assert signed_in.get(f"/integrations/{id_}/status").status_code == 200
    questions = [statement for statement in asked if statement.startswith("SELECT")]
    assert len(questions) <= STATEMENTS_OF_THE_STATUS_PART, "\n".join(questions)
