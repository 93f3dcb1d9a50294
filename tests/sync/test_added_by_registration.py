"""Devices that Protect registered before the UEM listed them (rung R: a UEM in memory, both databases)."""

from __future__ import annotations

from uuid import uuid4

import pytest
from sqlalchemy import select

from harmony.clock import now
from harmony.db import db, write
from harmony.device_api.registration.devices import add_device
from harmony.device_api.schemas import Register
from harmony.jobs import lease
from harmony.jobs.kinds import JobKind
from harmony.models import Device, DeviceEvent, Happening, JobRun, Protection
from harmony.sync import job as sync_job
from harmony.sync.deletion import soft_delete
from harmony.uem.records import UemDevice as Record
from tests.builders import FakeUem, a_choice, a_device, an_integration
from tests.stored import last_sync

pytestmark = pytest.mark.usefixtures("context")


def added(integration_id: int, udid: str = "AA-bb") -> int:
    asked = Register(token="t", udid=udid, platform="ios", model="iPhone", serial="F1", request_id=uuid4())
    with write() as session:
        return add_device(session, integration_id, asked, now()).id


def sync(integration_id: int, *listed: Record) -> JobRun:
    lease.request(integration_id, JobKind.DEVICES, "test", now())
    sync_job.sync(integration_id, opener=lambda *_: FakeUem({"570": listed}))
    db.session.rollback()
    return last_sync()


def told(device_id: int) -> list[tuple[str, str]]:
    mine = select(DeviceEvent.kind, DeviceEvent.detail).where(DeviceEvent.device_id == device_id)
    return [tuple(row) for row in db.session.execute(mine.order_by(DeviceEvent.id))]  # type: ignore[misc]


def test_the_sync_that_lists_it_makes_it_a_device_like_any_other() -> None:
    id_ = an_integration()
    device_id = added(id_)
    with write() as session:
        session.add(Protection(device_id=device_id, integration_id=id_, changed_at=now()))
    done = sync(id_, a_device(external_id="7", udid="aa-BB", name="Kim's iPhone"))
    device = db.session.scalars(select(Device)).one()
    assert (done.count("added"), done.count("updated")) == (0, 1)
    assert (device.id, device.external_id, device.added_by) == (device_id, "7", None)
    assert (device.udid, device.name) == ("aa-BB", "Kim's iPhone")
    assert told(device_id) == [(Happening.LISTED, "Added by registration; the UEM lists it now.")]
    assert db.session.get(Protection, device_id) is not None
    assert soft_delete.unlisted(id_) == 0


def test_it_is_merged_once_and_enrolled_again_afterwards() -> None:
    id_ = an_integration()
    device_id = added(id_)
    sync(id_, a_device(external_id="7", udid="AA-bb"))
    assert sync(id_, a_device(external_id="7", udid="AA-bb")).count("unchanged") == 1
    sync(id_, a_device(external_id="8", udid="AA-bb", serial="S7"))
    assert [kind for kind, _ in told(device_id)][:2] == [Happening.LISTED, Happening.ENROLLED_AGAIN]


def test_a_device_that_was_never_listed_is_never_missing() -> None:
    id_ = an_integration(a_choice("570", deletion_after=1, deletion_threshold=100))
    device_id = added(id_)
    sync(id_, a_device(external_id="1"))
    done = sync(id_, a_device(external_id="1"))
    device = db.session.get_one(Device, device_id)
    assert (done.count("missing"), device.missing_since, device.deleted_at) == (0, None, None)
    assert soft_delete.unlisted(id_) == 1


def test_one_that_a_person_deleted_comes_back_when_the_uem_lists_it() -> None:
    id_ = an_integration()
    device_id = added(id_)
    sync(id_, a_device(external_id="1"))
    mine = (Device.integration_id == id_,)
    assert [soft_delete.delete_unlisted(mine, "kim", now()) for _ in range(2)] == [1, 0]
    sync(id_, a_device(external_id="1"), a_device(external_id="7", udid="AA-bb"))
    device = db.session.get_one(Device, device_id)
    assert (device.external_id, device.added_by, device.deleted_at) == ("7", None, None)
    assert told(device_id)[0][0] == Happening.DELETED
    assert soft_delete.delete_unlisted(mine, "kim", now()) == 0


def test_once_listed_it_can_be_missed() -> None:
    id_ = an_integration()
    device_id = added(id_)
    sync(id_, a_device(external_id="7", udid="AA-bb"), a_device(external_id="1"))
    assert sync(id_, a_device(external_id="1")).count("missing") == 1
    assert db.session.get_one(Device, device_id).missing_since is not None


def test_devices_that_were_never_listed_do_not_make_room_for_deletions() -> None:
    id_ = an_integration(a_choice("570", deletion_after=1, deletion_threshold=20))
    for number in range(20):
        added(id_, f"new {number}")
    sync(id_, *(a_device(external_id=str(number)) for number in (1, 2, 3, 4)))
    done = sync(id_, *(a_device(external_id=str(number)) for number in (1, 2, 3)))
    assert (done.state, done.count("deleted")) == ("held", 0)


def test_it_holds_no_personal_data_and_the_placeholder_where_none_is_imported() -> None:
    id_ = an_integration(a_choice("570", import_email=False))
    device = db.session.get_one(Device, added(id_))
    assert (device.email, device.name, device.phone) == ("AA-bb@WorkspaceONE.UEM", "", "")
    assert db.session.get_one(Device, added(an_integration())).email == ""
