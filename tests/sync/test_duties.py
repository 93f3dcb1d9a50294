"""Claim, lease, settle and reap of duties, on both databases (rung: shell)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from harmony.db import db, write
from harmony.models import Duty, DutyName, DutyRun, IntegrationState, SyncRunState
from harmony.sync import duties
from harmony.sync.identity import identity
from harmony.sync.outcome import Outcome
from harmony.sync.schedule import LEASE, LeaseLost
from tests.builders import NOON, an_integration

pytestmark = pytest.mark.usefixtures("context")

ELSEWHERE = "another-host/boot/1:1:1"
APPS, TAGGING = DutyName.APPS, DutyName.TAGGING
MINUTE = timedelta(minutes=1)
OK = Outcome(SyncRunState.OK)


def a_duty(name: DutyName = TAGGING) -> int:
    id_ = an_integration()
    with write() as session:
        duties.nudge(session, id_, name, NOON)
    return id_


def the_duty(id_: int, name: DutyName = TAGGING) -> Duty:
    return db.session.get_one(Duty, (id_, name))


def test_only_one_of_two_claims_wins_and_the_run_says_who_asked() -> None:
    id_ = a_duty()
    duties.request(id_, TAGGING, "kim", NOON)
    held = duties.claim(id_, TAGGING, "first", NOON)
    assert held is not None
    assert db.session.get_one(DutyRun, held.run_id).started_by == "kim"
    assert duties.claim(id_, TAGGING, "second", NOON) is None
    assert list(duties.due(NOON)) == []


def test_duties_of_one_integration_are_independent() -> None:
    id_ = a_duty(APPS)
    with write() as session:
        duties.nudge(session, id_, TAGGING, NOON)
    assert duties.claim(id_, APPS, "me", NOON) is not None
    assert list(duties.due(NOON)) == [(id_, TAGGING)]


def test_a_nudge_never_puts_off_what_is_due_sooner() -> None:
    id_ = a_duty()
    with write() as session:
        duties.nudge(session, id_, TAGGING, NOON + MINUTE)
    assert the_duty(id_).next_at == NOON


def test_what_is_asked_for_during_a_run_is_for_the_next_one() -> None:
    id_ = a_duty()
    held = duties.claim(id_, TAGGING, "me", NOON)
    assert held is not None
    with write() as session:
        duties.nudge(session, id_, TAGGING, NOON + MINUTE, whole=True)
    with write() as session:
        duties.settle(session, held, OK, NOON + 9 * MINUTE, NOON, done_up_to=NOON)
    duty = the_duty(id_)
    assert (duty.next_at, duty.whole, duty.done_up_to) == (NOON + MINUTE, True, NOON)


def test_a_run_that_failed_leaves_its_work_to_the_next() -> None:
    id_ = a_duty()
    held = duties.claim(id_, TAGGING, "me", NOON)
    assert held is not None
    assert held.whole
    with write() as session:
        duties.settle(session, held, Outcome(SyncRunState.FAILED, "No."), NOON + MINUTE, NOON)
    assert the_duty(id_).whole
    assert the_duty(id_).failures == 1


def test_a_parked_duty_waits_for_a_person() -> None:
    id_ = a_duty()
    held = duties.claim(id_, TAGGING, "me", NOON)
    assert held is not None
    with write() as session:
        duties.park(session, held, "It may not.")
        duties.settle(session, held, Outcome(SyncRunState.FAILED, "It may not."), NOON, NOON)
    assert list(duties.due(NOON + LEASE)) == []
    assert duties.request(id_, TAGGING, "kim", NOON)
    assert list(duties.due(NOON)) == [(id_, TAGGING)]


def test_an_overtaken_worker_can_neither_renew_nor_settle() -> None:
    id_ = a_duty()
    old = duties.claim(id_, TAGGING, ELSEWHERE, NOON)
    assert old is not None
    late = NOON + LEASE + MINUTE
    assert duties.reap(late) == 1
    new = duties.claim(id_, TAGGING, identity(), late)
    assert new is not None
    with pytest.raises(LeaseLost), write() as session:
        duties.renew(session, old, late)
    with write() as session:
        duties.settle(session, old, OK, None, late, done_up_to=late)
    assert the_duty(id_).lease_owner == identity()
    assert db.session.get_one(DutyRun, old.run_id).state == SyncRunState.ABORTED


def test_nothing_is_due_or_asked_for_while_paused() -> None:
    id_ = an_integration(state=IntegrationState.PAUSED)
    with write() as session:
        duties.nudge(session, id_, TAGGING, NOON)
    assert list(duties.due(NOON)) == []
    assert not duties.request(id_, TAGGING, "kim", NOON)


def test_a_pause_takes_the_lease_away() -> None:
    id_ = a_duty()
    held = duties.claim(id_, TAGGING, "me", NOON)
    assert held is not None
    with write() as session:
        session.get_one(duties.Integration, id_).state = IntegrationState.PAUSED
    with pytest.raises(LeaseLost), write() as session:
        duties.renew(session, held, NOON)
