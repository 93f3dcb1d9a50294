"""The tasks through `call_local` and the queue's file (rung: shell); kill -9 stands in tests/processes."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import select

from harmony.db import db
from harmony.jobs import tasks
from harmony.jobs.queue import RINGS, queue_of, ring
from harmony.jobs.worker import sign_of_life
from harmony.models import SyncRun, SyncRunState, Worker
from harmony.sync import run, schedule
from harmony.sync.identity import identity
from tests.builders import NOON, an_integration


def test_a_tick_closes_the_runs_of_dead_workers_and_rings_for_what_is_due(context: Flask) -> None:
    an_integration()
    dead = an_integration()
    held = schedule.claim(dead, "elsewhere/x:1:1", NOON)
    assert held is not None
    tasks.tick()
    assert db.session.get_one(SyncRun, held.run_id).state == SyncRunState.ABORTED
    assert queue_of(context).pending_count() == 2


def test_a_ring_reaches_the_task_with_its_id(context: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(run, "sync", lambda id_, _stop: asked.append(id_))
    ring(tasks.SYNC, 7)
    queue = queue_of(context)
    queue.execute(queue.dequeue())
    assert asked == [7]


def test_a_forged_message_is_not_opened(context: Flask) -> None:
    queue = queue_of(context)
    ring(tasks.SYNC, 7)
    (genuine,) = queue.storage.enqueued_items()
    queue.storage.flush_queue()
    queue.storage.enqueue(genuine[:-1] + bytes([genuine[-1] ^ 1]))
    with pytest.raises(ValueError, match=r"[Ss]ignature"):
        queue.dequeue()


def test_a_bell_that_is_broken_breaks_no_page(context: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_ids: int) -> None:
        raise OSError("disk full")

    monkeypatch.setitem(context.extensions[RINGS], tasks.SYNC, broken)
    ring(tasks.SYNC, 7)


def test_a_sign_of_life_is_one_row_a_process(context: Flask) -> None:
    sign_of_life()
    first = db.session.scalars(select(Worker)).one().started_at
    sign_of_life()
    worker = db.session.scalars(select(Worker)).one()
    assert (worker.identity, worker.started_at) == (identity(), first)
    assert worker.seen_at > first
