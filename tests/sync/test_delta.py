"""Deltas between full snapshots (rung R: a UEM in memory, both databases)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from harmony.clock import now
from harmony.db import db, write
from harmony.jobs import lease
from harmony.jobs.kinds import JobKind
from harmony.models import Device, Integration, JobRun, SyncKind, SyncRunState
from harmony.sync import job as sync_job
from harmony.uem.errors import ServerFailed
from tests.builders import FakeUem, an_integration, devices
from tests.stored import last_sync

pytestmark = pytest.mark.usefixtures("context")


def a_snapshot(uem: FakeUem) -> int:
    """An integration that has synced once; what it read is as fresh as now."""
    id_ = an_integration(due=None)
    lease.request(id_, JobKind.DEVICES, "test", now())
    sync_job.sync(id_, opener=lambda *_: uem)
    return id_


def delta(integration_id: int, uem: FakeUem) -> JobRun:
    """Make a delta due and run it."""
    with write() as session:
        integration = session.get_one(Integration, integration_id)
        integration.sync_job.next_at, integration.sync_job.refresh_at = now() + timedelta(hours=1), now()
    sync_job.sync(integration_id, opener=lambda *_: uem)
    db.session.rollback()
    return last_sync()


def test_a_delta_reads_only_what_was_in_contact_and_counts_nothing_missing() -> None:
    id_ = a_snapshot(FakeUem({"570": devices(1, 2, 3)}))
    lately = now()
    uem = FakeUem({"570": [*devices(1, os_version="16", last_seen=lately), *devices(4, last_seen=lately)]})
    done = delta(id_, uem)
    assert (done.sync_kind, done.state) == (SyncKind.DELTA, SyncRunState.OK)
    assert (
        done.count("added"),
        done.count("updated"),
        done.count("unchanged"),
        done.count("missing"),
        done.count("devices_read"),
    ) == (1, 1, 0, 0, 2)
    missing = select(Device.external_id).where(Device.absent_from.is_not(None))
    assert db.session.scalars(missing).all() == []


def test_a_delta_asks_for_a_little_more_than_what_moved_since_the_last_read() -> None:
    id_ = a_snapshot(FakeUem({"570": devices(1)}))
    fresh = db.session.get_one(Integration, id_).fresh_as_of
    assert fresh is not None
    moved = [
        *devices(1, last_seen=fresh - timedelta(minutes=9)),
        *devices(2, last_seen=fresh - timedelta(minutes=11)),
    ]
    assert delta(id_, FakeUem({"570": moved})).count("devices_read") == 1


def test_a_delta_is_no_snapshot_and_moves_no_full_sync() -> None:
    id_ = a_snapshot(FakeUem({"570": devices(1)}))
    before = db.session.get_one(Integration, id_).snapshots
    delta(id_, FakeUem({"570": []}))
    integration = db.session.get_one(Integration, id_)
    assert integration.snapshots == before
    assert integration.sync_job.next_at is not None
    assert integration.sync_job.next_at > now() + timedelta(minutes=50)


def test_a_delta_that_fails_leaves_everything_as_it_is() -> None:
    id_ = a_snapshot(FakeUem({"570": devices(1)}))
    done = delta(id_, FakeUem({"570": devices(1)}, error=ServerFailed("The server answered 500.")))
    assert done.state == SyncRunState.FAILED
    assert db.session.get_one(Integration, id_).sync_job.failures == 0
