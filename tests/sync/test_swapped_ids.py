"""Ids swapped between devices in the choice and outside it, through whole runs (rung R: a UEM in memory)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from msgspec.structs import replace
from sqlalchemy import select

from harmony.clock import now
from harmony.db import db, release, write
from harmony.jobs import control, lease
from harmony.jobs.kinds import JobKind
from harmony.models import Device, DeviceEvent, Integration, JobRun, SkippedDevice, SyncRunState
from harmony.sync import job as sync_job
from harmony.sync import preview, snapshot
from harmony.sync.reading import planner
from harmony.sync.reading.placement import CONTRADICTS, TAKES_ID
from harmony.uem.errors import ServerFailed
from harmony.uem.records import SkippedRow
from harmony.uem.records import UemDevice as Record
from tests.builders import NOON, FakeUem, a_choice, an_integration, devices
from tests.stored import last_sync

pytestmark = pytest.mark.usefixtures("context")

BOLD = {"deletion_after": 1, "deletion_threshold": 100}
CHOSEN = 40
INSIDE, BEYOND = devices(*range(1, CHOSEN + 1)), devices(*range(901, 961), group_id="571")
# The chosen group alone, of which the child groups are outside; and the members of a smart group.
BY_GROUP, BY_MEMBERS = "570", "smart:9@570"
SCOPES = pytest.mark.parametrize("scope", [BY_GROUP, BY_MEMBERS])
Rows = Sequence[Record]
NOT_TAKEN_OVER = (
    SyncRunState.WARNING,
    f"Not taken over: another value for the UUID, UDID or serial number of {CHOSEN} devices, because too "
    "many changed at once.",
)
ELSEWHERE = {"group_id": "571", "group_name": "Group 571"}


def a_uem(listed: Rows, **more: object) -> FakeUem:
    """A UEM that lists these under the parent group; the first devices are members of the smart group."""
    members = {"9": frozenset(device.external_id for device in INSIDE)}
    return FakeUem({"570": listed}, members=members, page_size=7, **more)  # type: ignore[arg-type]


def sync(integration_id: int, uem: FakeUem) -> JobRun:
    """Sync now, and give back the run's row."""
    lease.request(integration_id, JobKind.DEVICES, "test", now())
    sync_job.sync(integration_id, opener=lambda *_: uem)
    release()
    return last_sync()


def refresh(integration_id: int, uem: FakeUem) -> JobRun:
    """Make a refresh due, run it, and give back the run's row."""
    with write() as session:
        integration = session.get_one(Integration, integration_id)
        integration.sync_job.next_at, integration.sync_job.refresh_at = now() + timedelta(hours=1), now()
    sync_job.sync(integration_id, opener=lambda *_: uem)
    release()
    return last_sync()


def stored() -> list[tuple[object, ...]]:
    """Everything that tells which device is which, and whether it is there."""
    columns = (Device.id, Device.external_id, Device.uuid, Device.udid, Device.serial, Device.fingerprint)
    found = db.session.execute(select(*columns, Device.missing_since, Device.deleted_at).order_by(Device.id))
    rows = [tuple(row) for row in found]
    release()
    return rows


def swapped(count: int, *fields: str, inside: Rows = INSIDE, beyond: Rows = BEYOND) -> list[Record]:
    """All rows, but so many of the chosen devices have exchanged these fields with devices outside."""
    near, far = list(inside), list(beyond)
    for place in range(count):
        first, second = near[place], far[place]
        near[place] = replace(first, **{name: getattr(second, name) for name in fields})
        far[place] = replace(second, **{name: getattr(first, name) for name in fields})
    # Neighbours in turn, so that a swap is seen from either side first.
    return [row for pair in zip(near, far, strict=False) for row in pair] + far[len(near) :]


@pytest.fixture(params=[1, 1000])
def rows_per_write(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every page is written before the next is asked for; or all rows together."""
    monkeypatch.setattr(snapshot, "ROWS_PER_WRITE", request.param)


@SCOPES
@pytest.mark.usefixtures("rows_per_write")
@pytest.mark.parametrize("count", [9, CHOSEN])
@pytest.mark.parametrize("fields", [("external_id",), ("external_id", "uuid")])
def test_ids_swapped_with_devices_outside_change_no_device(
    scope: str, count: int, fields: tuple[str, ...]
) -> None:
    id_ = an_integration(a_choice(scope, **BOLD))
    assert sync(id_, a_uem([*INSIDE, *BEYOND])).count("added") == CHOSEN
    before = stored()
    for _ in range(3):
        looked = preview.look(id_, a_choice(scope, **BOLD), a_uem(swapped(count, *fields)))
        done = sync(id_, a_uem(swapped(count, *fields)))
        assert (done.state, done.count("added"), done.count("updated")) == (SyncRunState.WARNING, 0, 0)
        assert count <= done.count("skipped") <= 2 * count
        assert (done.count("missing"), done.count("deleted")) == (0, 0)
        assert (looked.skipped, looked.updated, looked.missing) == (done.count("skipped"), 0, 0)
        assert f"{done.count('skipped')} device" in done.reason
        assert stored() == before
        listed = select(SkippedDevice.reason).where(SkippedDevice.run_id == done.id)
        assert set(db.session.scalars(listed)) <= {CONTRADICTS, TAKES_ID}
    assert sync(id_, a_uem([*INSIDE, *BEYOND])).state == SyncRunState.OK
    assert stored() == before
    assert db.session.scalars(select(DeviceEvent)).all() == []


@SCOPES
def test_a_refresh_believes_swapped_ids_no_more_than_a_full_sync(scope: str) -> None:
    id_ = an_integration(a_choice(scope, **BOLD), due=None)
    sync(id_, a_uem([*INSIDE, *BEYOND]))
    before, lately = stored(), now()
    lying = [replace(device, last_seen=lately) for device in swapped(5, "external_id")]
    done = refresh(id_, a_uem(lying))
    assert (done.state, done.count("updated"), done.count("skipped") > 0) == (SyncRunState.WARNING, 0, True)
    assert stored() == before


def test_a_run_that_breaks_off_before_every_id_was_seen_changes_no_id() -> None:
    id_ = an_integration(a_choice(BY_GROUP, **BOLD))
    sync(id_, a_uem([*INSIDE, *BEYOND]))
    before = stored()
    rows = swapped(3, "external_id")
    late = [row for row in rows if row.group_id == "570"] + [row for row in rows if row.group_id != "570"]
    done = sync(id_, a_uem(late, error=ServerFailed("The server answered 500."), fail_at=4))
    assert done.state == SyncRunState.INCOMPLETE
    assert stored() == before


@pytest.mark.parametrize("count", [1, CHOSEN])
@pytest.mark.parametrize("former", ["gone", "outside", "inside"])
@pytest.mark.parametrize("uuid", ["new", "same"])
def test_devices_that_were_enrolled_again_are_the_same_devices_after_one_run(
    count: int, former: str, uuid: str
) -> None:
    id_ = an_integration(a_choice(BY_GROUP, **BOLD))
    sync(id_, a_uem([*INSIDE, *BEYOND]))
    rows = [row[0] for row in stored()]
    again = [
        replace(
            device, external_id=f"5{device.external_id}", enrolled_at=NOON + timedelta(days=1),
            uuid=device.uuid if uuid == "same" else f"again {device.uuid}",
        )
        for device in INSIDE[:count]
    ]  # fmt: skip
    left = {"gone": [], "inside": INSIDE, "outside": [replace(one, **ELSEWHERE) for one in INSIDE]}[former]
    listed = [*again, *INSIDE[count:], *BEYOND, *left[:count]]
    done = sync(id_, a_uem(listed))
    assert (done.state, done.count("added"), done.count("updated"), done.count("missing")) == (
        SyncRunState.OK,
        0,
        count,
        0,
    )
    assert [row[0] for row in stored()] == rows
    assert [row[1] for row in stored()] == [one.external_id for one in (*again, *INSIDE[count:])]
    assert (sync(id_, a_uem(listed)).count("updated"), sync(id_, a_uem(listed)).state) == (0, SyncRunState.OK)


@pytest.mark.parametrize("most", [3, 40])
def test_more_enrolments_than_can_wait_are_taken_all_the_same(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planner, "MOST_WAITING", most)
    monkeypatch.setattr(planner, "ROWS_PER_PLAN", 2)
    id_ = an_integration(a_choice(BY_GROUP, **BOLD))
    sync(id_, a_uem(INSIDE))
    again = [replace(device, external_id=f"5{device.external_id}") for device in INSIDE]
    done = sync(id_, a_uem(again))
    assert (done.state, done.count("updated"), done.count("missing")) == (SyncRunState.OK, CHOSEN, 0)


def test_a_device_enrolled_again_outside_the_choice_has_left() -> None:
    id_ = an_integration(a_choice(BY_GROUP, **BOLD))
    sync(id_, a_uem([*INSIDE, *BEYOND]))
    moved = replace(INSIDE[0], external_id="999", uuid="another", **ELSEWHERE)
    done = sync(id_, a_uem([moved, *INSIDE[1:], *BEYOND]))
    assert (done.state, done.count("deleted")) == (SyncRunState.OK, 1)


@pytest.mark.parametrize("first", [True, False])
def test_a_row_that_only_repeats_a_device_outside_may_be_any_device(first: bool) -> None:
    id_ = an_integration(a_choice(BY_GROUP, **BOLD))
    sync(id_, a_uem([*INSIDE, *BEYOND]))
    listed = [*BEYOND, *INSIDE[1:]] if first else [*INSIDE[1:], *BEYOND]
    done = sync(id_, a_uem(listed, skipped=[SkippedRow(None, "No id.", BEYOND[0].udid)]))
    assert (done.state, done.count("missing"), done.count("deleted")) == (SyncRunState.WARNING, 0, 0)
    assert "1 of the rows do not say which device they are about" in done.reason


@pytest.mark.parametrize("again", [1, 2])
def test_ids_of_a_former_uem_contradict_nothing_in_the_new_one(again: int) -> None:
    """The new UEM has the same devices, and counted its ids from 1 too; some of its devices are outside."""
    id_ = an_integration(a_choice(BY_GROUP, deletion_after=9))
    sync(id_, a_uem([*INSIDE, *BEYOND]))
    with write() as session:
        control.await_sync(session, id_, now())
    moved = [replace(one, external_id=f"70{one.external_id}", uuid=f"new {one.uuid}") for one in INSIDE[1:]]
    others = [replace(one, external_id=str(place)) for place, one in enumerate(BEYOND, start=1)]
    for _ in range(again):
        done = sync(id_, a_uem([*moved, *others]))
        assert (done.state, done.count("skipped"), done.count("reappeared")) == (SyncRunState.OK, 0, 0), (
            done.reason
        )
    assert {row[1]: row[6] is not None for row in stored()} == {
        "1": True, **{one.external_id: False for one in moved}
    }  # fmt: skip


@pytest.mark.usefixtures("rows_per_write")
@pytest.mark.parametrize("fields", [("uuid",), ("serial",), ("uuid", "serial")])
@pytest.mark.parametrize(("count", "is_believed"), [(4, True), (CHOSEN, False)])
def test_uuids_and_serials_that_change_hands_are_believed_of_few_devices_only(
    fields: tuple[str, ...], count: int, is_believed: bool
) -> None:
    """Each device has those of the next one, as when a column of the answer has moved; ids and UDIDs stay."""
    id_ = an_integration(a_choice(BY_GROUP, **BOLD))
    sync(id_, a_uem(INSIDE))
    before = stored()
    told = [
        replace(device, **{name: getattr(INSIDE[(place + 1) % count], name) for name in fields})
        if place < count
        else device
        for place, device in enumerate(INSIDE)
    ]
    named = [replace(device, name=f"New name of {device.external_id}") for device in told]
    for rows in (told, named):
        done = sync(id_, a_uem(rows))
        assert (done.count("missing"), done.count("deleted"), done.count("added")) == (0, 0, 0)
        assert (done.state, done.reason) == ((SyncRunState.OK, "") if is_believed else NOT_TAKEN_OVER)
        changed = [old for old, new in zip(before, stored(), strict=True) if old[2:5] != new[2:5]]
        assert len(changed) == (count if is_believed else 0)
    names = set(db.session.scalars(select(Device.name)))
    assert names == {device.name for device in named}, "what identifies nobody is written as before"


@pytest.mark.usefixtures("rows_per_write")
@pytest.mark.parametrize("fields", [("udid",), ("uuid",), ("serial",), ("uuid", "udid")])
@pytest.mark.parametrize("run", ["full", "refresh"])
def test_marks_of_many_devices_that_are_not_believed_are_said_in_the_run(
    fields: tuple[str, ...], run: str
) -> None:
    """Each device shows the values of the next one; nothing that tells which device it is changes."""
    id_ = an_integration(a_choice(BY_GROUP, **BOLD), due=None)
    sync(id_, a_uem(INSIDE))
    before = stored()
    moved = zip(INSIDE, [*INSIDE[1:], INSIDE[0]], strict=True)
    told = [replace(old, **{name: getattr(new, name) for name in fields}) for old, new in moved]
    if run == "full":
        done = sync(id_, a_uem(told))
    else:
        done = refresh(id_, a_uem([replace(device, last_seen=now()) for device in told]))
    assert (done.count("added"), done.count("updated"), done.count("missing"), done.count("deleted")) == (
        0,
        0,
        0,
        0,
    )
    assert stored() == before
    assert (done.state, done.reason) == NOT_TAKEN_OVER
    assert sync(id_, a_uem(INSIDE)).state == SyncRunState.OK
    assert stored() == before
