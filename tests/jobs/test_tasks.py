"""The tasks through `call_local` and the queue's file (rung: shell); kill -9 stands in tests/processes."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from harmony.clock import now
from harmony.db import db, write
from harmony.jobs import lease
from harmony.jobs.kinds import JobKind
from harmony.jobs.presence import identity
from harmony.jobs.queue import TASKS, enqueue, queue_of
from harmony.models import (
    Integration,
    IntegrationState,
    JobRun,
    PolicyRecord,
    SyncRunState,
    Worker,
)
from harmony.protection import policy, policy_rollout
from harmony.worker import tasks
from harmony.worker.process import record_heartbeat
from tests.builders import NOON, an_integration
from tests.database import on_both
from tests.protect.stored import open_codes, registered

database = on_both


def test_a_tick_closes_the_runs_of_dead_workers_and_rings_for_what_is_due(context: Flask) -> None:
    an_integration()
    dead = an_integration()
    held = lease.claim(dead, JobKind.DEVICES, "elsewhere/x:1:1", NOON)
    assert held is not None
    tasks.tick()
    assert db.session.get_one(JobRun, held.run_id).state == SyncRunState.ABORTED
    assert queue_of(context).pending_count() == 2


def test_the_worker_rings_for_jobs_between_two_ticks_once_their_time_has_come(context: Flask) -> None:
    id_ = an_integration(due=None)
    with write() as session:
        lease.make_due(session, id_, JobKind.TAGGING, now() + timedelta(seconds=20))
    tasks.enqueue_due_jobs()
    assert queue_of(context).pending_count() == 0
    with write() as session:
        lease.make_due(session, id_, JobKind.TAGGING, now())
    tasks.enqueue_due_jobs()
    assert queue_of(context).pending_count() == 1


def test_a_tick_finishes_what_was_begun_removals_and_purges(context: Flask) -> None:
    removed = an_integration(state=IntegrationState.REMOVING, due=None)
    pending = an_integration(redact_pending=True, due=None)
    tasks.tick()
    assert not db.session.get_one(Integration, pending).redact_pending
    assert queue_of(context).pending_count() == 1
    db.session.rollback()
    queue = queue_of(context)
    queue.execute(queue.dequeue())
    assert db.session.get(Integration, removed) is None


def test_a_tick_goes_on_with_a_rating_that_was_cut_off_and_sweeps_the_devices(context: Flask) -> None:
    (device,) = registered(an_integration(due=None), contact=now() - timedelta(days=8))
    policy.save(PolicyRecord(inactive_days=9), 0, "kim", now())
    tasks.tick()
    assert open_codes(device) == {"DEVICE_SILENT": 0}
    queue = queue_of(context)
    assert queue.pending_count() == 1
    queue.execute(queue.dequeue())
    db.session.rollback()
    assert not policy_rollout.pending()
    tasks.tick()
    assert queue.pending_count() == 0


def test_a_sync_that_was_asked_for_during_another_is_rung_for_at_once(
    context: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    id_ = an_integration(due=now() + timedelta(hours=1))
    monkeypatch.setitem(tasks.RUNNERS, JobKind.DEVICES, lambda *_: None)
    tasks.run_job(JobKind.DEVICES, id_)
    assert queue_of(context).pending_count() == 0
    lease.request(id_, JobKind.DEVICES, "kim", now())
    tasks.run_job(JobKind.DEVICES, id_)
    assert queue_of(context).pending_count() == 1


def test_a_ring_reaches_the_task_with_its_id(context: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setitem(tasks.RUNNERS, JobKind.DEVICES, lambda id_, _stop: asked.append(id_))
    enqueue(JobKind.DEVICES, 7)
    queue = queue_of(context)
    queue.execute(queue.dequeue())
    assert asked == [7]


def test_a_forged_message_is_not_opened(context: Flask) -> None:
    queue = queue_of(context)
    enqueue(JobKind.DEVICES, 7)
    (genuine,) = queue.storage.enqueued_items()
    queue.storage.flush_queue()
    queue.storage.enqueue(genuine[:-1] + bytes([genuine[-1] ^ 1]))
    with pytest.raises(ValueError, match=r"[Ss]ignature"):
        queue.dequeue()


def test_a_bell_that_is_broken_breaks_no_page(context: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_ids: int) -> None:
        raise OSError("disk full")

    monkeypatch.setitem(context.extensions[TASKS], JobKind.DEVICES, broken)
    enqueue(JobKind.DEVICES, 7)


def test_a_sign_of_life_is_one_row_a_process(context: Flask) -> None:
    record_heartbeat()
    first = db.session.scalars(select(Worker)).one().started_at
    record_heartbeat()
    worker = db.session.scalars(select(Worker)).one()
    assert (worker.identity, worker.started_at) == (identity(), first)
    assert worker.seen_at > first
