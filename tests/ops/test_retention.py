"""What is forgotten and what never is (rung: shell on each database; time is an argument)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import delete, func, insert, select

from harmony.audit import audit, verify
from harmony.config import Settings
from harmony.config.version import VERSION
from harmony.db import bulk, db, is_sqlite, table_of, write
from harmony.models import (
    AuditEntry,
    Device,
    DeviceEvent,
    Event,
    Finding,
    Hold,
    JobRun,
    SkippedDevice,
    SyncKind,
    SyncRunState,
    Worker,
)
from harmony.sync import job as sync_job
from harmony.worker import retention, tasks
from tests.builders import NOON, FakeUem, an_integration, devices
from tests.database import on_both
from tests.stored import a_sync

database = on_both

DAY = timedelta(days=1)
OK, FAILED, RUNNING = SyncRunState.OK, SyncRunState.FAILED, SyncRunState.RUNNING


def a_run(
    integration_id: int, ended: datetime | None, state: SyncRunState = OK, kind: SyncKind = SyncKind.SNAPSHOT
) -> int:
    """A run that ended then; None for one that still runs."""
    started = (ended or NOON) - timedelta(minutes=1)
    with write() as session:
        row = a_sync(integration_id, started, sync_kind=kind, state=state, finished_at=ended)
        session.add(row)
        session.flush()
        return row.id


def kept_runs() -> Sequence[int]:
    return db.session.scalars(select(JobRun.id).order_by(JobRun.id)).all()


def count(model: type[SkippedDevice] | type[AuditEntry] | type[DeviceEvent]) -> int:
    return db.session.scalar(select(func.count()).select_from(model)) or 0


def lines(device_id: int, *ages: int) -> None:
    """History of a device, so many days old each."""
    rows = [{"device_id": device_id, "at": NOON - age * DAY, "kind": "changed", "detail": ""} for age in ages]
    with write() as session:
        session.execute(insert(table_of(DeviceEvent)), rows)


def entries(*ages: int) -> None:
    with write() as session:
        for age in ages:
            audit(session, "kim", "Paused", NOON - age * DAY)


def a_device(integration_id: int) -> int:
    sync_job.sync(integration_id, opener=lambda *_: FakeUem({"570": devices(1)}))
    return db.session.scalars(select(Device.id)).one()


def test_runs_older_than_the_limit_go_and_younger_ones_stay(context: Flask) -> None:
    id_ = an_integration()
    a_run(id_, NOON - 91 * DAY)
    young = a_run(id_, NOON - 90 * DAY)
    newest = a_run(id_, NOON)
    assert retention.forget_runs(NOON - 90 * DAY) == 1
    assert kept_runs() == [young, newest]


def test_the_newest_run_and_the_last_complete_one_of_each_integration_are_kept_for_ever(
    context: Flask,
) -> None:
    one, two = an_integration(), an_integration()
    a_run(one, NOON - 900 * DAY)
    complete = a_run(one, NOON - 800 * DAY, SyncRunState.HELD)
    a_run(one, NOON - 700 * DAY, kind=SyncKind.DELTA)
    a_run(one, NOON - 600 * DAY, SyncRunState.INCOMPLETE)
    newest = a_run(one, NOON - 500 * DAY, FAILED)
    only = a_run(two, NOON - 900 * DAY, FAILED)
    assert retention.forget_runs(NOON - 90 * DAY) == 3
    assert kept_runs() == [complete, newest, only]
    assert retention.forget_runs(NOON - 90 * DAY) == 0


def test_a_run_under_way_is_never_removed(context: Flask) -> None:
    id_ = an_integration()
    running = a_run(id_, None, RUNNING)
    newest = a_run(id_, NOON)
    assert retention.forget_runs(NOON + 900 * DAY) == 0
    assert kept_runs() == [running, newest]


def test_a_hold_outlives_its_run(context: Flask) -> None:
    id_ = an_integration()
    old, _newest = a_run(id_, NOON - 91 * DAY, SyncRunState.FAILED), a_run(id_, NOON)
    with write() as session:
        session.add(
            Hold(
                integration_id=id_, run_id=old, created_at=NOON, up_to=1, devices=3, live=9, digest="d",
                reasons=["threshold"],
            )
        )  # fmt: skip
    assert retention.forget_runs(NOON - 90 * DAY) == 1
    hold = db.session.scalars(select(Hold)).one()
    assert (hold.run_id, hold.devices) == (None, 3)


def test_no_transaction_removes_more_than_two_batches_of_rows(
    context: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 10)
    id_ = an_integration()
    runs = [a_run(id_, NOON - 100 * DAY, FAILED) for _ in range(25)]
    a_run(id_, NOON)
    rows = [{"run_id": one, "external_id": None, "reason": "r"} for one in runs[:3] for _ in range(17)]
    with write() as session:
        session.execute(insert(table_of(SkippedDevice)), rows)
    left = [51 + 26]

    def rows_left() -> bool:
        left.append(count(SkippedDevice) + len(kept_runs()))
        db.session.rollback()
        return False

    assert retention.forget_runs(NOON - 90 * DAY, rows_left) == 25
    steps = max(before - after for before, after in pairwise(left))
    assert 0 < steps <= 20
    assert (count(SkippedDevice), len(kept_runs())) == (0, 1)


def test_what_was_stopped_in_the_middle_goes_on_the_next_time(
    context: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 10)
    device = a_device(an_integration())
    lines(device, *[400] * 35, 10, 0)
    stops = iter([False, False, True])
    assert retention._forget(DeviceEvent, NOON - 365 * DAY, lambda: next(stops)) == 20
    assert count(DeviceEvent) == 17
    assert retention._forget(DeviceEvent, NOON - 365 * DAY, retention.never) == 15
    assert count(DeviceEvent) == 2


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_a_batch_that_is_exactly_full_is_not_the_last(
    context: Flask, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(retention, "BATCH", batch)
    monkeypatch.setattr(verify, "BATCH", batch)
    device = a_device(an_integration())
    lines(device, *[400] * 10)
    entries(*[400] * 10, 10)
    assert retention._forget(DeviceEvent, NOON - 365 * DAY, retention.never) == 10
    assert retention.forget_audit(NOON - 365 * DAY) == 10
    assert verify.verify().problem == ""


def test_each_kind_of_row_has_its_own_limit(context: Flask, settings: Settings) -> None:
    id_ = an_integration()
    device = a_device(id_)
    lines(device, 51, 49)
    entries(41, 39)
    a_run(id_, NOON - 31 * DAY, FAILED)
    newest = a_run(id_, NOON - 29 * DAY)
    mine = Settings(
        data_dir=settings.data_dir, runs_kept_days=30, audit_kept_days=40, history_kept_days=50,
        deleted_kept_days=20,
    )  # fmt: skip
    retention.sweep(NOON, mine)
    assert newest in kept_runs()
    assert count(AuditEntry) == 1
    assert count(DeviceEvent) == 1
    assert all(run.finished_at is None or run.finished_at > NOON - 30 * DAY for run in _runs())


def _runs() -> Sequence[JobRun]:
    return db.session.scalars(select(JobRun)).all()


@pytest.mark.parametrize(("days_ago", "there"), [(31, 0), (29, 1)])
def test_a_device_deleted_too_long_ago_is_purged_with_its_history(
    context: Flask, settings: Settings, days_ago: int, there: int
) -> None:
    device = a_device(an_integration())
    lines(device, 1)
    with write() as session:
        one = session.get_one(Device, device)
        one.deleted_at, one.deleted_by = NOON - days_ago * DAY, "sync"
    retention.sweep(NOON, settings)
    assert len(db.session.scalars(select(Device.id)).all()) == there
    assert count(DeviceEvent) == there


def test_nothing_is_removed_once_the_process_is_told_to_stop(context: Flask, settings: Settings) -> None:
    entries(400)
    retention.sweep(NOON, settings, lambda: True)
    assert count(AuditEntry) == 1


def test_the_hourly_sweep_forgets(context: Flask) -> None:
    entries(9000)
    tasks.sweep()
    assert count(AuditEntry) == 0


def test_events_and_ended_findings_older_than_the_limit_go_and_open_ones_stay(
    context: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    device = a_device(an_integration())
    with write() as session:
        for age in (400, 366, 365, 1):
            session.add(Event(at=NOON - age * DAY, severity="warning", verb="inactive", device_id=device))
        for number, ended in enumerate((400, 1, 390, None, 380, 370, 365)):
            at = NOON - ended * DAY if ended else None
            session.add(
                Finding(device_id=device, code=f"C{number}", risk=1, opened_at=NOON - 500 * DAY, closed_at=at)
            )
    retention.sweep(NOON, Settings(data_dir=Path(), events_kept_days=365))
    ages = [NOON - at for at in db.session.scalars(select(Event.at).order_by(Event.id))]
    assert ages == [365 * DAY, DAY]
    assert list(db.session.scalars(select(Finding.code).order_by(Finding.id))) == ["C1", "C3", "C6"]


def test_old_runs_of_jobs_go_but_the_newest_of_each(app: Flask) -> None:
    with app.app_context():
        id_ = an_integration()
        with write() as session:
            for job, age in (("apps", 9), ("apps", 8), ("tagging", 9), ("apps", 0)):
                row = JobRun(
                    integration_id=id_, kind=job, state=OK, started_by="schedule", owner="w", fence=1
                )
                row.started_at = row.heartbeat_at = row.finished_at = NOON - age * DAY
                session.add(row)
        assert retention.forget_runs(NOON - 5 * DAY) == 2
        assert db.session.scalars(select(JobRun.kind).order_by(JobRun.id)).all() == ["tagging", "apps"]


@pytest.mark.usefixtures("context")
def test_what_waits_for_a_version_that_runs_nowhere_is_removed_from_the_queue(app: Flask) -> None:
    settings = app.extensions["harmony.settings"]
    if is_sqlite():  # whose queue is a file of one version at a time
        retention.sweep(NOON, settings)
        return
    queues = ("harmony 0.0.1", f"harmony {VERSION}")
    insert_message = "INSERT INTO huey_task (queue, data) VALUES (?, ?)"
    with write() as session:
        bulk.execute_many(session, insert_message, [(queue, b"x") for queue in queues])
        session.add(Worker(identity="old", version="0.0.1", started_at=NOON, seen_at=NOON))
        session.add(Worker(identity="new", version=VERSION, started_at=NOON, seen_at=NOON))
    retention.sweep(NOON, settings)
    assert waiting() == [*queues], "while a worker of that version runs"
    with write() as session:
        session.execute(delete(Worker).where(Worker.identity == "old"))
    retention.sweep(NOON, settings)
    assert waiting() == [queues[1]]


def waiting() -> list[str]:
    return [queue for (queue,) in bulk.fetch_all(db.session(), "SELECT queue FROM huey_task ORDER BY id")]
