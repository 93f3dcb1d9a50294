"""The feed: what is written with what, in which order, and what retention leaves (rung: database)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import delete, select

from harmony.audit import audit
from harmony.clock import now
from harmony.db import db, write
from harmony.jobs import lease
from harmony.jobs.kinds import JobKind
from harmony.jobs.outcome import Outcome
from harmony.models import AuditEntry, Destination, Device, Event, FeedRow, Severity, SyncRunState, Verb
from harmony.ops.metrics.destinations import destination_families
from harmony.outbound import destinations
from harmony.outbound.destinations import DestinationValues
from harmony.outbound.loading import next_batch, selection_of
from harmony.outbound.retention import forget_lines
from harmony.outbound.status import status_of
from harmony.protection.change import EventLine
from harmony.protection.record import record_events
from tests.builders import NOON, an_integration
from tests.database import on_both
from tests.outbound.senders import FILE, an_event, events

database = on_both
pytestmark = pytest.mark.usefixtures("context")


def lines() -> list[FeedRow]:
    db.session.rollback()
    return list(db.session.scalars(select(FeedRow).order_by(FeedRow.id)))


def test_an_event_an_audit_entry_and_the_end_of_a_run_are_written_with_what_they_tell_of() -> None:
    id_ = an_integration()
    with write() as session:
        record_events(
            session, [EventLine(NOON, Verb.DETECTED, Severity.CRITICAL, None, id_, "ROOTED", "Device")]
        )
        audit(session, "kim", "Paused", NOON, detail="for an hour")
    claimed = lease.claim(id_, JobKind.DEVICES, "worker", NOON)
    assert claimed is not None
    with write() as session:
        lease.settle(session, claimed, Outcome(SyncRunState.FAILED, "Page 3 did not come."), None, NOON)
    event, entry, run = lines()
    assert (event.kind, event.name, event.severity, event.integration_id) == (
        "event",
        "detected",
        "critical",
        id_,
    )
    assert event.details == {"factor": "ROOTED", "vector": "Device", "detail": ""}
    assert (entry.details["who"], entry.details["what"], entry.details["detail"]) == (
        "kim",
        "Paused",
        "for an hour",
    )
    assert (entry.details["module"], len(entry.details["hash"])) == ("Integrations", 64)
    assert (run.kind, run.name, run.severity, run.subject_id) == ("run", "failed", "warning", claimed.run_id)
    assert run.details == {"job": "devices", "reason": "Page 3 did not come."}


def test_what_is_rolled_back_is_in_no_feed() -> None:
    def fail() -> None:
        with write() as session:
            audit(session, "kim", "Paused", NOON)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert lines() == []


def test_a_line_becomes_visible_after_all_those_before_it(app: Flask) -> None:
    """A second writer waits for the first, so that a reader never sees the later id alone."""
    first_wrote, go_on, seen = threading.Event(), threading.Event(), list[int]()

    def first() -> None:
        with app.app_context(), write() as session:
            audit(session, "first", "Wrote", NOON)
            first_wrote.set()
            assert go_on.wait(30)

    def second() -> None:
        with app.app_context(), write() as session:
            audit(session, "second", "Wrote", NOON)

    writers = [_thread(first), _thread(second)]
    writers[0].start()
    assert first_wrote.wait(30)
    writers[1].start()
    seen.append(len(lines()))
    go_on.set()
    for writer in writers:
        writer.join(30)
    assert seen == [0]
    assert [line.details["who"] for line in lines()] == ["first", "second"]


def test_an_id_is_never_given_twice() -> None:
    an_event()
    before = lines()[0].id
    with write() as session:
        session.execute(delete(FeedRow))
    an_event()
    assert lines()[0].id > before


def test_a_line_outlives_its_device_and_is_no_others() -> None:
    id_ = an_integration()
    an_event(id_, device_id=5)
    with write() as session:
        session.add(_device(id_, 5, "Another", NOON + timedelta(days=9)))
    destination_id, _ = destinations.add("file", FILE, True, "kim", NOON)
    row = db.session.get_one(Destination, destination_id)
    batch = next_batch(db.session(), selection_of(row), 0, 10)
    assert batch is not None
    assert (batch.records[0].device_id, batch.records[0].device) == (5, None)


@pytest.mark.parametrize(("personal", "name"), [(False, ""), (True, "Kim's phone")])
def test_personal_data_is_read_only_for_a_destination_that_asks_for_it(personal: bool, name: str) -> None:
    id_ = an_integration()
    with write() as session:
        session.add(_device(id_, 5, "Kim's phone", NOON))
    an_event(id_, device_id=5)
    values = DestinationValues("File", "ocsf", ("event",), "information", personal)
    destination_id, _ = destinations.add("file", values, True, "kim", NOON)
    row = db.session.get_one(Destination, destination_id)
    batch = next_batch(db.session(), selection_of(row), 0, 10)
    assert batch is not None
    device = batch.records[0].device
    assert device is not None
    assert (device.name, device.model) == (name, "Pixel 9")


def test_retention_keeps_what_waits_twice_as_long_and_then_says_what_it_removed() -> None:
    destination_id, _ = destinations.add("file", FILE, False, "kim", NOON)
    events(3, at=NOON)
    assert forget_lines(NOON + timedelta(days=19), 10, lambda: False) == 1, "the entry before its cursor"
    assert forget_lines(NOON + timedelta(days=21), 10, lambda: False) == 3
    row = db.session.get_one(Destination, destination_id, populate_existing=True)
    assert row.lost == 3
    assert status_of(db.session(), row).backlog == 0
    said = db.session.scalars(select(AuditEntry.what)).all()
    assert "Removed unsent records" in said
    lost = next(family for family in destination_families() if family.name == "destination_lost")
    assert lost.samples[0].value == 3


def test_retention_without_a_destination_keeps_the_usual_days() -> None:
    events(2, at=NOON)
    assert forget_lines(NOON + timedelta(days=9), 10, lambda: False) == 0
    assert forget_lines(NOON + timedelta(days=11), 10, lambda: False) == 2


def test_events_reach_both_tables() -> None:
    events(3)
    assert db.session.scalar(select(db.func.count()).select_from(Event)) == 3
    assert len(lines()) == 3
    assert all(abs(line.at - now()) < timedelta(days=4000) for line in lines())


def _thread(work: Callable[[], None]) -> threading.Thread:
    return threading.Thread(target=work, daemon=True)


def _device(integration_id: int, id_: int, name: str, created_at: object) -> Device:
    texts = dict.fromkeys(
        ("uuid", "udid", "udid_key", "serial", "imei", "name_key", "phone", "email", "user_name", "ownership",
         "group_id", "group_name", "enrollment_status", "compliance", "search_text", "fingerprint"), ""
    )  # fmt: skip
    return Device(
        id=id_, integration_id=integration_id, external_id="4711", name=name, platform="Android",
        model="Pixel 9", os_version="17", created_at=created_at, updated_at=created_at, **texts,
    )  # fmt: skip
