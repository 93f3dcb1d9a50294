"""Devices that events named are read, stored, and never deleted for it (rung R, both databases)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select

from harmony.audit import EVENTS
from harmony.clock import now
from harmony.db import db, write
from harmony.jobs import lease, recovery
from harmony.jobs.kinds import JobKind
from harmony.models import (
    Absence,
    Device,
    EventListener,
    Integration,
    Job,
    JobRun,
    SyncKind,
    SyncRunState,
    UemEvent,
)
from harmony.sync import job as sync_job
from harmony.sync import named_devices
from harmony.sync.named_devices import have_stopped
from harmony.uem.errors import ServerFailed
from tests.builders import NOON, FakeUem, a_choice, an_integration, devices
from tests.stored import last_sync

pytestmark = pytest.mark.usefixtures("context")


def a_fleet(uem: FakeUem, **changes: object) -> int:
    """An integration that has synced once and listens to events."""
    id_ = an_integration(a_choice("570", deletion_after=2, **changes), due=None)
    full_sync(id_, uem)
    with write() as session:
        session.add(a_listener(id_))
    return id_


def a_listener(integration_id: int) -> EventListener:
    return EventListener(
        integration_id=integration_id, address=f"address-{integration_id}", is_on=True, since=NOON,
        user_name="harmony", secret_hash="0" * 64, rotated_at=NOON,
    )  # fmt: skip


def full_sync(integration_id: int, uem: FakeUem) -> JobRun:
    lease.request(integration_id, JobKind.DEVICES, "test", now())
    return run(integration_id, uem)


def run(integration_id: int, uem: FakeUem) -> JobRun:
    sync_job.sync(integration_id, opener=lambda *_: uem)
    db.session.rollback()
    return last_sync()


def announce(
    integration_id: int, ids: Collection[int], kind: str = "changed", at: datetime | None = None
) -> None:
    """Store events that name these devices, due at once."""
    at = at or now()
    with write() as session:
        before = session.scalar(select(func.count(UemEvent.id))) or 0
        for number, id_ in enumerate(ids):
            event = UemEvent(integration_id=integration_id, external_id=str(id_), kind=kind, received_at=at)
            event.due_at, event.digest = at, f"{before + number:032d}"
            session.add(event)
        session.flush()
        named_devices.plan_next(session, integration_id)


def events(integration_id: int, uem: FakeUem, *ids: int, kind: str = "changed") -> JobRun:
    announce(integration_id, ids, kind)
    return run(integration_id, uem)


def device(external_id: str) -> Device:
    return db.session.scalars(select(Device).where(Device.external_id == external_id)).one()


def job_of(integration_id: int) -> Job:
    return db.session.get_one(Integration, integration_id).sync_job


def waiting() -> list[str]:
    rows = select(UemEvent.external_id).where(UemEvent.due_at.is_not(None)).order_by(UemEvent.id)
    return list(db.session.scalars(rows))


def test_only_the_named_devices_are_read_and_stored_as_by_a_sync() -> None:
    id_ = a_fleet(FakeUem({"570": devices(1, 2, 3)}))
    uem = FakeUem({"570": [*devices(1, name="Renamed"), *devices(2, name="Unseen"), *devices(4)]})
    done = events(id_, uem, 1, 4)
    assert (done.sync_kind, done.state, done.started_by) == (SyncKind.EVENTS, SyncRunState.OK, EVENTS)
    assert (done.count("added"), done.count("updated"), done.count("missing"), uem.asked) == (
        1,
        1,
        0,
        ["1", "4"],
    )
    assert (device("1").name, device("4").group_id) == ("Renamed", "570")
    assert device("2").name != "Unseen"
    assert (waiting(), job_of(id_).events_at) == ([], None)


def test_events_move_neither_the_full_sync_nor_the_refresh_nor_how_fresh_the_devices_are() -> None:
    id_ = a_fleet(FakeUem({"570": devices(1)}))
    integration = db.session.get_one(Integration, id_)
    before = (integration.snapshots, integration.fresh_as_of, job_of(id_).next_at, job_of(id_).refresh_at)
    events(id_, FakeUem({"570": devices(1, name="Renamed")}), 1)
    integration = db.session.get_one(Integration, id_)
    assert before == (
        integration.snapshots, integration.fresh_as_of, job_of(id_).next_at, job_of(id_).refresh_at,
    )  # fmt: skip


@pytest.mark.parametrize("left", [{}, {"571": devices(2, group_id="571")}], ids=["unknown", "outside"])
def test_a_device_that_the_uem_does_not_have_is_marked_and_only_full_syncs_count(
    left: dict[str, list[object]],
) -> None:
    id_ = a_fleet(FakeUem({"570": devices(1, 2, 3)}), deletion_threshold=100)
    gone = FakeUem({"570": devices(1, 3)} | left)  # type: ignore[arg-type]
    for _ in range(5):
        events(id_, gone, 2, kind="unenrolled")
    marked = device("2")
    assert (marked.absent_why, marked.deleted_at) == (Absence.EVENT, None)
    assert marked.missing_since is not None
    done = full_sync(id_, gone)
    assert (done.count("missing"), done.count("deleted")) == (1, 0)
    assert (device("2").absent_why, device("2").absent_from) == (Absence.PLAIN, 2)
    assert full_sync(id_, gone).count("deleted") == 1


def test_a_mark_of_an_event_hides_no_reason_to_hold_deletions() -> None:
    """The server was edited after the event: what the next sync misses is doubted, marked or not."""
    id_ = a_fleet(FakeUem({"570": devices(1, 2, 3)}), deletion_threshold=100)
    gone = FakeUem({"570": devices(1, 3)})
    events(id_, gone, 2, kind="unenrolled")
    with write() as session:
        session.get_one(Integration, id_).suspect = Absence.EDITED
    full_sync(id_, gone)
    assert device("2").absent_why == Absence.EDITED
    done = full_sync(id_, gone)
    assert (done.state, done.count("deleted"), device("2").deleted_at) == (SyncRunState.HELD, 0, None)


def test_a_device_that_is_listed_again_loses_the_mark() -> None:
    id_ = a_fleet(FakeUem({"570": devices(1, 2)}))
    events(id_, FakeUem({"570": devices(1)}), 2)
    assert device("2").missing_since is not None
    assert events(id_, FakeUem({"570": devices(1, 2)}), 2).count("reappeared") == 1
    assert device("2").missing_since is None


def test_a_status_that_says_unenrolled_counts_as_not_found_and_makes_no_device() -> None:
    id_ = a_fleet(FakeUem({"570": devices(1, 2)}))
    left = [*devices(2, enrollment_status="Unenrolled"), *devices(9, enrollment_status="Unenrolled")]
    done = events(id_, FakeUem({"570": [*devices(1), *left]}), 2, 9)
    assert (done.count("added"), done.count("missing"), device("2").absent_why) == (0, 1, Absence.EVENT)


def test_so_many_devices_not_found_at_once_are_left_to_a_full_sync() -> None:
    id_ = a_fleet(FakeUem({"570": devices(*range(1, 31))}))
    done = events(id_, FakeUem({"570": devices(1)}), *range(2, 31))
    assert (done.count("missing"), job_of(id_).requested_by) == (0, EVENTS)
    assert db.session.scalars(select(Device.id).where(Device.missing_since.is_not(None))).all() == []


def test_forged_events_for_every_device_change_none_and_stay_within_the_share(app: Flask) -> None:
    settings = replace(app.extensions["harmony.settings"], uem_events_quota_percent=1)
    app.extensions["harmony.settings"] = settings
    honest = FakeUem({"570": devices(*range(1, 61))}, page_size=5)
    id_ = a_fleet(honest)
    before = fingerprints()
    for flood in range(80):
        announce(id_, range(1, 61) if flood % 2 else range(1, 40), "unenrolled")
        for _ in range(2):
            run(id_, FakeUem({"570": devices(*range(1, 61))}, page_size=5))
    assert fingerprints() == before
    assert named_devices.share(id_, now()).used <= 500
    full = select(func.count(JobRun.id)).where(JobRun.sync_kind == SyncKind.SNAPSHOT)
    assert db.session.scalar(full) == 2


def fingerprints() -> list[tuple[object, ...]]:
    columns = (Device.external_id, Device.fingerprint, Device.missing_since, Device.deleted_at)
    return [tuple(row) for row in db.session.execute(select(*columns).order_by(Device.id))]


def test_many_devices_are_read_by_a_full_sync_that_settles_their_events() -> None:
    id_ = a_fleet(FakeUem({"570": devices(*range(1, 61))}))
    renamed = FakeUem({"570": devices(*range(1, 61), name="Renamed")})
    done = events(id_, renamed, *range(1, 61))
    assert (done.count("devices_read"), done.reason[:23]) == (0, "Events named 60 devices")
    done = run(id_, renamed)
    assert (done.sync_kind, done.started_by, done.count("updated"), waiting()) == (
        SyncKind.SNAPSHOT,
        EVENTS,
        60,
        [],
    )


def test_an_enrolment_is_looked_at_again_and_then_no_more() -> None:
    id_ = a_fleet(FakeUem({"570": devices(1)}))
    received = now() - timedelta(hours=1)
    for checked in range(1, 4):
        if checked == 1:
            announce(id_, [7], "enrolled", received)
        uem = FakeUem({"570": devices(1, *([7] if checked == 3 else []))})
        assert run(id_, uem).count("added") == (1 if checked == 3 else 0)
        assert len(waiting()) == (0 if checked == 3 else 1)
    assert device("7").external_id == "7"


def test_a_full_sync_settles_what_was_named_before_it_began() -> None:
    id_ = a_fleet(FakeUem({"570": devices(1)}))
    announce(id_, [1], at=now() - timedelta(minutes=1))
    full_sync(id_, FakeUem({"570": devices(1)}))
    assert (waiting(), job_of(id_).events_at) == ([], None)


def test_a_run_that_fails_keeps_its_events_and_rests() -> None:
    id_ = a_fleet(FakeUem({"570": devices(1)}))
    done = events(id_, FakeUem({"570": devices(1)}, error=ServerFailed("The server answered 500.")), 1)
    assert (done.state, waiting()) == (SyncRunState.INCOMPLETE, ["1"])
    planned = job_of(id_).events_at
    assert planned is not None
    assert planned > now() + timedelta(minutes=1)
    announce(id_, [1])
    assert job_of(id_).events_at == planned


def test_a_worker_that_dies_loses_no_event() -> None:
    id_ = a_fleet(FakeUem({"570": devices(1)}))
    announce(id_, [1])
    assert lease.claim(id_, JobKind.DEVICES, "gone:1:1", now()) is not None
    later = now() + timedelta(minutes=5)
    recovery.reap(later)
    assert waiting() == ["1"]
    assert job_of(id_).events_at is not None


def test_no_device_is_read_before_the_first_full_sync_nor_by_ids_of_another_uem() -> None:
    id_ = a_fleet(FakeUem({"570": devices(1)}))
    with write() as session:
        session.get_one(Integration, id_).awaits_sync = True
    announce(id_, [1])
    assert lease.claim(id_, JobKind.DEVICES, "test", now()) is None


def test_changes_that_no_event_announced_show_that_events_have_stopped() -> None:
    id_ = a_fleet(FakeUem({"570": devices(1)}))
    full_sync(id_, FakeUem({"570": devices(1, 2, 3, 4)}))
    listener = db.session.get_one(EventListener, id_)
    assert (listener.missed, have_stopped(listener)) == (3, False)
    announce(id_, [5])
    full_sync(id_, FakeUem({"570": devices(1, 2, 3, 4, 5, 6, 7)}))
    listener = db.session.get_one(EventListener, id_)
    assert (listener.missed, have_stopped(listener)) == (5, True)
