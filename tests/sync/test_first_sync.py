"""A first sync looks up nothing that cannot be there (rung R: a UEM in memory, both databases)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import event, select, update
from sqlalchemy.exc import OperationalError

from harmony.clock import now
from harmony.db import bulk, db, is_sqlite, wal_mover, write
from harmony.device_api.registration.devices import add_device
from harmony.device_api.schemas import Register
from harmony.jobs import lease
from harmony.jobs.kinds import JobKind
from harmony.models import Device, JobRun, Membership, SyncRunState
from harmony.sync import job as sync_job
from harmony.sync import snapshot
from harmony.uem.records import SkippedRow
from tests.builders import NOON, FakeUem, a_choice, a_device, an_integration, devices
from tests.stored import last_sync

pytestmark = pytest.mark.usefixtures("context", "page_by_page")


@pytest.fixture
def page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every page is written before the next is asked for."""
    monkeypatch.setattr(snapshot, "ROWS_PER_WRITE", 1)


def sync(integration_id: int, uem: FakeUem) -> JobRun:
    lease.request(integration_id, JobKind.DEVICES, "test", now())
    sync_job.sync(integration_id, opener=lambda *_: uem)
    return last_sync(integration_id)


@contextmanager
def noting(beginning: str = "SELECT id, external_id, udid_key") -> Iterator[list[str]]:
    """Collect the statements that begin so; by default those that read what is known of devices."""
    found: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if statement.startswith(beginning):
            found.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(db.engine, "before_cursor_execute", note)


def by_row() -> list[tuple[str | None, str]]:
    db.session.rollback()
    return [(row.external_id, row.udid) for row in db.session.scalars(select(Device).order_by(Device.id))]


def test_postgresql_looks_at_the_devices_once_in_a_first_sync_and_at_no_other_time() -> None:
    id_, uem = an_integration(), FakeUem({"570": devices(*range(1, 8))})
    with noting("ANALYZE") as found:
        sync(id_, uem)
        assert found == ([] if is_sqlite() else ["ANALYZE (SKIP_LOCKED) device"])
        sync(id_, uem)
    assert len(found) == (0 if is_sqlite() else 1)


def test_postgresql_does_not_look_again_at_a_table_that_it_knows_to_be_large(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wal_mover, "_SMALL_TABLE_ROWS", 1)
    first, second = an_integration(), an_integration(name="Second")
    sync(first, FakeUem({"570": devices(1, 2)}))
    with noting("ANALYZE") as found:
        sync(second, FakeUem({"570": devices(3, 4)}))
    assert found == []


def test_a_look_at_the_devices_that_fails_ends_no_sync_and_is_not_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tried = []

    def begin() -> None:
        tried.append("connection")
        raise OperationalError("", {}, Exception("the server has no connection left"))

    monkeypatch.setattr(wal_mover, "is_sqlite", lambda: False)
    monkeypatch.setattr(wal_mover, "db", SimpleNamespace(engine=SimpleNamespace(begin=begin)))
    run = sync(an_integration(), FakeUem({"570": devices(*range(1, 8))}))
    assert (run.state, run.count("added")) == (SyncRunState.OK, 7)
    assert tried == ["connection"]
    assert "no connection left" in caplog.text


def test_nothing_is_looked_up_for_an_empty_integration_and_everything_afterwards() -> None:
    id_ = an_integration()
    listed = [a_device(external_id=str(n), udid=f"AA-{n}") for n in range(1, 8)]
    other = an_integration(a_choice("600"), name="Other")
    sync(other, FakeUem({"600": devices(50, 51)}))
    with noting() as found:
        assert sync(id_, FakeUem({"570": listed})).count("added") == 7
    assert found == []
    with noting() as found:
        done = sync(id_, FakeUem({"570": listed}))
    assert (done.count("added"), done.count("unchanged")) == (0, 7)
    assert len(found) == 4


def test_a_device_that_registers_during_a_first_sync_is_the_one_that_is_listed_later() -> None:
    id_ = an_integration()
    asked = Register(token="t", udid="BB", platform="ios", model="iPhone", serial="F1", request_id=uuid4())

    def register(page: int) -> None:
        if page == 1:
            with write() as session:
                add_device(session, id_, asked, now())

    listed = [*devices(1, 2), a_device(external_id="7", udid="bb", serial="F1")]
    done = sync(id_, FakeUem({"570": listed}, on_page=register))
    assert (done.count("added"), done.count("updated")) == (2, 1)
    assert ("7", "bb") in by_row()
    assert len(by_row()) == 3


def test_a_device_that_is_listed_under_two_enrolments_on_two_pages_is_stored_once() -> None:
    id_ = an_integration()
    marks = {"uuid": "u", "serial": "s", "udid": "AA"}
    first = a_device(external_id="1", enrolled_at=NOON, **marks)
    again = a_device(external_id="9", enrolled_at=NOON + timedelta(hours=1), **marks)
    sync(id_, FakeUem({"570": [first, *devices(2, 3), again]}))
    assert [row for row in by_row() if row[1] == "AA"] == [("9", "AA")]


def test_a_row_that_cannot_be_read_is_compared_with_what_this_run_has_stored() -> None:
    id_ = an_integration()
    unreadable = SkippedRow("1", "The row is odd.")
    with noting() as found:
        sync(id_, FakeUem({"570": devices(1, 2, 3)}, skipped=[unreadable]))
    assert len(found) == 1


def test_ids_are_reserved_before_the_rows_are_inserted() -> None:
    id_ = an_integration()
    sync(id_, FakeUem({"570": devices(5, 6)}))
    with write() as session:
        ids = list(bulk.new_ids(session, "device", 3))
    stored = list(db.session.scalars(select(Device.id)))
    assert len(set(ids) | set(stored)) == 5
    assert min(ids) > max(stored)
    assert set(db.session.scalars(select(Membership.device_id))) == set(stored)


def test_a_clock_that_was_set_back_makes_no_sync_a_first_one() -> None:
    id_ = an_integration()
    sync(id_, FakeUem({"570": devices(1, 2)}))
    with write() as session:
        session.execute(update(Device).values(created_at=now() + timedelta(days=1)))
    done = sync(id_, FakeUem({"570": devices(1, 2, 3)}))
    assert (done.count("added"), done.count("unchanged")) == (1, 2)
