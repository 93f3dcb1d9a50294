"""Pause, resume, cancel, probe and remove on each database (rung: shell)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from harmony.db import db, write
from harmony.jobs import control, device_sync, lease, recovery
from harmony.jobs import schedule as jobs_schedule
from harmony.jobs.kinds import JobKind
from harmony.jobs.lease import Lease
from harmony.jobs.outcome import Outcome
from harmony.models import (
    AuditEntry,
    Hold,
    HoldState,
    Integration,
    IntegrationState,
    JobRun,
    KnownGroup,
    SetupPage,
    SyncRunState,
    Verification,
)
from harmony.models.configuration import Synchronization
from harmony.sync import integration_removal, lifecycle
from tests.builders import NOON, an_integration
from tests.sync.stored import all_of, store_devices

pytestmark = pytest.mark.usefixtures("context")

HOUR = timedelta(hours=1)


def the_integration(id_: int) -> Integration:
    return db.session.get_one(Integration, id_)


def started(id_: int) -> Lease:
    held = lease.claim(id_, JobKind.DEVICES, "worker", NOON)
    assert held is not None
    return held


def audited() -> list[tuple[str, str]]:
    return [(one.who, one.what) for one in db.session.scalars(select(AuditEntry).order_by(AuditEntry.id))]


def is_powerless(held: Lease) -> bool:
    """Whether its worker can neither write nor settle any more."""
    with pytest.raises(lease.LeaseLost), write() as session:
        lease.renew(session, held, NOON)
    known = db.session.get(Integration, held.integration_id)
    before = known.sync_job.next_at if known else None
    with write() as session:
        device_sync.settle(session, held, Outcome(SyncRunState.OK, complete=True), NOON + 9 * HOUR)
    after = db.session.get(Integration, held.integration_id)
    return after is None or (after.sync_job.next_at, after.snapshots) == (before, 0)


def test_cancel_ends_the_run_at_once_and_the_next_one_comes_at_its_usual_time() -> None:
    id_ = an_integration()
    store_devices(id_, 3)
    held = started(id_)
    assert control.cancel(id_, JobKind.DEVICES, "kim", NOON)
    run = db.session.get_one(JobRun, held.run_id)
    assert (run.state, run.reason, run.finished_at) == (SyncRunState.CANCELLED, "Cancelled by kim.", NOON)
    assert the_integration(id_).sync_job.next_at == jobs_schedule.next_point(id_, HOUR, NOON, NOON)
    assert is_powerless(held)
    assert len(all_of(id_)) == 3
    assert recovery.reap(NOON + HOUR) == 0
    assert audited() == [("kim", "Cancelled the sync")]


def test_cancel_without_a_run_says_so_and_changes_nothing() -> None:
    id_ = an_integration()
    assert not control.cancel(id_, JobKind.DEVICES, "kim", NOON)
    assert not control.cancel(id_ + 1, JobKind.DEVICES, "kim", NOON)
    assert list(lease.due_of(JobKind.DEVICES, NOON)) == [id_]
    assert audited() == []


def test_cancelling_a_delta_moves_no_snapshot_and_forgets_no_wish_for_one() -> None:
    id_ = an_integration(due=NOON + HOUR, snapshots=1, refresh_at=NOON)
    started(id_)
    assert lease.request(id_, JobKind.DEVICES, "lee", NOON)
    assert control.cancel(id_, JobKind.DEVICES, "kim", NOON)
    assert list(lease.due_of(JobKind.DEVICES, NOON)) == [id_]


def test_pausing_during_a_run_closes_it_and_resuming_is_due_at_once() -> None:
    id_ = an_integration()
    held = started(id_)
    assert lifecycle.pause(id_, "kim", NOON)
    run = db.session.get_one(JobRun, held.run_id)
    assert (run.state, run.reason) == (SyncRunState.CANCELLED, "Paused by kim.")
    assert is_powerless(held)
    assert the_integration(id_).sync_job.lease_owner is None
    assert lifecycle.resume(id_, "lee", NOON)
    assert list(lease.due_of(JobKind.DEVICES, NOON)) == [id_]
    assert the_integration(id_).sync_job.requested_by == "lee", "the run says who started it"
    assert audited() == [("kim", "Paused"), ("lee", "Resumed")]


def test_sync_now_is_written_down_with_who_asked() -> None:
    assert lease.request(an_integration(), JobKind.DEVICES, "kim", NOON)
    assert audited() == [("kim", "Asked for a sync")]


def test_a_verify_that_passed_ends_the_wait_of_quarantine_only() -> None:
    quarantined = an_integration(due=NOON + 24 * HOUR, failures=8)
    healthy = an_integration(due=NOON + HOUR)
    paused = an_integration(due=None, state=IntegrationState.PAUSED, failures=8)
    for id_ in (quarantined, healthy, paused):
        lifecycle.probe(id_, NOON)
    assert list(lease.due_of(JobKind.DEVICES, NOON)) == [quarantined]
    assert the_integration(quarantined).sync_job.failures == 8


def test_removing_with_the_devices_kept_leaves_the_devices_and_no_way_to_the_uem() -> None:
    id_ = an_integration(suspect="edited", failures=7)
    store_devices(id_, 3)
    held = started(id_)
    with write() as session:
        session.add(
            Hold(integration_id=id_, created_at=NOON, up_to=1, devices=1, live=3, digest="d", reasons=[])
        )
        session.add(KnownGroup(integration_id=id_, kind="organization", external_id="570", name="A", type=""))
    lifecycle.remove(id_, "kim", NOON, keep_devices=True)
    after = the_integration(id_)
    assert after.state == IntegrationState.REMOVED
    assert (after.sync_job.next_at, after.sync_job.refresh_at, after.suspect, after.sync_job.failures) == (
        None,
        None,
        None,
        0,
    )
    for table in (SetupPage, Verification, KnownGroup):
        assert db.session.scalar(select(func.count()).select_from(table)) == 0
    assert db.session.scalars(select(Hold.state)).all() == [HoldState.CLEARED]
    assert db.session.get_one(JobRun, held.run_id).reason == "Removed by kim."
    assert is_powerless(held)
    assert len(all_of(id_)) == 3
    assert list(integration_removal.pending(NOON)) == []
    assert not lease.request(id_, JobKind.DEVICES, "kim", NOON)
    assert not lifecycle.resume(id_, "kim", NOON)
    assert audited() == [("kim", "Removed, devices kept")]


def test_what_was_to_be_purged_is_purged_before_the_page_that_says_so_goes() -> None:
    id_ = an_integration(Synchronization(import_name=False), redact_pending=True)
    store_devices(id_, 2)
    lifecycle.remove(id_, "kim", NOON, keep_devices=True)
    assert [one.name for one in all_of(id_)] == ["", ""]
    assert not the_integration(id_).redact_pending


def test_removing_during_a_run_leaves_nothing_and_the_late_worker_finds_its_fence_gone() -> None:
    id_ = an_integration()
    store_devices(id_, 3)
    held = started(id_)
    lifecycle.remove(id_, "kim", NOON, keep_devices=False)
    assert is_powerless(held)
    integration_removal.carry_out(id_)
    assert is_powerless(held)
    for table in (Integration, JobRun, SetupPage):
        assert db.session.scalars(select(table)).all() == []
    assert all_of(id_) == []
    assert audited() == [("kim", "Removed with its devices")]


def test_a_draft_is_gone_at_once() -> None:
    id_ = an_integration(state=IntegrationState.DRAFT)
    lifecycle.remove(id_, "kim", NOON, keep_devices=False)
    assert db.session.get(Integration, id_) is None
    assert audited() == [("kim", "Discarded the draft")]


def test_what_was_kept_can_be_deleted_later() -> None:
    id_ = an_integration()
    store_devices(id_, 2)
    lifecycle.remove(id_, "kim", NOON, keep_devices=True)
    lifecycle.remove(id_, "kim", NOON, keep_devices=False)
    integration_removal.carry_out(id_)
    assert all_of(id_) == []
    assert db.session.get(Integration, id_) is None
