"""A removal that can be undone: nothing runs, nothing is lost, and it ends after 30 days (rung: shell)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select, update

from harmony.clock import now
from harmony.config import Settings
from harmony.db import db, write
from harmony.jobs import control, lease
from harmony.jobs.kinds import JobKind
from harmony.models import AuditEntry, Device, Integration, IntegrationState, SetupPage
from harmony.models.configuration import TAGGING
from harmony.sync import integration_removal, lifecycle, removal_undo
from harmony.sync.deletion import soft_delete
from harmony.tagging.removal import retire_all
from harmony.worker import retention
from tests.builders import NOON, an_integration
from tests.database import on_both
from tests.sync.stored import store_devices

database = on_both

DAY = timedelta(days=1)


@pytest.fixture
def id_(context: Flask) -> int:
    """An integration with five devices, of which one is deleted and one is missing."""
    id_ = an_integration(due=NOON)
    store_devices(id_, 5)
    with write() as session:
        first, second = session.scalars(select(Device.id).order_by(Device.id).limit(2)).all()
        session.execute(update(Device).where(Device.id == first).values(deleted_at=NOON, deleted_by="kim"))
        session.execute(update(Device).where(Device.id == second).values(missing_since=NOON, absent_from=7))
    return id_


def the(id_: int) -> Integration:
    db.session.rollback()
    return db.session.get_one(Integration, id_)


def devices(id_: int) -> list[tuple[object, ...]]:
    db.session.rollback()
    columns = (Device.id, Device.deleted_at, Device.deleted_by, Device.missing_since, Device.absent_from)
    rows = db.session.execute(select(*columns).where(Device.integration_id == id_).order_by(Device.id)).all()
    return [tuple(row) for row in rows]


def removed(id_: int) -> None:
    assert removal_undo.hide(id_, "kim", NOON)
    integration_removal.carry_out(id_)


def test_a_removed_integration_has_no_live_device_and_no_job_runs(id_: int) -> None:
    removed(id_)
    assert soft_delete.live(id_) == 0
    assert list(lease.due(now() + 365 * DAY)) == []
    assert control.schedule_missing(now()) == 0
    for kind in JobKind:
        assert not lease.request(id_, kind, "kim", now())
        assert lease.claim(id_, kind, "worker", now()) is None
    assert list(integration_removal.pending(now())) == []


def test_an_undo_brings_back_exactly_what_was_there(id_: int) -> None:
    before = devices(id_)
    removed(id_)
    assert devices(id_) != before
    assert removal_undo.undo(id_, "kim", NOON + DAY)
    assert list(integration_removal.pending(now())) == [id_]
    integration_removal.carry_out(id_)
    assert devices(id_) == before
    assert the(id_).state == IntegrationState.ACTIVE
    assert (id_, JobKind.DEVICES) in list(lease.due(now()))
    assert not removal_undo.undo(id_, "kim", NOON + DAY)


def test_one_that_was_paused_comes_back_paused(id_: int) -> None:
    lifecycle.pause(id_, "kim", NOON)
    removed(id_)
    removal_undo.undo(id_, "kim", NOON)
    integration_removal.carry_out(id_)
    assert the(id_).state == IntegrationState.PAUSED
    assert list(lease.due(now())) == []


@pytest.mark.parametrize("steps", range(5))
def test_a_worker_that_stops_anywhere_is_followed_by_one_that_ends_it(
    id_: int, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal_undo, "DEVICES_PER_WRITE", 2)
    before = devices(id_)
    removal_undo.hide(id_, "kim", NOON)
    stopped(id_, steps)
    integration_removal.carry_out(id_)
    assert soft_delete.live(id_) == 0
    removal_undo.undo(id_, "kim", NOON)
    stopped(id_, steps)
    integration_removal.carry_out(id_)
    assert devices(id_) == before


def stopped(id_: int, steps: int) -> None:
    answers = iter([False] * steps)
    integration_removal.carry_out(id_, lambda: next(answers, True))


def test_an_undo_in_the_middle_of_the_removal_wins(id_: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removal_undo, "DEVICES_PER_WRITE", 1)
    before = devices(id_)
    removal_undo.hide(id_, "kim", NOON)
    asked = iter([False, False])

    def undo_meanwhile() -> bool:
        if next(asked, True):
            removal_undo.undo(id_, "kim", NOON)
        return False

    integration_removal.carry_out(id_, undo_meanwhile)
    integration_removal.carry_out(id_)
    assert devices(id_) == before
    assert the(id_).state == IntegrationState.ACTIVE


def test_secrets_and_settings_stay_until_it_is_removed_for_good(id_: int) -> None:
    removed(id_)
    pages = select(SetupPage.name).where(SetupPage.integration_id == id_)
    assert len(db.session.scalars(pages).all()) > 1
    lifecycle.remove_expired(NOON + 30 * DAY)
    assert the(id_).state == IntegrationState.HIDDEN
    lifecycle.remove_expired(NOON + 31 * DAY)
    assert db.session.scalars(pages).all() == []
    integration_removal.carry_out(id_)
    db.session.rollback()
    assert db.session.get(Integration, id_) is None
    assert devices(id_) == []


def test_two_workers_remove_an_integration_for_good_once(id_: int, monkeypatch: pytest.MonkeyPatch) -> None:
    removed(id_)
    look = removal_undo.expired

    def overtaken(now: datetime) -> Sequence[int]:
        found = look(now)
        monkeypatch.setattr(removal_undo, "expired", look)
        db.session.rollback()
        lifecycle.remove_expired(now)  # the other worker, to the end
        integration_removal.carry_out(id_)
        db.session.rollback()
        return found

    monkeypatch.setattr(removal_undo, "expired", overtaken)
    lifecycle.remove_expired(NOON + 31 * DAY)
    said = select(AuditEntry.id).where(AuditEntry.what == "Removed with its devices")
    assert len(db.session.scalars(said).all()) == 1


def test_retention_and_restoring_leave_hidden_devices_alone(id_: int, settings: Settings) -> None:
    removed(id_)
    before = devices(id_)
    retention.sweep(NOON + 29 * DAY, settings)
    assert devices(id_) == before
    assert soft_delete.restore_all((Device.deleted_by == soft_delete.BY_REMOVAL,), "kim", NOON) == 0
    assert len([row for row in devices(id_) if row[1] is None]) == 0


def test_tags_that_the_removal_took_off_are_wanted_again_after_an_undo(id_: int) -> None:
    before = the(id_).in_force.tagging
    assert before.tag_status
    retire_all(id_, "kim", NOON)
    assert not the(id_).in_force.tagging.tag_status
    removed(id_)
    removal_undo.undo(id_, "kim", NOON)
    integration_removal.carry_out(id_)
    assert the(id_).in_force.tagging == before
    assert (id_, JobKind.TAGGING) in list(lease.due(now()))


def test_tags_that_were_switched_off_before_stay_off(id_: int) -> None:
    retire_all(id_, "kim", NOON)
    with write() as session:
        session.get_one(Integration, id_).before_removal = None
    removed(id_)
    removal_undo.undo(id_, "kim", NOON)
    integration_removal.carry_out(id_)
    page = the(id_).page(TAGGING)
    assert page is None or not the(id_).in_force.tagging.tag_status
