"""The end of a complete snapshot on a file SQLite (rung: shell, and kills simulated by exceptions)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import pytest
from sqlalchemy import event, select, text, update
from sqlalchemy.orm import Session

from harmony.db import db, release, write
from harmony.jobs.accounting import Account, Identity
from harmony.jobs.lease import LeaseLost
from harmony.models import (
    Absence,
    Device,
    DeviceEvent,
    Happening,
    Hold,
    Integration,
)
from harmony.sync.deletion import holds, soft_delete
from harmony.sync.deletion import missing as deletion_missing
from harmony.sync.deletion.evaluate import Departed, depart
from tests.builders import NOON, a_choice, an_integration
from tests.stored import (
    GROUP,
    a_hold,
    devices,
    list_digest,
    live,
    missing,
    no_beat,
    plan_of,
    snapshot,
    store,
    synced,
)

pytestmark = pytest.mark.usefixtures("context")

HOUR = timedelta(hours=1)
OTHER = ("smart", "9")


def integration(after: int = 1, threshold: int = 100, groups: tuple[str, ...] = ("570",)) -> int:
    return an_integration(a_choice(*groups, deletion_after=after, deletion_threshold=threshold))


def history(kind: Happening) -> list[tuple[int, str]]:
    found = select(DeviceEvent.device_id, DeviceEvent.detail).where(DeviceEvent.kind == kind)
    return [(row[0], row[1]) for row in db.session.execute(found.order_by(DeviceEvent.id))]


def the_hold(id_: int) -> Hold:
    holds_ = db.session.scalars(select(Hold).where(Hold.integration_id == id_).order_by(Hold.id)).all()
    return holds_[-1]


# --- marking ---


def test_a_device_that_was_not_listed_is_marked_with_the_number_of_the_snapshot() -> None:
    id_ = integration(after=3)
    store(id_, 4)
    assert synced(id_, [0, 1, 3]) == Departed(missing=1)
    (marked,) = devices(id_, Device.missing_since.is_not(None))
    assert (marked.external_id, marked.absent_from, marked.missing_since) == ("2", 1, NOON)
    assert (marked.absent_why, marked.deleted_at) == ("plain", None)
    assert history(Happening.MISSING) == [(marked.id, "")]


def test_a_second_miss_writes_nothing() -> None:
    id_ = integration(after=3)
    store(id_, 4)
    synced(id_, [0, 1, 3])
    assert synced(id_, [0, 1, 3], NOON + HOUR) == Departed()
    (marked,) = devices(id_, Device.missing_since.is_not(None))
    assert (marked.absent_from, marked.missing_since) == (1, NOON)


def test_no_row_of_a_device_that_was_seen_is_written() -> None:
    id_ = integration(after=3)
    store(id_, 3000)
    written: list[str] = []
    listen = lambda *args: written.append(args[2]) if args[2].startswith("UPDATE") else None  # noqa: E731
    event.listen(db.engine, "before_cursor_execute", listen)
    depart(snapshot(id_, range(3000)), no_beat, NOON)
    event.remove(db.engine, "before_cursor_execute", listen)
    assert written == []


@pytest.mark.parametrize("mark", ["uuid", "udid_key", "serial"])
@pytest.mark.parametrize("missing_already", [False, True])
def test_a_device_that_a_doubtful_row_may_be_about_is_kept(mark: str, missing_already: bool) -> None:
    id_ = integration(after=2)
    store(id_, 2)
    if missing_already:
        synced(id_, [0])
    (device,) = devices(id_, Device.external_id == "1")
    account = Account()
    account.doubt(Identity(**{mark: getattr(device, mark).lower()}))
    departed = synced(id_, [0], account=account)
    assert (departed.kept, departed.reappeared, departed.missing) == (1, int(missing_already), 0)
    assert missing(id_) == []


def test_a_missing_device_that_a_smart_group_names_is_there_again() -> None:
    id_ = integration(after=2)
    store(id_, 2)
    synced(id_, [0])
    assert synced(id_, [0, 1]) == Departed(reappeared=1)
    assert missing(id_) == []


def test_a_device_whose_id_went_to_another_one_is_judged_by_its_udid() -> None:
    id_ = integration(after=3)
    store(id_, 3)
    with write() as session:
        session.execute(text("UPDATE device SET external_id = NULL WHERE external_id IN ('1', '2')"))
    account = Account()
    account.doubt(Identity(udid_key="udid1"))
    assert synced(id_, [0], account=account) == Departed(missing=1, kept=1)
    assert [device.udid_key for device in devices(id_, Device.missing_since.is_not(None))] == ["udid2"]


def test_a_device_is_missing_only_in_the_sync_after_the_one_that_gave_its_id_to_another() -> None:
    id_ = integration(after=1)
    store(id_, 2)
    (device,) = devices(id_, Device.external_id == "1")
    account = Account(detached={"1": device.id})
    with write() as session:
        session.get_one(Device, device.id).external_id = None
    assert synced(id_, [0], account=account) == Departed()
    assert synced(id_, [0]).deleted == 1


def test_only_the_own_integration_is_looked_at() -> None:
    one, two = integration(after=3), integration(after=3)
    store(one, 3)
    store(two, 3)
    synced(one, [])
    assert (missing(one), missing(two)) == (["0", "1", "2"], [])


def test_every_device_of_a_long_list_is_looked_at_once_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deletion_missing, "SLICE", 7)
    monkeypatch.setattr(deletion_missing, "ROWS_PER_WRITE", 10)
    id_ = integration(after=3)
    store(id_, 100)
    asked: list[str | None] = []

    def is_listed(external_id: str | None) -> bool:
        asked.append(external_id)
        return int(external_id or 0) % 3 != 0

    beats: list[int] = []
    snapped = snapshot(id_, [], is_listed=is_listed)
    assert depart(snapped, lambda _session: beats.append(1), NOON).missing == 34
    assert sorted(asked, key=lambda one: int(one or 0)) == [str(number) for number in range(100)]
    assert len(beats) == 4


@pytest.mark.parametrize("suspect", [Absence.EDITED, Absence.RESTORED])
def test_the_first_snapshot_after_an_edit_or_a_restore_is_not_believed(suspect: Absence) -> None:
    id_ = integration(after=2)
    store(id_, 50)
    with write() as session:
        session.get_one(Integration, id_).suspect = suspect
    synced(id_, range(1, 50))
    departed = synced(id_, range(1, 50))
    assert departed.deleted == 0
    assert departed.hold_id is not None
    assert the_hold(id_).reasons == [suspect.value]
    assert devices(id_)[0].absent_why == suspect


def test_a_doubtful_snapshot_holds_even_what_was_missed_before_it() -> None:
    id_ = integration(after=2)
    store(id_, 50)
    synced(id_, range(1, 50))
    assert synced(id_, range(1, 50), suspect=Absence.EDITED).hold_id is not None


def test_a_device_whose_every_chosen_group_listed_nothing_is_doubted() -> None:
    id_ = integration(after=3, groups=("570", "smart:9@570"))
    store(id_, 1, 0, [GROUP])
    store(id_, 1, 1, [GROUP, OTHER])
    store(id_, 1, 2, [OTHER, ("smart", "no longer chosen")])
    store(id_, 1, 3, [("smart", "no longer chosen")])
    synced(id_, [], emptied=[OTHER, ("smart", "no longer chosen")])
    assert [device.absent_why for device in devices(id_)] == ["plain", "plain", "emptied", "plain"]


def test_a_group_that_empties_is_held_whatever_the_percentage() -> None:
    id_ = integration(threshold=100, groups=("570", "600"))
    store(id_, 95, 0, [GROUP])
    store(id_, 5, 95, [("organization", "600")])
    departed = synced(id_, range(95), emptied=[("organization", "600")])
    assert (departed.deleted, len(live(id_))) == (0, 100)
    assert departed.reasons == ("There were devices in Group 600; none is listed there any more.",)


def test_a_group_that_empties_while_its_devices_are_counted_is_held() -> None:
    id_ = integration(after=2)
    store(id_, 10)
    synced(id_, range(1, 10))
    assert synced(id_, [], emptied=[GROUP]).deleted == 0
    assert the_hold(id_).reasons == ['emptied=["Group 570"]']


def test_everything_empty_is_held_with_the_threshold_off() -> None:
    id_ = integration(threshold=100)
    store(id_, 20)
    assert synced(id_, [], emptied=[GROUP]).deleted == 0
    assert len(live(id_)) == 20


# --- deletion ---


def test_a_device_is_deleted_softly_after_exactly_so_many_confirming_snapshots() -> None:
    id_ = integration(after=3, threshold=20)
    store(id_, 10)
    assert [synced(id_, range(1, 10)).deleted for _ in range(4)] == [0, 0, 1, 0]
    gone = devices(id_)[0]
    assert (gone.deleted_at, gone.deleted_by, gone.absent_from) == (NOON, "sync", 1)
    assert history(Happening.DELETED) == [(gone.id, "Not listed by 3 complete syncs in a row, or more.")]


def test_a_deleted_device_is_not_marked_again() -> None:
    id_ = integration(threshold=20)
    store(id_, 10)
    synced(id_, range(1, 10))
    with write() as session:
        session.execute(
            text("UPDATE device SET absent_from = NULL, missing_since = NULL WHERE deleted_at IS NOT NULL")
        )
    assert synced(id_, range(1, 10)) == Departed()


def test_more_than_the_threshold_is_held_and_nothing_at_all_is_deleted() -> None:
    id_ = integration(threshold=20)
    store(id_, 5)
    departed = synced(id_, [0, 1, 2])
    assert (departed.missing, departed.deleted, len(live(id_))) == (2, 0, 5)
    assert departed.reasons == ("2 of 5 devices would go; the deletion threshold is 20 %.",)
    hold = the_hold(id_)
    assert (hold.id, hold.state, hold.devices, hold.live, hold.up_to) == (departed.hold_id, "open", 2, 5, 1)
    assert hold.digest == list_digest(hold)


def test_small_deletions_that_add_up_within_a_day_are_held() -> None:
    id_ = integration(threshold=20)
    store(id_, 100)
    moments = [NOON + hours * HOUR for hours in (0, 10, 20, 50)]
    listed = (10, 20, 30, 30)
    done = [synced(id_, range(n, 100), at).deleted for n, at in zip(listed, moments, strict=True)]
    assert done == [10, 10, 0, 0], "and the hold of the third waits for a person"
    assert the_hold(id_).reasons == ["waiting"]


def test_a_day_later_as_many_may_go_again() -> None:
    id_ = integration(threshold=20)
    store(id_, 100)
    days = [NOON + n * 25 * HOUR for n in range(3)]
    assert [synced(id_, range(10 * n, 100), at).deleted for n, at in enumerate(days, 1)] == [10, 10, 10]


def test_while_a_hold_is_open_it_grows_and_keeps_its_place_and_nothing_else_is_deleted() -> None:
    id_ = integration(threshold=20)
    first = a_hold(id_, 10, 5)
    hold_id, digest = first.id, first.digest
    departed = synced(id_, range(6, 10), NOON + HOUR)
    hold = the_hold(id_)
    assert (departed.hold_id, departed.deleted, hold.id, hold.created_at) == (hold_id, 0, hold_id, NOON)
    assert (hold.devices, hold.up_to, hold.digest != digest) == (6, 2, True)
    assert hold.reasons == ["threshold:6:10:20"]


def test_a_hold_whose_devices_came_back_is_closed() -> None:
    id_ = integration(threshold=20)
    a_hold(id_, 10, 5)
    come_back(id_)
    assert synced(id_, range(10), NOON + HOUR) == Departed()
    assert (the_hold(id_).state, the_hold(id_).decided_at) == ("cleared", NOON + HOUR)
    assert holds.open_hold(id_) is None


def come_back(id_: int, *external_ids: str) -> None:
    """What the pages of a run do to missing devices that are listed again; to all without a name."""
    mine = (Device.integration_id == id_, Device.deleted_at.is_(None))
    back = update(Device).where(*mine, Device.external_id.in_(external_ids or live(id_)))
    release()
    with write() as session:
        session.execute(back.values(absent_from=None, missing_since=None, absent_why=""))


# --- approvals ---


def approved(id_: int) -> Hold:
    hold = holds.open_hold(id_)
    assert hold is not None
    number, digest = hold.devices, list_digest(hold)
    release()
    holds.approve(hold.id, digest, number, "kim", NOON)
    return the_hold(id_)


def test_an_approved_list_is_deleted_by_the_next_complete_snapshot_whatever_the_guard_says() -> None:
    id_ = integration(threshold=0)
    a_hold(id_, 10, 6)
    approved(id_)
    assert synced(id_, range(6, 10), NOON + HOUR) == Departed(deleted=6)
    assert live(id_) == ["6", "7", "8", "9"]
    assert {device.deleted_by for device in devices(id_)[:6]} == {"kim"}
    assert the_hold(id_).state == "done"


def test_devices_that_came_back_before_an_approval_is_carried_out_are_spared() -> None:
    id_ = integration(threshold=20)
    a_hold(id_, 10, 6)
    approved(id_)
    come_back(id_, "2", "3")
    assert synced(id_, [2, 3, *range(6, 10)], NOON + HOUR).deleted == 4
    assert live(id_) == ["2", "3", "6", "7", "8", "9"]


def test_devices_that_went_missing_after_an_approval_need_another_one() -> None:
    id_ = integration(threshold=20)
    a_hold(id_, 20, 6)
    approved(id_)
    departed = synced(id_, range(12, 20), NOON + HOUR)
    assert (departed.deleted, len(live(id_))) == (6, 14)
    assert departed.reasons == ("6 of 14 devices would go; the deletion threshold is 20 %.",)
    states = db.session.scalars(select(Hold.state).order_by(Hold.id)).all()
    assert states == ["done", "open"]


def test_a_few_that_fell_due_beside_an_approval_go_through_the_guard_by_themselves() -> None:
    id_ = integration(threshold=20)
    a_hold(id_, 20, 6)
    approved(id_)
    assert synced(id_, range(7, 20), NOON + HOUR).deleted == 7
    assert devices(id_)[6].deleted_by == "sync"


def test_what_a_person_approved_does_not_count_against_the_day() -> None:
    id_ = integration(threshold=20)
    a_hold(id_, 20, 10)
    approved(id_)
    synced(id_, range(10, 20), NOON + HOUR)
    assert synced(id_, range(12, 20), NOON + 2 * HOUR).deleted == 2


def test_an_approval_that_ran_out_deletes_nothing_and_is_held_anew() -> None:
    id_ = integration(threshold=20)
    a_hold(id_, 10, 6)
    approved(id_)
    departed = synced(id_, range(6, 10), NOON + timedelta(hours=24))
    assert (departed.deleted, len(live(id_))) == (0, 10)
    rows = db.session.execute(select(Hold.state, Hold.created_at).order_by(Hold.id)).all()
    assert [tuple(row) for row in rows] == [("expired", NOON), ("open", NOON + timedelta(hours=24))]
    assert departed.hold_id == the_hold(id_).id


def test_an_approval_of_a_clock_that_was_ahead_does_not_count_until_that_time_has_come() -> None:
    id_ = integration(threshold=20)
    a_hold(id_, 10, 6)
    approved(id_)
    departed = synced(id_, range(6, 10), NOON - timedelta(hours=24))
    assert (departed.deleted, len(live(id_))) == (0, 10)
    assert db.session.scalars(select(Hold.state).order_by(Hold.id)).all() == ["expired", "open"]


def test_a_list_of_an_approval_that_ran_out_waits_even_when_the_guard_would_let_it_go() -> None:
    id_ = integration(threshold=20)
    a_hold(id_, 10, 6)
    approved(id_)
    come_back(id_, "0", "1")
    store(id_, 100, start=100)
    later = NOON + timedelta(hours=25)
    assert synced(id_, [0, 1, *range(6, 10), *range(100, 200)], later).reasons == (
        "An earlier sync held deletions back; none is done until somebody has decided.",
    )


def test_an_approval_that_is_taken_back_stops_the_deletion_at_the_next_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(soft_delete, "ROWS_PER_WRITE", 2)
    id_ = integration(threshold=20)
    a_hold(id_, 10, 6)
    approved(id_)
    batches = 0

    def beat(session: Session) -> None:
        nonlocal batches
        batches += 1
        if batches == 3:
            session.execute(text("UPDATE hold SET state = 'open'"))

    departed = depart(snapshot(id_, range(6, 10)), beat, NOON + HOUR)
    assert (departed.deleted, len(live(id_))) == (4, 6)
    assert departed.hold_id == the_hold(id_).id


# --- kills ---


class Killed(Exception):
    """Stands for a kill -9: nothing after it runs."""


def scene_marking() -> int:
    id_ = integration(after=3)
    store(id_, 30)
    return id_


def scene_deleting() -> int:
    id_ = integration(threshold=40)
    store(id_, 30)
    return id_


def scene_holding() -> int:
    id_ = integration(threshold=1)
    store(id_, 30)
    return id_


def scene_refreshing() -> int:
    id_ = integration(threshold=1)
    a_hold(id_, 30, 5)
    return id_


def scene_approved() -> int:
    id_ = integration(threshold=1)
    a_hold(id_, 30, 5)
    approved(id_)
    return id_


def scene_run_out() -> int:
    id_ = scene_approved()
    with write() as session:
        session.execute(text("UPDATE hold SET expires_at = created_at"))
    return id_


def state(id_: int) -> list[object]:
    """All that must be the same after a broken and an unbroken run, but the ids of the runs."""
    kept = [
        (one.external_id, one.absent_from, one.absent_why, one.missing_since, one.deleted_at, one.deleted_by)
        for one in devices(id_)
    ]
    told = db.session.execute(
        select(DeviceEvent.kind, DeviceEvent.detail, Device.external_id)
        .join(Device, Device.id == DeviceEvent.device_id)
        .where(Device.integration_id == id_)
        .order_by(DeviceEvent.kind, Device.id)
    )
    held = db.session.execute(
        select(Hold.state, Hold.devices, Hold.up_to, Hold.reasons, Hold.decided_by, Hold.created_at)
        .where(Hold.integration_id == id_)
        .order_by(Hold.id)
    )
    return [kept, [tuple(row) for row in told], [tuple(row) for row in held]]


@pytest.mark.parametrize(
    "scene", [scene_marking, scene_deleting, scene_holding, scene_refreshing, scene_approved, scene_run_out]
)
def test_killed_at_any_write_and_repeated_it_comes_to_the_same_end(
    scene: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deletion_missing, "ROWS_PER_WRITE", 3)
    monkeypatch.setattr(soft_delete, "ROWS_PER_WRITE", 3)
    unbroken, writes = scene(), 0

    def count(_session: Session) -> None:
        nonlocal writes
        writes += 1

    depart(snapshot(unbroken, range(10, 30)), count, NOON + HOUR)
    expected = state(unbroken)
    assert writes > 1
    # A kill inside a transaction leaves what the ones before it left; the last round is whole.
    for kill_at in range(1, writes + 2):
        broken = scene()
        with suppress(Killed):
            depart(snapshot(broken, range(10, 30)), killer(kill_at), NOON + HOUR)
        release()
        depart(snapshot(broken, range(10, 30)), no_beat, NOON + HOUR)
        assert state(broken) == expected, f"killed at write {kill_at} of {writes}"


def killer(kill_at: int) -> Callable[[Session], None]:
    seen = 0

    def beat(_session: Session) -> None:
        nonlocal seen
        seen += 1
        if seen == kill_at:
            raise Killed

    return beat


def test_a_lost_lease_stops_it_before_anything_is_written() -> None:
    id_ = integration()
    store(id_, 5)

    def lost(_session: Session) -> None:
        raise LeaseLost

    with pytest.raises(LeaseLost):
        depart(snapshot(id_, []), lost, NOON)
    assert (missing(id_), len(live(id_))) == ([], 5)


@pytest.mark.parametrize("database", ["sqlite"])
def test_the_list_and_the_stream_come_out_of_indexes() -> None:
    id_ = integration()
    store(id_, 10)
    for query, index in (
        (select(Device.id).where(*soft_delete.overdue(id_, 3)).order_by(Device.id), "ix_device_absent"),
        (
            select(Device.id, Device.external_id)
            .where(Device.integration_id == id_, Device.external_id.is_not(None), Device.external_id > "5")
            .order_by(Device.external_id)
            .limit(1000),
            "USING COVERING INDEX",
        ),
    ):
        plan = plan_of(query)
        assert index in " ".join(plan), plan
