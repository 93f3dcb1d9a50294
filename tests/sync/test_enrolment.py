"""Who is who: ids that change hands, devices enrolled again (rung R: a UEM in memory, both databases)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace
from sqlalchemy import select

from harmony.clock import now
from harmony.db import db
from harmony.jobs import lease
from harmony.jobs.kinds import JobKind
from harmony.models import Device, DeviceEvent, JobRun, SyncRunState
from harmony.sync import job as sync_job
from harmony.sync import snapshot
from harmony.uem.records import UemDevice as Record
from tests.builders import NOON, FakeUem, a_choice, a_device, an_integration, devices
from tests.stored import last_sync

pytestmark = pytest.mark.usefixtures("context")


def sync(integration_id: int, *listed: Record) -> JobRun:
    """Sync a group that lists these, and give back the run's row."""
    lease.request(integration_id, JobKind.DEVICES, "test", now())
    sync_job.sync(integration_id, opener=lambda *_: FakeUem({"570": listed}))
    db.session.rollback()
    return last_sync()


def rows() -> list[tuple[int, str | None, str]]:
    """Row id, the UEM's id, UDID of every device that is not deleted."""
    db.session.rollback()
    columns = (Device.id, Device.external_id, Device.udid)
    found = db.session.execute(select(*columns).where(Device.deleted_at.is_(None)).order_by(Device.id))
    return [tuple(row) for row in found]  # type: ignore[misc]  # a Row is a tuple


def enrolled(external_id: str, udid: str = "AA", hours: int = 0) -> Record:
    marks = {"uuid": f"{external_id} {udid}".lower(), "serial": f"serial {udid}".lower()}
    return a_device(external_id=external_id, udid=udid, enrolled_at=NOON + timedelta(hours=hours), **marks)


@pytest.fixture
def page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every page is written before the next is asked for."""
    monkeypatch.setattr(snapshot, "ROWS_PER_WRITE", 1)


def test_a_device_enrolled_again_keeps_its_row_and_its_history() -> None:
    id_ = an_integration()
    sync(id_, enrolled("1"))
    done = sync(id_, enrolled("7", "aa", hours=1))
    assert (done.count("added"), done.count("updated"), done.count("missing")) == (0, 1, 0)
    assert [(external_id, udid) for _, external_id, udid in rows()] == [("7", "aa")]
    assert db.session.scalars(select(DeviceEvent.detail)).first() == "Id in the UEM: 1 → 7"


@pytest.mark.parametrize("page_size", [1, 2, 50])
@pytest.mark.parametrize("newest_first", [True, False])
def test_an_old_enrolment_that_lingers_does_not_make_the_device_flap(
    newest_first: bool, page_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "ROWS_PER_WRITE", page_size)
    id_ = an_integration()
    both = [enrolled("7", hours=1), enrolled("1")]
    both = both if newest_first else both[::-1]
    sync(id_, *both)
    before = rows()
    assert [external_id for _, external_id, _ in before] == ["7"]
    for _ in range(3):
        again = sync(id_, *both)
        assert (
            again.count("added"),
            again.count("updated"),
            again.count("missing"),
            again.count("deleted"),
        ) == (0, 0, 0, 0)
    assert rows() == before


def test_when_the_newer_enrolment_is_gone_the_device_lives_on_under_the_older_at_once() -> None:
    id_ = an_integration(a_choice(deletion_after=1, deletion_threshold=100))
    sync(id_, enrolled("7", hours=1), enrolled("1"), *devices(2, 3))
    done = sync(id_, enrolled("1"), *devices(2, 3))
    assert (done.count("updated"), done.count("missing"), done.count("deleted"), done.state) == (
        1,
        0,
        0,
        SyncRunState.OK,
    )
    assert [external_id for _, external_id, _ in rows()] == ["1", "2", "3"]


@pytest.mark.usefixtures("page_by_page")
@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_of_several_older_enrolments_the_device_lives_on_under_the_newest_in_whatever_order_they_are_read(
    order: tuple[int, int],
) -> None:
    id_ = an_integration()
    sync(id_, enrolled("7", hours=3))
    first, second = (enrolled(str(hours), hours=hours) for hours in order)
    done = sync(id_, first, *devices(8), second, *devices(9))  # two to a page
    assert (done.count("updated"), done.count("missing")) == (1, 0)
    assert [external_id for _, external_id, _ in rows()] == ["2", "8", "9"]


def test_an_id_given_to_other_hardware_makes_a_new_device_and_the_old_one_goes_missing() -> None:
    id_ = an_integration()
    sync(id_, enrolled("1", "AA"))
    done = sync(id_, enrolled("1", "BB"))
    assert (done.count("added"), done.count("missing"), done.count("deleted")) == (1, 0, 0), (
        "one look is not enough"
    )
    assert sync(id_, enrolled("1", "BB")).count("missing") == 1
    assert [(external_id, udid) for _, external_id, udid in rows()] == [(None, "AA"), ("1", "BB")]
    back = sync(id_, enrolled("1", "BB"), enrolled("9", "AA"))
    assert (back.count("added"), back.count("reappeared")) == (0, 1)
    assert [(external_id, udid) for _, external_id, udid in rows()] == [("9", "AA"), ("1", "BB")]


def test_two_devices_that_swapped_their_ids_are_still_two_devices() -> None:
    id_ = an_integration()
    sync(id_, enrolled("1", "AA"), enrolled("2", "BB"))
    before = {udid: row for row, _, udid in rows()}
    done = sync(id_, enrolled("1", "BB"), enrolled("2", "AA"))
    assert (done.count("added"), done.count("missing")) == (0, 0)
    assert {udid: row for row, _, udid in rows()} == before
    assert {udid: external_id for _, external_id, udid in rows()} == {"AA": "2", "BB": "1"}


def test_a_deleted_device_that_is_enrolled_again_is_restored_with_its_row() -> None:
    id_ = an_integration(a_choice(deletion_after=1, deletion_threshold=100))
    sync(id_, enrolled("1"), *devices(2, 3))
    assert sync(id_, *devices(2, 3)).count("deleted") == 1
    done = sync(id_, enrolled("5", hours=2), *devices(2, 3))
    assert (done.count("restored"), done.count("added")) == (1, 0)
    assert [external_id for _, external_id, _ in rows()] == ["5", "2", "3"]


def test_a_change_stands_in_the_history_of_the_device_without_its_owner() -> None:
    id_ = an_integration()
    sync(id_, enrolled("1"))
    sync(id_, replace(enrolled("1"), os_version="16", name="mia Android"))
    (line,) = db.session.scalars(select(DeviceEvent)).all()
    assert (line.kind, line.detail) == ("changed", "OS version: 15 → 16; Device name changed")
