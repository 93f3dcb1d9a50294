"""Due, claim, lease, reap on a file SQLite (rung: shell); exclusivity is proven in tests/processes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from harmony.db import db, write
from harmony.models import Integration, IntegrationState, SyncRun, SyncRunState
from harmony.sync import lifecycle, schedule
from harmony.sync.identity import identity, is_gone
from harmony.sync.outcome import Outcome
from tests.builders import NOON, an_integration

pytestmark = pytest.mark.usefixtures("context")

ELSEWHERE = "another-host/boot/1:1:1"
HOUR = timedelta(hours=1)
DONE = Outcome(SyncRunState.OK)


def the_run(run_id: int) -> SyncRun:
    return db.session.get_one(SyncRun, run_id)


def the_integration(id_: int) -> Integration:
    return db.session.get_one(Integration, id_)


def test_what_is_due_is_active_and_its_time_has_come() -> None:
    due = an_integration()
    an_integration(due=NOON + HOUR)
    an_integration(state=IntegrationState.PAUSED)
    an_integration(state=IntegrationState.DRAFT)
    an_integration(due=None)
    assert list(schedule.due(NOON)) == [due]


def test_only_one_of_two_claims_wins() -> None:
    id_ = an_integration()
    assert schedule.claim(id_, "first", NOON) is not None
    assert schedule.claim(id_, "second", NOON) is None
    assert list(schedule.due(NOON)) == []


def test_a_claim_opens_a_run_that_says_who_asked_for_it() -> None:
    id_ = an_integration(due=NOON + HOUR)
    assert schedule.request_sync(id_, "kim", NOON)
    held = schedule.claim(id_, "me", NOON)
    assert held is not None
    assert the_run(held.run_id).started_by == "kim"
    assert the_integration(id_).sync_requested_at is None


def test_sync_now_is_refused_while_paused() -> None:
    id_ = an_integration(state=IntegrationState.PAUSED)
    assert not schedule.request_sync(id_, "kim", NOON)


def test_a_renewed_lease_keeps_the_run_alive() -> None:
    held = schedule.claim(an_integration(), ELSEWHERE, NOON)
    assert held is not None
    with write() as session:
        schedule.renew(session, held, NOON + schedule.LEASE)
    assert schedule.reap(NOON + schedule.LEASE) == 0


def test_a_run_whose_lease_ended_is_aborted_and_due_again_at_once() -> None:
    id_ = an_integration()
    held = schedule.claim(id_, ELSEWHERE, NOON)
    assert held is not None
    later = NOON + schedule.LEASE
    assert schedule.reap(later - timedelta(seconds=1)) == 0
    assert schedule.reap(later) == 1
    assert the_run(held.run_id).state == SyncRunState.ABORTED
    assert "nothing was marked missing" in the_run(held.run_id).reason
    assert list(schedule.due(later)) == [id_]


def test_a_run_of_a_process_that_is_gone_is_aborted_without_waiting_for_its_lease() -> None:
    place, _pid, _start = identity().rsplit(":", 2)
    held = schedule.claim(an_integration(), f"{place}:999999999:1", NOON)
    assert held is not None
    assert schedule.reap(NOON) == 1


def test_a_run_of_this_living_process_is_left_alone() -> None:
    assert schedule.claim(an_integration(), identity(), NOON) is not None
    assert schedule.reap(NOON) == 0


def test_a_worker_that_dies_again_and_again_is_given_longer_and_longer_rests() -> None:
    id_ = an_integration()
    moment, waits = NOON, []
    for _ in range(4):
        assert schedule.claim(id_, ELSEWHERE, moment) is not None
        moment += schedule.LEASE
        schedule.reap(moment)
        due = the_integration(id_).next_sync_at
        assert due is not None
        waits.append((due - moment).total_seconds())
        moment = due
    assert waits == [0, 120, 240, 480]


def test_a_worker_that_slept_past_its_lease_can_neither_write_nor_finish() -> None:
    id_ = an_integration()
    old = schedule.claim(id_, ELSEWHERE, NOON)
    later = NOON + schedule.LEASE
    schedule.reap(later)
    new = schedule.claim(id_, "fresh", later)
    assert old is not None
    assert new is not None
    with pytest.raises(schedule.LeaseLost), write() as session:
        schedule.renew(session, old, later)
    with write() as session:
        schedule.settle(session, old, DONE, later)
    assert the_integration(id_).lease_owner == "fresh"


def test_settling_sets_the_next_due_time_one_interval_ahead() -> None:
    id_ = an_integration()
    held = schedule.claim(id_, "me", NOON)
    assert held is not None
    with write() as session:
        schedule.settle(session, held, DONE, NOON)
    assert the_integration(id_).next_sync_at == NOON + HOUR
    assert the_integration(id_).lease_until is None


def test_sync_now_during_a_run_is_kept_for_after_it() -> None:
    id_ = an_integration()
    held = schedule.claim(id_, "me", NOON)
    assert held is not None
    assert schedule.request_sync(id_, "kim", NOON)
    with write() as session:
        schedule.settle(session, held, DONE, NOON)
    assert list(schedule.due(NOON)) == [id_]


def test_pausing_takes_the_lease_from_a_running_sync_and_resuming_makes_it_due() -> None:
    id_ = an_integration()
    held = schedule.claim(id_, "me", NOON)
    assert held is not None
    assert lifecycle.pause(id_)
    assert not lifecycle.pause(id_)
    with pytest.raises(schedule.LeaseLost), write() as session:
        schedule.renew(session, held, NOON)
    assert lifecycle.resume(id_, NOON)
    assert the_integration(id_).next_sync_at == NOON


def test_a_process_is_gone_only_when_that_is_certain() -> None:
    place, pid, start = identity().rsplit(":", 2)
    assert not is_gone(identity())
    assert is_gone(f"{place}:{pid}:{int(start) - 1}")
    assert is_gone(f"{place}:999999999:{start}")
    assert not is_gone("another-host/boot/1:999999999:1")
    assert not is_gone("nonsense")
