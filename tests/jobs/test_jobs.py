"""Claim, lease, settle and reap of jobs, on both databases (rung: shell)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from harmony.db import db, write
from harmony.jobs import control, lease, recovery
from harmony.jobs import schedule as jobs_schedule
from harmony.jobs.kinds import JobKind
from harmony.jobs.lease import LEASE, Lease, LeaseLost
from harmony.jobs.outcome import Outcome
from harmony.jobs.presence import identity
from harmony.models import IntegrationState, Job, JobRun, SyncRunState
from harmony.sync import lifecycle
from tests.builders import NOON, a_choice, an_integration, due_jobs

pytestmark = pytest.mark.usefixtures("context")

ELSEWHERE = "another-host/boot/1:1:1"
APPS, TAGGING = JobKind.APPS, JobKind.TAGGING
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
OK = Outcome(SyncRunState.OK)


def a_job(name: JobKind = TAGGING) -> int:
    id_ = an_integration()
    with write() as session:
        lease.make_due(session, id_, name, NOON)
    return id_


def the_job(id_: int, name: JobKind = TAGGING) -> Job:
    return db.session.get_one(Job, (id_, name))


def test_only_one_of_two_claims_wins_and_the_run_says_who_asked() -> None:
    id_ = a_job()
    lease.request(id_, TAGGING, "kim", NOON)
    held = lease.claim(id_, TAGGING, "first", NOON)
    assert held is not None
    assert db.session.get_one(JobRun, held.run_id).started_by == "kim"
    assert lease.claim(id_, TAGGING, "second", NOON) is None
    assert due_jobs(NOON) == []


def test_jobs_of_one_integration_are_independent() -> None:
    id_ = a_job(APPS)
    with write() as session:
        lease.make_due(session, id_, TAGGING, NOON)
    assert lease.claim(id_, APPS, "me", NOON) is not None
    assert due_jobs(NOON) == [(id_, TAGGING)]


def test_a_nudge_never_puts_off_what_is_due_sooner() -> None:
    id_ = a_job()
    with write() as session:
        lease.make_due(session, id_, TAGGING, NOON + MINUTE)
    assert the_job(id_).next_at == NOON


def test_what_is_asked_for_during_a_run_is_for_the_next_one() -> None:
    id_ = a_job()
    held = lease.claim(id_, TAGGING, "me", NOON)
    assert held is not None
    with write() as session:
        lease.make_due(session, id_, TAGGING, NOON + MINUTE, whole=True)
    with write() as session:
        lease.settle(session, held, OK, NOON + 9 * MINUTE, NOON, done_up_to=NOON)
    job = the_job(id_)
    assert (job.next_at, job.whole, job.done_up_to) == (NOON + MINUTE, True, NOON)


def test_a_run_that_failed_leaves_its_work_to_the_next() -> None:
    id_ = a_job()
    held = lease.claim(id_, TAGGING, "me", NOON)
    assert held is not None
    assert held.whole
    with write() as session:
        lease.settle(session, held, Outcome(SyncRunState.FAILED, "No."), NOON + MINUTE, NOON)
    assert the_job(id_).whole
    assert the_job(id_).failures == 1


def test_a_parked_job_waits_for_a_person() -> None:
    id_ = a_job()
    held = lease.claim(id_, TAGGING, "me", NOON)
    assert held is not None
    with write() as session:
        lease.park(session, held, "It may not.")
        lease.settle(session, held, Outcome(SyncRunState.FAILED, "It may not."), NOON, NOON)
    assert due_jobs(NOON + LEASE) == []
    assert lease.request(id_, TAGGING, "kim", NOON)
    assert due_jobs(NOON) == [(id_, TAGGING)]


def test_an_overtaken_worker_can_neither_renew_nor_settle() -> None:
    id_ = a_job()
    old = lease.claim(id_, TAGGING, ELSEWHERE, NOON)
    assert old is not None
    late = NOON + LEASE + MINUTE
    assert recovery.reap(late) == 1
    new = lease.claim(id_, TAGGING, identity(), late)
    assert new is not None
    with pytest.raises(LeaseLost), write() as session:
        lease.renew(session, old, late)
    with write() as session:
        lease.settle(session, old, OK, None, late, done_up_to=late)
    assert the_job(id_).lease_owner == identity()
    assert db.session.get_one(JobRun, old.run_id).state == SyncRunState.ABORTED


def test_nothing_is_due_or_asked_for_while_paused() -> None:
    id_ = an_integration(state=IntegrationState.PAUSED)
    with write() as session:
        lease.make_due(session, id_, TAGGING, NOON)
    assert due_jobs(NOON) == []
    assert not lease.request(id_, TAGGING, "kim", NOON)


def test_a_pause_takes_the_lease_away() -> None:
    id_ = a_job()
    held = lease.claim(id_, TAGGING, "me", NOON)
    assert held is not None
    with write() as session:
        session.get_one(lease.Integration, id_).state = IntegrationState.PAUSED
    with pytest.raises(LeaseLost), write() as session:
        lease.renew(session, held, NOON)


def under_way(id_: int) -> Lease:
    held = lease.claim(id_, TAGGING, identity(), NOON)
    assert held is not None
    return held


def the_run(held: Lease) -> JobRun:
    return db.session.get_one(JobRun, held.run_id)


def test_pause_closes_the_run_and_resume_makes_every_job_due() -> None:
    id_ = a_job()
    held = under_way(id_)
    with write() as session:
        lease.make_due(session, id_, APPS, NOON + 9 * MINUTE)
    assert lifecycle.pause(id_, "kim", NOON)
    assert (the_run(held).state, the_run(held).reason) == (SyncRunState.CANCELLED, "Paused by kim.")
    with pytest.raises(LeaseLost), write() as session:
        lease.renew(session, held, NOON)
    assert lifecycle.resume(id_, "kim", NOON + MINUTE)
    assert set(due_jobs(NOON + MINUTE)) == {(id_, APPS), (id_, TAGGING)}
    assert the_job(id_).whole, "what the run should have looked at is left to the next one"


@pytest.mark.parametrize("keep_devices", [True, False])
def test_remove_forgets_the_jobs_and_keeps_their_runs(keep_devices: bool) -> None:
    id_ = a_job()
    held = under_way(id_)
    lifecycle.remove(id_, "kim", NOON, keep_devices=keep_devices)
    assert db.session.get(Job, (id_, TAGGING)) is None
    assert the_run(held).reason == "Removed by kim."
    assert due_jobs(NOON + MINUTE) == []


def test_cancel_puts_it_off_to_its_usual_time() -> None:
    id_ = a_job(APPS)
    held = lease.claim(id_, APPS, identity(), NOON)
    assert held is not None
    assert control.cancel(id_, APPS, "kim", NOON)
    assert the_run(held).state == SyncRunState.CANCELLED
    following = the_job(id_, APPS).next_at
    assert following is not None
    assert NOON + 8 * HOUR <= following <= NOON + 36 * HOUR
    assert not control.cancel(id_, APPS, "kim", NOON)


def test_the_first_complete_sync_is_followed_by_an_app_sync_at_once() -> None:
    id_ = an_integration()
    with write() as session:
        integration = session.get_one(lease.Integration, id_)
        control.schedule(session, integration, APPS, NOON)
        control.after_sync(session, integration, False, NOON)
    assert (id_, APPS) not in due_jobs(NOON)
    with write() as session:
        integration = session.get_one(lease.Integration, id_)
        integration.snapshots = 1
        control.after_sync(session, integration, True, NOON)
    assert (id_, APPS) in due_jobs(NOON)
    with write() as session:
        integration = session.get_one(lease.Integration, id_)
        session.get_one(Job, (id_, APPS)).next_at = NOON + HOUR
        integration.snapshots = 2
        control.after_sync(session, integration, True, NOON)
    assert (id_, APPS) not in due_jobs(NOON)


def test_a_clock_that_was_set_back_puts_off_no_job() -> None:
    id_ = a_job()
    with write() as session:
        lease.make_due(session, id_, APPS, NOON + 40 * HOUR)
    assert recovery.mend(NOON) == 1
    assert due_jobs(NOON) == [(id_, TAGGING), (id_, APPS)]
    assert recovery.mend(NOON) == 0


def test_the_grid_of_the_app_sync_lies_apart_from_that_of_the_device_sync() -> None:
    ids = [an_integration(a_choice(app_interval=60)) for _ in range(5)]
    for integration in db.session.scalars(select(lease.Integration).where(lease.Integration.id.in_(ids))):
        devices = jobs_schedule.next_point(integration.id, HOUR, NOON - 9 * HOUR, NOON)
        apps = control.usual_time(integration, APPS, NOON - 9 * HOUR, NOON)
        assert abs(devices - apps) > MINUTE


def test_another_server_lets_every_job_wait_for_its_first_complete_sync_whoever_asks() -> None:
    id_ = a_job()
    held = under_way(id_)
    with write() as session:
        control.await_sync(session, id_, NOON)
    assert (the_run(held).state, the_run(held).reason) == (
        SyncRunState.CANCELLED,
        "Server Details were changed.",
    )
    assert not lease.request(id_, APPS, "kim", NOON)
    assert due_jobs(NOON) == []
    with write() as session:
        control.after_sync(session, session.get_one(lease.Integration, id_), True, NOON)
    assert set(due_jobs(NOON)) == {(id_, APPS), (id_, TAGGING)}


def test_a_nudge_does_not_hurry_a_job_whose_last_run_failed() -> None:
    id_ = a_job()
    held = lease.claim(id_, TAGGING, "me", NOON)
    assert held is not None
    with write() as session:
        lease.settle(session, held, Outcome(SyncRunState.FAILED, "No."), NOON + 30 * MINUTE, NOON)
        lease.make_due(session, id_, TAGGING, NOON + MINUTE)
    assert the_job(id_).next_at == NOON + 30 * MINUTE
    assert lease.request(id_, TAGGING, "kim", NOON), "a person is not put off"
    assert the_job(id_).next_at == NOON


def test_with_another_server_nobody_tags_before_a_complete_sync() -> None:
    id_ = a_job()
    with write() as session:
        control.await_sync(session, id_, NOON)
    assert not lease.request(id_, TAGGING, "kim", NOON)
    for complete in (False, True):
        assert due_jobs(NOON) == []
        with write() as session:
            control.after_sync(session, session.get_one(lease.Integration, id_), complete, NOON)
    assert (id_, TAGGING) in due_jobs(NOON)
    assert the_job(id_).whole


def moved() -> int:
    """An integration whose Server Details lead to another UEM, with a job that is due."""
    id_ = a_job()
    with write() as session:
        control.await_sync(session, id_, NOON)
    return id_


def pressed(id_: int, button: str) -> None:
    """Whatever a person or the set-up can do that makes jobs due."""
    if button == "pause and resume":
        assert lifecycle.pause(id_, "kim", NOON)
        assert lifecycle.resume(id_, "kim", NOON)
    elif button in {"Push tags now", "Sync apps now", "Read back"}:
        name = APPS if button == "Sync apps now" else TAGGING
        assert not lease.request(id_, name, "kim", NOON, whole=button == "Read back")
    else:
        with write() as session:
            integration = session.get_one(lease.Integration, id_)
            {
                "saved again": lambda: control.wake(session, id_, NOON),
                "tags taken off": lambda: control.restart(session, id_, TAGGING, NOON),
                "refresh": lambda: control.after_sync(session, integration, False, NOON),
                "old settings": lambda: control.after_sync(
                    session, integration, True, NOON, version=integration.version - 1
                ),
                "registration": lambda: lease.make_due(session, id_, TAGGING, NOON, whole=True),
            }[button]()


BUTTONS = [
    "pause and resume", "Push tags now", "Sync apps now", "Read back", "saved again", "tags taken off",
    "refresh", "old settings", "registration",
]  # fmt: skip


@pytest.mark.parametrize("button", BUTTONS)
def test_ids_of_a_former_uem_are_worthless_until_a_complete_sync_whatever_is_pressed(button: str) -> None:
    id_ = moved()
    pressed(id_, button)
    later = NOON + 48 * HOUR
    assert due_jobs(later) == []
    assert [lease.claim(id_, name, "me", later) for name in (APPS, TAGGING)] == [None, None]
    with write() as session:
        integration = session.get_one(lease.Integration, id_)
        control.after_sync(session, integration, True, NOON, version=integration.version)
    assert (id_, TAGGING) in due_jobs(NOON)


def test_no_refresh_runs_before_the_first_complete_sync_of_another_uem() -> None:
    id_ = moved()
    with write() as session:
        integration = session.get_one(lease.Integration, id_)
        integration.snapshots, integration.sync_job.next_at, integration.sync_job.refresh_at = 5, None, NOON
    assert lease.claim(id_, JobKind.DEVICES, "me", NOON) is None
