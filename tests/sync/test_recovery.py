"""A clock that was set back, on each database (rung: shell); the arithmetic stands in test_timing."""

from __future__ import annotations

from datetime import timedelta

import pytest

from harmony.db import db, write
from harmony.jobs import device_sync, lease, recovery
from harmony.jobs import schedule as jobs_schedule
from harmony.jobs.kinds import JobKind
from harmony.jobs.outcome import Outcome
from harmony.models import Integration, JobRun, SyncRunState
from tests.builders import NOON, an_integration

pytestmark = pytest.mark.usefixtures("context")

ELSEWHERE = "another-host/boot/1:1:1"
HOUR = timedelta(hours=1)
JUMP = timedelta(days=400)


def the_integration(id_: int) -> Integration:
    return db.session.get_one(Integration, id_)


def ended(id_: int, state: SyncRunState, due_in: timedelta) -> None:
    """A run that ended so, and the next one that far away."""
    held = lease.claim(id_, JobKind.DEVICES, ELSEWHERE, NOON)
    assert held is not None
    with write() as session:
        run = session.get_one(JobRun, held.run_id)
        run.state, run.finished_at = state, NOON
        session.flush()
        device_sync.settle(session, held, Outcome(state), NOON)
        session.get_one(Integration, id_).sync_job.next_at = NOON + due_in


def test_a_clock_that_jumped_ahead_makes_everything_due_once_and_plans_from_there() -> None:
    id_ = an_integration(due=NOON + HOUR)
    later = NOON + JUMP
    assert recovery.mend(later) == 0
    assert list(lease.due_of(JobKind.DEVICES, later)) == [id_]
    held = lease.claim(id_, JobKind.DEVICES, "me", later)
    assert held is not None
    with write() as session:
        device_sync.settle(session, held, Outcome(SyncRunState.OK), later)
    due = the_integration(id_).sync_job.next_at
    assert due is not None
    assert later < due <= later + HOUR


def test_a_clock_that_jumped_back_does_not_silence_the_syncs() -> None:
    id_ = an_integration(due=NOON + HOUR, snapshots=1, refresh_at=NOON + timedelta(minutes=10))
    earlier = NOON - JUMP
    assert recovery.mend(earlier) == 1
    after = the_integration(id_)
    assert after.sync_job.next_at == jobs_schedule.next_point(id_, HOUR, earlier, earlier)
    assert after.sync_job.next_at <= earlier + HOUR
    assert after.sync_job.refresh_at == earlier + jobs_schedule.DELTA_EVERY
    assert recovery.mend(earlier) == 0


def test_a_lease_from_the_future_does_not_block_for_ever() -> None:
    id_ = an_integration()
    held = lease.claim(id_, JobKind.DEVICES, ELSEWHERE, NOON)
    assert held is not None
    earlier = NOON - JUMP
    recovery.mend(earlier)
    assert the_integration(id_).sync_job.lease_until == earlier + lease.LEASE
    assert recovery.reap(earlier) == 0
    assert recovery.reap(earlier + lease.LEASE) == 1
    assert db.session.get_one(JobRun, held.run_id).state == SyncRunState.ABORTED


def test_a_living_worker_keeps_its_run_when_the_clock_is_set_back() -> None:
    id_ = an_integration()
    held = lease.claim(id_, JobKind.DEVICES, ELSEWHERE, NOON)
    assert held is not None
    earlier = NOON - JUMP
    recovery.mend(earlier)
    with write() as session:
        lease.renew(session, held, earlier + timedelta(seconds=4))
    assert recovery.reap(earlier + lease.LEASE) == 0


@pytest.mark.parametrize(
    ("state", "failures", "hours", "pulled_in"),
    [
        (SyncRunState.OK, 0, 2, True),
        (SyncRunState.OK, 0, 1, False),
        (SyncRunState.INCOMPLETE, 0, 20, False),
        (SyncRunState.INCOMPLETE, 0, 25, True),
        (SyncRunState.FAILED, 8, 24, False),
        (SyncRunState.FAILED, 8, 30, True),
    ],
)
def test_waiting_for_quota_or_in_quarantine_is_no_clock_jump(
    state: SyncRunState, failures: int, hours: int, pulled_in: bool
) -> None:
    id_ = an_integration(failures=failures)
    ended(id_, state, hours * HOUR)
    assert recovery.mend(NOON) == pulled_in
    assert (the_integration(id_).sync_job.next_at != NOON + hours * HOUR) is pulled_in
