"""Well-formed answers that say the wrong thing, and what a run makes of them (rung R: a UEM in memory)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import select

from harmony.clock import now
from harmony.db import db, release
from harmony.jobs import lease
from harmony.jobs.kinds import JobKind
from harmony.models import Device, JobRun, SkippedDevice, SyncRunState
from harmony.sync import job as sync_job
from harmony.sync.reading.placement import ELSEWHERE, MISNAMED, UNKNOWN, UNREADABLE
from harmony.uem.records import UemDevice as Record
from tests.builders import FakeUem, a_choice, an_integration, devices
from tests.stored import last_sync

pytestmark = pytest.mark.usefixtures("context")

BOLD = {"deletion_after": 1, "deletion_threshold": 100}
WAITING = "so none was counted as missing."


def sync(integration_id: int, uem: FakeUem) -> JobRun:
    """Sync now, and give back the run's row."""
    lease.request(integration_id, JobKind.DEVICES, "test", now())
    sync_job.sync(integration_id, opener=lambda *_: uem)
    release()
    return last_sync()


def gone() -> list[str | None]:
    """The ids of the devices that are missing or deleted."""
    left = Device.missing_since.is_not(None) | Device.deleted_at.is_not(None)
    found = db.session.scalars(select(Device.external_id).where(left).order_by(Device.id)).all()
    release()
    return list(found)


def reasons(done: JobRun) -> set[str]:
    """Why rows of a run were not believed."""
    return set(db.session.scalars(select(SkippedDevice.reason).where(SkippedDevice.run_id == done.id)))


@pytest.mark.parametrize(
    ("group", "asked", "why"),
    [
        ({"group_id": "", "group_name": ""}, "570", UNREADABLE),
        ({"group_id": "", "group_uuid": "nobody-knows"}, "570", UNREADABLE),
        ({"group_id": "999"}, "570", UNKNOWN),
        ({"group_id": "571", "group_name": "Group 570"}, "570", MISNAMED),
        ({"group_id": "570", "group_name": "Group 570"}, "571", ELSEWHERE),
    ],
)
@pytest.mark.parametrize("times", [1, 3])
def test_a_row_whose_group_cannot_be_believed_keeps_its_device(
    group: dict[str, Any], asked: str, why: str, times: int
) -> None:
    id_ = an_integration(a_choice(asked, **BOLD))
    honest = devices(*range(1, 11), group_id=asked)
    sync(id_, FakeUem({asked: honest}))
    lying = [replace(honest[0], **group), *honest[1:]]
    for _ in range(times):
        done = sync(id_, FakeUem({asked: lying}))
        assert (done.state, done.count("missing"), done.count("skipped")) == (SyncRunState.WARNING, 0, 1)
        assert reasons(done) == {why}
        assert gone() == []
    assert sync(id_, FakeUem({asked: honest})).state == SyncRunState.OK


def test_a_device_that_says_it_is_in_another_group_has_left() -> None:
    id_ = an_integration(a_choice("570", **BOLD))
    sync(id_, FakeUem({"570": devices(1, 2)}))
    done = sync(id_, FakeUem({"570": [*devices(1), *devices(2, group_id="571")]}))
    assert (done.state, done.count("deleted"), gone()) == (SyncRunState.OK, 1, ["2"])


@pytest.mark.parametrize("udid", ["", "System.Byte[]", "00000000-0000-0000-0000-000000000000"])
def test_a_device_with_a_placeholder_for_its_udid_is_listed_by_its_id(udid: str) -> None:
    id_ = an_integration(a_choice("570", **BOLD))
    listed = [replace(device, udid=udid) for device in devices(1, 2, 3)]
    first, second = sync(id_, FakeUem({"570": listed})), sync(id_, FakeUem({"570": listed}))
    assert (first.state, first.count("added"), second.count("unchanged")) == (SyncRunState.OK, 3, 3)
    assert set(db.session.scalars(select(Device.udid_key))) == {""}


def test_a_udid_that_many_records_share_identifies_none_of_them() -> None:
    id_ = an_integration(a_choice("570", **BOLD))
    shared = [replace(device, udid="ab" * 20) for device in devices(*range(1, 9))]
    for _ in range(2):
        done = sync(id_, FakeUem({"570": shared}, page_size=8))
        assert (done.count("missing"), done.count("deleted")) == (0, 0)
    rows = db.session.execute(select(Device.external_id, Device.udid_key)).all()
    assert sorted(rows) == [(str(number), "") for number in range(1, 9)]


def test_members_of_a_smart_group_that_no_list_shows_are_kept() -> None:
    id_ = an_integration(a_choice("smart:9@570", **BOLD))
    members = {"9": frozenset({"1", "2"})}
    sync(id_, FakeUem({"570": devices(1, 2)}, members=members))
    done = sync(id_, FakeUem({"570": devices(1)}, members=members))
    assert (done.state, gone()) == (SyncRunState.WARNING, [])
    assert "Kept: 1 device that smart groups name and no list shows." in done.reason


class ShortMembers(FakeUem):
    """Counts one member more than it ever lists."""

    def groups(self) -> list[Any]:
        found = super().groups()
        return [
            group if group.kind != "smart" or group.external_id != "9" else _one_more(group)
            for group in found
        ]


def _one_more(group: Any) -> Any:
    return dataclasses.replace(group, devices=group.devices + 1)


def test_a_list_of_members_shorter_than_the_count_proves_no_absence() -> None:
    id_ = an_integration(a_choice("smart:9@570", **BOLD))
    sync(id_, FakeUem({"570": devices(1, 2)}, members={"9": frozenset({"1", "2"})}))
    done = sync(id_, ShortMembers({"570": devices(1, 2)}, members={"9": frozenset({"1"})}))
    assert (done.state, gone()) == (SyncRunState.WARNING, [])
    assert WAITING in done.reason


@pytest.mark.parametrize("listed", [devices(1), []])
def test_a_list_without_a_number_proves_no_absence(listed: Sequence[Record]) -> None:
    id_ = an_integration(a_choice("570", **BOLD))
    sync(id_, FakeUem({"570": devices(1, 2)}))
    uem = FakeUem({"570": listed}, totals={"570": None} if listed else {})  # type: ignore[dict-item]
    if not listed:
        uem.groups = FakeUem({"570": devices(1, 2)}).groups  # type: ignore[method-assign]
    done = sync(id_, uem)
    assert (done.state, gone()) == (SyncRunState.WARNING, [])
    assert WAITING in done.reason


def test_rows_that_share_one_id_keep_the_devices_that_they_name() -> None:
    id_ = an_integration(a_choice("570", **BOLD))
    honest = devices(1, 2, 3, 4)
    sync(id_, FakeUem({"570": honest}, page_size=4))
    lying = [replace(device, external_id="1") for device in honest]
    done = sync(id_, FakeUem({"570": lying}, page_size=4, totals={"570": 1}))
    assert (done.count("missing"), done.count("deleted"), gone()) == (0, 0, [])
