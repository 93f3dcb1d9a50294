"""The deletion of a removed integration: small steps, restartable, never twice at once (rung: shell)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import event, func, select

from harmony.clock import now
from harmony.db import Base, db, write
from harmony.jobs import control, lease
from harmony.jobs.kinds import JobKind
from harmony.models import (
    Device,
    DeviceEvent,
    Integration,
    IntegrationState,
    JobRun,
    Membership,
    SkippedDevice,
)
from harmony.sync import integration_removal, lifecycle
from tests.builders import NOON, an_integration
from tests.sync.stored import all_of, store_devices

pytestmark = pytest.mark.usefixtures("context")


def a_removed_one(devices: int, runs: int = 0) -> int:
    """An integration whose removal with its devices was asked for and not carried out yet."""
    id_ = an_integration()
    store_devices(id_, devices)
    for _ in range(runs):
        held = lease.claim(id_, JobKind.DEVICES, "worker", NOON)
        assert held is not None
        with write() as session:
            session.add(SkippedDevice(run_id=held.run_id, external_id="1", reason="Unreadable."))
        assert control.cancel(id_, JobKind.DEVICES, "kim", NOON)
        assert lease.request(id_, JobKind.DEVICES, "kim", NOON)
    lifecycle.remove(id_, "kim", NOON, keep_devices=False)
    return id_


def count(table: type[Base]) -> int:
    return db.session.scalar(select(func.count()).select_from(table)) or 0


def test_everything_goes_and_the_devices_of_others_stay() -> None:
    other = an_integration()
    store_devices(other, 2)
    id_ = a_removed_one(5, runs=3)
    assert list(integration_removal.pending(now())) == [id_]
    integration_removal.carry_out(id_)
    assert list(integration_removal.pending(now())) == []
    assert len(all_of(other)) == 2
    assert (count(Integration), count(JobRun), count(SkippedDevice)) == (1, 0, 0)
    assert (count(Device), count(Membership), count(DeviceEvent)) == (2, 2, 2)
    integration_removal.carry_out(id_)


def test_no_write_deletes_more_than_a_thousand_devices() -> None:
    id_ = a_removed_one(2500)
    left = []
    counted = select(func.count()).select_from(Device)
    event.listen(db.engine, "commit", lambda connection: left.append(connection.execute(counted).scalar()))
    integration_removal.carry_out(id_)
    steps = [before - after for before, after in zip([2500, *left], left, strict=False)]
    assert sum(steps) == 2500
    assert max(steps) <= 1000


@pytest.mark.parametrize("steps", range(5))
def test_a_deletion_that_was_stopped_anywhere_is_taken_up_again_and_finished(
    steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(integration_removal, "DEVICES_PER_WRITE", 2)
    id_ = a_removed_one(5, runs=1)
    answers = iter([False] * steps)
    integration_removal.carry_out(id_, lambda: next(answers, True))
    if db.session.get(Integration, id_) is not None:
        assert list(integration_removal.pending(now())) == [id_]
        integration_removal.carry_out(id_)
    assert (count(Integration), count(Device), count(JobRun)) == (0, 0, 0)


def test_a_worker_that_died_in_it_is_followed_by_another_once_its_lease_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(integration_removal, "DEVICES_PER_WRITE", 2)
    id_ = a_removed_one(5)

    def die() -> bool:
        if len(all_of(id_)) < 5:
            raise SystemExit
        return False

    with pytest.raises(SystemExit):
        integration_removal.carry_out(id_, die)
    assert len(all_of(id_)) == 3
    db.session.rollback()
    assert list(integration_removal.pending(now())) == []
    integration_removal.carry_out(id_)
    assert len(all_of(id_)) == 3
    db.session.rollback()
    with write() as session:
        session.get_one(Integration, id_).sync_job.lease_until = now() - timedelta(seconds=1)
    assert list(integration_removal.pending(now())) == [id_]
    integration_removal.carry_out(id_)
    assert count(Device) == 0


def test_a_worker_that_was_overtaken_deletes_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(integration_removal, "DEVICES_PER_WRITE", 2)
    id_ = a_removed_one(5)

    def overtake() -> bool:
        with write() as session:
            session.get_one(Integration, id_).sync_job.fence += 1
        return False

    integration_removal.carry_out(id_, overtake)
    assert len(all_of(id_)) == 5


@pytest.mark.parametrize("state", [state for state in IntegrationState if state != IntegrationState.REMOVING])
def test_nothing_is_deleted_that_nobody_removed(state: IntegrationState) -> None:
    id_ = an_integration(state=state)
    store_devices(id_, 2)
    assert list(integration_removal.pending(now())) == []
    integration_removal.carry_out(id_)
    assert len(all_of(id_)) == 2
