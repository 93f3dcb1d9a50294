"""Due, claim, lease, reap on a file SQLite (rung: shell); exclusivity is proven in tests/processes."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from harmony.db import db, write
from harmony.jobs import device_sync, lease, recovery
from harmony.jobs import schedule as jobs_schedule
from harmony.jobs.kinds import JobKind
from harmony.jobs.outcome import Outcome
from harmony.jobs.presence import identity, is_gone
from harmony.models import Absence, Integration, IntegrationState, JobRun, StopReason, SyncKind, SyncRunState
from harmony.models.configuration import Synchronization
from harmony.sync import lifecycle
from tests.builders import NOON, a_choice, an_integration

pytestmark = pytest.mark.usefixtures("context")

ELSEWHERE = "another-host/boot/1:1:1"
HOUR = timedelta(hours=1)
DONE = Outcome(SyncRunState.OK)


def the_run(run_id: int) -> JobRun:
    return db.session.get_one(JobRun, run_id)


def the_integration(id_: int) -> Integration:
    return db.session.get_one(Integration, id_)


def test_what_is_due_is_active_and_its_time_has_come() -> None:
    due = an_integration()
    an_integration(due=NOON + HOUR)
    an_integration(state=IntegrationState.PAUSED)
    an_integration(state=IntegrationState.DRAFT)
    an_integration(due=None)
    assert list(lease.due_of(JobKind.DEVICES, NOON)) == [due]


def test_only_one_of_two_claims_wins() -> None:
    id_ = an_integration()
    assert lease.claim(id_, JobKind.DEVICES, "first", NOON) is not None
    assert lease.claim(id_, JobKind.DEVICES, "second", NOON) is None
    assert list(lease.due_of(JobKind.DEVICES, NOON)) == []


def test_a_claim_opens_a_run_that_says_who_asked_for_it() -> None:
    id_ = an_integration(due=NOON + HOUR)
    assert lease.request(id_, JobKind.DEVICES, "kim", NOON)
    held = lease.claim(id_, JobKind.DEVICES, "me", NOON)
    assert held is not None
    assert the_run(held.run_id).started_by == "kim"
    assert the_integration(id_).sync_job.requested_at is None


def test_sync_now_is_refused_while_paused() -> None:
    id_ = an_integration(state=IntegrationState.PAUSED)
    assert not lease.request(id_, JobKind.DEVICES, "kim", NOON)


def test_a_renewed_lease_keeps_the_run_alive() -> None:
    held = lease.claim(an_integration(), JobKind.DEVICES, ELSEWHERE, NOON)
    assert held is not None
    with write() as session:
        lease.renew(session, held, NOON + lease.LEASE)
    assert recovery.reap(NOON + lease.LEASE) == 0


def test_a_run_whose_lease_ended_is_aborted_and_due_again_at_once() -> None:
    id_ = an_integration()
    held = lease.claim(id_, JobKind.DEVICES, ELSEWHERE, NOON)
    assert held is not None
    later = NOON + lease.LEASE
    assert recovery.reap(later - timedelta(seconds=1)) == 0
    assert recovery.reap(later) == 1
    assert the_run(held.run_id).state == SyncRunState.ABORTED
    assert the_run(held.run_id).reason == recovery.SILENT
    assert list(lease.due_of(JobKind.DEVICES, later)) == [id_]


def test_a_run_of_a_process_that_is_gone_is_aborted_without_waiting_for_its_lease() -> None:
    place, _pid, _start = identity().rsplit(":", 2)
    held = lease.claim(an_integration(), JobKind.DEVICES, f"{place}:999999999:1", NOON)
    assert held is not None
    assert recovery.reap(NOON) == 1


def test_a_run_of_this_living_process_is_left_alone() -> None:
    assert lease.claim(an_integration(), JobKind.DEVICES, identity(), NOON) is not None
    assert recovery.reap(NOON) == 0


def test_a_worker_that_dies_again_and_again_is_given_longer_and_longer_rests() -> None:
    id_ = an_integration()
    moment, waits = NOON, []
    for _ in range(4):
        assert lease.claim(id_, JobKind.DEVICES, ELSEWHERE, moment) is not None
        moment += lease.LEASE
        recovery.reap(moment)
        due = the_integration(id_).sync_job.next_at
        assert due is not None
        waits.append((due - moment).total_seconds())
        moment = due
    assert waits == [0, 120, 240, 480]


def test_a_worker_that_slept_past_its_lease_can_neither_write_nor_finish() -> None:
    id_ = an_integration()
    old = lease.claim(id_, JobKind.DEVICES, ELSEWHERE, NOON)
    later = NOON + lease.LEASE
    recovery.reap(later)
    new = lease.claim(id_, JobKind.DEVICES, "fresh", later)
    assert old is not None
    assert new is not None
    with pytest.raises(lease.LeaseLost), write() as session:
        lease.renew(session, old, later)
    with write() as session:
        device_sync.settle(session, old, DONE, later)
    assert the_integration(id_).sync_job.lease_owner == "fresh"


def settled(id_: int, outcome: Outcome = DONE, at: datetime = NOON, **columns: object) -> Integration:
    """The integration after a run that began and ended at that moment and left these columns in its row."""
    held = lease.claim(id_, JobKind.DEVICES, "me", at)
    assert held is not None
    with write() as session:
        for name, value in columns.items():
            setattr(session.get_one(JobRun, held.run_id), name, value)
        session.flush()
        device_sync.settle(session, held, outcome, at)
    return the_integration(id_)


def test_settling_gives_the_integration_back_and_plans_the_next_sync_on_its_own_grid() -> None:
    after = settled(an_integration())
    assert after.sync_job.lease_until is None
    assert after.sync_job.next_at is not None
    assert after.sync_job.next_at == jobs_schedule.next_point(after.id, HOUR, NOON, NOON)
    again = settled(after.id, at=after.sync_job.next_at)
    assert again.sync_job.next_at is not None
    assert (again.sync_job.next_at - NOON) > HOUR
    assert again.sync_job.next_at == jobs_schedule.next_point(
        after.id, HOUR, NOON, again.sync_job.next_at - HOUR
    )


def test_integrations_that_were_synced_together_do_not_start_together_again() -> None:
    due = {settled(an_integration()).sync_job.next_at for _ in range(5)}
    assert len(due) == 5


def test_a_complete_snapshot_counts_and_takes_the_suspicion_away() -> None:
    id_ = an_integration(suspect=Absence.EDITED)
    assert settled(id_, DONE).snapshots == 0
    after = settled(id_, Outcome(SyncRunState.HELD, complete=True), LATER)
    assert (after.snapshots, after.suspect) == (1, None)


def test_an_edit_during_a_run_leaves_the_next_snapshot_under_suspicion() -> None:
    id_ = an_integration()
    held = lease.claim(id_, JobKind.DEVICES, "me", NOON)
    assert held is not None
    with write() as session:
        integration = session.get_one(Integration, id_)
        integration.version, integration.suspect = integration.version + 1, Absence.EDITED
    with write() as session:
        device_sync.settle(session, held, Outcome(SyncRunState.OK, complete=True), NOON)
    assert (the_integration(id_).snapshots, the_integration(id_).suspect) == (1, Absence.EDITED)


@pytest.mark.parametrize("state", [state for state in SyncRunState if state is not SyncRunState.RUNNING])
def test_only_a_run_that_read_everything_makes_the_devices_fresh_and_only_a_failed_one_counts(
    state: SyncRunState,
) -> None:
    after = settled(an_integration(failures=4), Outcome(state))
    good, failed = state in {"ok", "warning", "held"}, state in {"failed", "auth_failed"}
    assert after.fresh_as_of == (NOON if good else None)
    assert after.sync_job.failures == (0 if good else 5 if failed else 4)
    assert after.sync_job.quarantined is failed


def test_five_failures_in_a_row_double_the_interval_and_one_good_run_ends_it() -> None:
    id_, moment, waits = an_integration(), NOON, []
    for _ in range(8):
        due = settled(id_, Outcome(SyncRunState.FAILED), moment).sync_job.next_at
        assert due is not None
        waits.append((due - moment) / HOUR)
        moment = due
    assert all(wait <= 1 for wait in waits[:4])
    assert waits[4:] == [2, 4, 8, 16]
    recovered = settled(id_, DONE, moment)
    assert recovered.sync_job.next_at is not None
    assert recovered.sync_job.next_at - moment <= HOUR


def test_sync_now_does_not_wait_for_quarantine_to_end() -> None:
    id_ = an_integration(due=NOON + 24 * HOUR, failures=9)
    assert list(lease.due_of(JobKind.DEVICES, NOON)) == []
    assert lease.request(id_, JobKind.DEVICES, "kim", NOON)
    assert list(lease.due_of(JobKind.DEVICES, NOON)) == [id_]


def test_a_quota_that_is_used_up_is_waited_for_but_never_longer_than_a_day() -> None:
    for wait, expected in ((5, 5), (400 * 24, 24)):
        after = settled(an_integration(), Outcome(SyncRunState.INCOMPLETE, not_before=NOON + wait * HOUR))
        assert after.sync_job.next_at == NOON + expected * HOUR


LATER = NOON + 2 * HOUR
SOON = NOON + jobs_schedule.DELTA_EVERY


def between_syncs(**changes: object) -> int:
    """An integration whose next full sync is an hour away and whose devices may be refreshed now."""
    values: dict[str, object] = {"due": NOON + HOUR, "snapshots": 3, "refresh_at": NOON}
    return an_integration(**(values | changes))  # type: ignore[arg-type]


def test_a_delta_runs_between_two_snapshots_and_moves_none_of_them() -> None:
    id_ = between_syncs(failures=2, suspect=Absence.EDITED)
    assert list(lease.due_of(JobKind.DEVICES, NOON)) == [id_]
    held = lease.claim(id_, JobKind.DEVICES, "me", NOON)
    assert held is not None
    assert (held.whole, the_run(held.run_id).sync_kind) == (False, SyncKind.DELTA)
    assert the_run(held.run_id).started_by == "schedule"
    with write() as session:
        device_sync.settle(session, held, Outcome(SyncRunState.OK, complete=True), NOON)
    after = the_integration(id_)
    assert (after.sync_job.next_at, after.snapshots, after.sync_job.failures) == (NOON + HOUR, 3, 2)
    assert (after.suspect, after.fresh_as_of) == (Absence.EDITED, NOON)


def test_a_failed_delta_waits_for_the_next_and_counts_for_nothing() -> None:
    after = settled(between_syncs(), Outcome(SyncRunState.FAILED))
    assert (after.sync_job.next_at, after.sync_job.failures) == (NOON + HOUR, 0)
    assert (after.sync_job.refresh_at, after.fresh_as_of) == (SOON, None)


def test_a_delta_whose_password_was_refused_stops_the_integration_like_any_run() -> None:
    after = settled(
        between_syncs(), Outcome(SyncRunState.AUTH_FAILED, "No.", "Mend it.", stop=StopReason.SIGN_IN)
    )
    assert after.stopped_why == StopReason.SIGN_IN
    assert list(lease.due_of(JobKind.DEVICES, LATER)) == []


def test_there_is_no_delta_before_the_first_snapshot_and_none_instead_of_a_snapshot() -> None:
    between_syncs(snapshots=0)
    both = between_syncs(due=NOON)
    assert list(lease.due_of(JobKind.DEVICES, NOON)) == [both]
    held = lease.claim(both, JobKind.DEVICES, "me", NOON)
    assert held is not None
    assert held.whole


def test_sync_now_means_a_snapshot_even_while_a_delta_is_due() -> None:
    id_ = between_syncs()
    assert lease.request(id_, JobKind.DEVICES, "kim", NOON)
    held = lease.claim(id_, JobKind.DEVICES, "me", NOON)
    assert held is not None
    assert held.whole


@pytest.mark.parametrize(
    ("choice", "columns", "outcome", "planned"),
    [
        (a_choice(), {}, DONE, True),
        (a_choice(delta=False), {}, DONE, False),
        (a_choice(device_interval=10), {}, DONE, False),
        (a_choice(), {"quota_left": 199, "quota_limit": 1000}, DONE, False),
        (a_choice(), {"quota_left": 200, "quota_limit": 1000}, DONE, True),
        (a_choice(), {}, Outcome(SyncRunState.FAILED), False),
    ],
)
def test_a_delta_is_planned_after_a_snapshot_where_it_makes_sense(
    choice: Synchronization, columns: dict[str, object], outcome: Outcome, planned: bool
) -> None:
    after = settled(an_integration(choice, snapshots=1), outcome, **columns)
    assert after.sync_job.refresh_at == (SOON if planned else None)


def test_the_last_known_quota_decides_when_a_run_was_told_none() -> None:
    id_ = an_integration(snapshots=1)
    settled(id_, quota_left=1, quota_limit=1000)
    assert settled(id_, at=LATER).sync_job.refresh_at is None


def test_a_delta_whose_worker_died_is_closed_and_no_snapshot_is_moved() -> None:
    id_ = between_syncs()
    held = lease.claim(id_, JobKind.DEVICES, ELSEWHERE, NOON)
    assert held is not None
    dead = NOON + lease.LEASE
    assert recovery.reap(dead) == 1
    assert the_integration(id_).sync_job.next_at == NOON + HOUR
    assert the_integration(id_).sync_job.refresh_at == dead + jobs_schedule.DELTA_EVERY


def test_nothing_starts_while_personal_data_is_still_to_be_purged() -> None:
    id_ = an_integration(redact_pending=True)
    assert list(lease.due_of(JobKind.DEVICES, NOON)) == []
    assert lease.claim(id_, JobKind.DEVICES, "me", NOON) is None


def test_sync_now_during_a_run_is_kept_for_after_it() -> None:
    id_ = an_integration()
    held = lease.claim(id_, JobKind.DEVICES, "me", NOON)
    assert held is not None
    assert lease.request(id_, JobKind.DEVICES, "kim", NOON)
    with write() as session:
        device_sync.settle(session, held, DONE, NOON)
    assert list(lease.due_of(JobKind.DEVICES, NOON)) == [id_]


def test_pausing_takes_the_lease_from_a_running_sync_and_resuming_makes_it_due() -> None:
    id_ = an_integration()
    held = lease.claim(id_, JobKind.DEVICES, "me", NOON)
    assert held is not None
    assert lifecycle.pause(id_, "kim", NOON)
    assert not lifecycle.pause(id_, "kim", NOON)
    with pytest.raises(lease.LeaseLost), write() as session:
        lease.renew(session, held, NOON)
    assert lifecycle.resume(id_, "kim", NOON)
    assert the_integration(id_).sync_job.next_at == NOON


def test_a_process_is_gone_only_when_that_is_certain() -> None:
    place, pid, start = identity().rsplit(":", 2)
    assert not is_gone(identity())
    assert is_gone(f"{place}:{pid}:{int(start) - 1}")
    assert is_gone(f"{place}:999999999:{start}")
    assert not is_gone("another-host/boot/1:999999999:1")
    assert not is_gone("nonsense")
