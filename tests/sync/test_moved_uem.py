"""Server Details lead to another UEM: whose id is one of the new UEM (rung R: a UEM in memory)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from msgspec.structs import replace
from sqlalchemy import select, text

from harmony.apps import targets
from harmony.clock import now
from harmony.db import db, release, write
from harmony.jobs import control, lease
from harmony.jobs.kinds import JobKind
from harmony.models import Device, DeviceEvent, Integration, JobRun, SyncRunState
from harmony.sync import job as sync_job
from harmony.sync.current_ids import has_current_id
from harmony.uem.records import SkippedRow
from harmony.uem.records import UemDevice as Record
from tests.builders import FakeUem, a_choice, an_integration, devices
from tests.stored import last_sync

pytestmark = pytest.mark.usefixtures("context")

FLEET = 40
FORMER = devices(*range(1, FLEET + 1), platform="Apple")
# The same devices in another UEM, which counted its ids from 1 too.
ANEW = [
    replace(device, external_id=str(number % FLEET + 1), uuid=f"new {device.uuid}")
    for number, device in enumerate(FORMER, start=1)
]
NOT_TAGGED = "that no sync has found in the UEM since Server Details were changed"


def sync(integration_id: int, listed: Sequence[Record], *skipped: SkippedRow) -> JobRun:
    """Sync now, and give back the run's row."""
    uem = FakeUem({"570": listed}, page_size=7, skipped=list(skipped))
    lease.request(integration_id, JobKind.DEVICES, "test", now())
    sync_job.sync(integration_id, opener=lambda *_: uem)
    release()
    return last_sync()


def a_moved_integration() -> int:
    """An integration that has synced the former UEM, and whose Server Details lead to another one now."""
    id_ = an_integration(a_choice(deletion_after=2, deletion_threshold=100))
    assert sync(id_, FORMER).count("added") == FLEET
    with write() as session:
        control.await_sync(session, id_, now())
    assert usable(id_) == set()
    return id_


def usable(integration_id: int) -> set[str]:
    """The UDIDs of the devices whose stored id may be used in the UEM."""
    current = (Device.integration_id == integration_id, Device.external_id.is_not(None))
    found = select(Device.udid).where(*current, text(has_current_id("device")))
    udids = set(db.session.scalars(found))
    assert targets.waiting(integration_id) == len(udids)
    release()
    return udids


def stored() -> dict[str, tuple[int, str | None, bool]]:
    """Row id, the UEM's id and whether it is missing, by UDID."""
    found = db.session.scalars(select(Device)).all()
    rows = {
        device.udid: (device.id, device.external_id, device.missing_since is not None) for device in found
    }
    assert len(rows) == len(found), "a device was made twice"
    release()
    return rows


def udids(listed: Sequence[Record]) -> set[str]:
    return {device.udid for device in listed}


def test_a_device_that_only_a_doubt_keeps_has_no_id_until_the_new_uem_lists_it() -> None:
    id_ = a_moved_integration()
    unreadable = SkippedRow(None, "Its id cannot be read.", ANEW[4].udid)
    for _ in range(2):
        done = sync(id_, [*ANEW[:4], *ANEW[5:]], unreadable)
        assert (done.state, done.count("missing"), done.count("added")) == (SyncRunState.WARNING, 0, 0), (
            done.reason
        )
        assert f"1 device {NOT_TAGGED}" in done.reason
        assert usable(id_) == udids(ANEW) - {ANEW[4].udid}
    done = sync(id_, ANEW)
    assert (done.state, usable(id_)) == (SyncRunState.OK, udids(ANEW)), done.reason


@pytest.mark.parametrize("lost", [0, 3])
def test_a_row_that_is_never_readable_keeps_nobody_else_from_being_tagged(lost: int) -> None:
    id_ = a_moved_integration()
    done = sync(id_, ANEW[lost:], SkippedRow(None, "Nothing of it can be read."))
    assert (done.state, done.count("missing")) == (SyncRunState.WARNING, 0), done.reason
    assert (NOT_TAGGED in done.reason) is bool(lost)
    assert not db.session.get_one(Integration, id_).awaits_sync
    assert usable(id_) == udids(ANEW[lost:])


def test_another_uem_that_gave_the_same_ids_to_other_devices_is_taken_over_in_one_run() -> None:
    id_ = a_moved_integration()
    rows = {udid: row_id for udid, (row_id, _, _) in stored().items()}
    done = sync(id_, ANEW)
    assert (done.state, done.count("added"), done.count("missing"), done.count("skipped")) == (
        SyncRunState.OK,
        0,
        0,
        0,
    ), done.reason
    assert stored() == {device.udid: (rows[device.udid], device.external_id, False) for device in ANEW}
    assert usable(id_) == udids(ANEW)
    assert sync(id_, ANEW).count("unchanged") == FLEET


def test_a_stranger_with_a_former_id_takes_nothing_from_the_device_that_had_it() -> None:
    id_ = a_moved_integration()
    strangers = devices(1, 2, 3, udid="stranger", platform="Apple")
    strangers = [
        replace(device, udid=f"stranger {device.external_id}", serial=f"T{device.external_id}", uuid="")
        for device in strangers
    ]
    others = [replace(device, external_id=f"9{device.external_id}") for device in ANEW[3:]]
    done = sync(id_, [*strangers, *others])
    assert (done.count("added"), done.count("skipped")) == (3, 0), done.reason
    assert usable(id_) == udids([*strangers, *others])
    sync(id_, [*strangers, *others])
    assert {udid for udid, row in stored().items() if row[2]} == udids(FORMER[:3])


def test_the_same_uem_under_another_name_lists_the_same_devices() -> None:
    id_ = a_moved_integration()
    done = sync(id_, FORMER)
    assert (done.state, done.count("updated"), done.count("unchanged")) == (SyncRunState.OK, 0, FLEET), (
        done.reason
    )
    assert usable(id_) == udids(FORMER)
    assert db.session.scalars(select(DeviceEvent)).all() == []


def test_an_interrupted_first_run_has_placed_those_it_wrote_and_nobody_is_tagged_yet() -> None:
    id_ = a_moved_integration()
    uem = FakeUem({"570": ANEW[:9]}, totals={"570": FLEET}, page_size=7)
    lease.request(id_, JobKind.DEVICES, "test", now())
    sync_job.sync(id_, opener=lambda *_: uem)
    assert usable(id_) == udids(ANEW[:9])
    assert db.session.get_one(Integration, id_).awaits_sync, (
        "a run that did not read all is no look at the UEM"
    )
