"""Approving and dismissing held deletions on a file database (rung: shell; two threads for exclusivity)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from threading import Barrier, Thread

import pytest
from flask import Flask
from sqlalchemy import select, text

from harmony.db import db, release, write
from harmony.models import (
    AuditEntry,
    Device,
    DeviceEvent,
    Happening,
    Hold,
    HoldState,
    Integration,
    IntegrationState,
)
from harmony.sync.deletion import holds, soft_delete
from harmony.sync.deletion.holds import ListChanged, NotOpen, WrongNumber
from tests.builders import NOON, a_choice, an_integration
from tests.stored import a_hold, devices, list_digest, live, missing, store, synced

pytestmark = pytest.mark.usefixtures("context")

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def integration(**changes: object) -> int:
    return an_integration(a_choice("570", deletion_after=1, deletion_threshold=20), due=None, **changes)


def held(fleet: int = 10, gone: int = 6, **changes: object) -> tuple[int, int, str]:
    """Integration, hold and the digest of its list."""
    id_ = integration(**changes)
    hold = a_hold(id_, fleet, gone)
    found = id_, hold.id, list_digest(hold)
    release()
    return found


def the_hold(hold_id: int) -> Hold:
    release()
    return db.session.get_one(Hold, hold_id)


def audit() -> list[tuple[str, str]]:
    rows = db.session.execute(select(AuditEntry.who, AuditEntry.what).order_by(AuditEntry.id))
    return [(row[0], row[1]) for row in rows]


def test_the_digest_stands_for_exactly_the_listed_devices() -> None:
    id_, hold_id, digest = held(gone=3)
    ids = sorted(device.id for device in devices(id_, Device.missing_since.is_not(None)))
    assert digest == sha256("".join(f"{one}\n" for one in ids).encode()).hexdigest()
    assert the_hold(hold_id).digest == digest


def test_an_approval_is_noted_holds_a_day_and_makes_a_sync_due() -> None:
    id_, hold_id, digest = held()
    assert holds.approve(hold_id, digest, 6, "kim", NOON) is True
    hold = the_hold(hold_id)
    assert (hold.state, hold.decided_by, hold.decided_at) == ("approved", "kim", NOON)
    assert (hold.expires_at, hold.devices, hold.digest) == (NOON + DAY, 6, digest)
    assert db.session.get_one(Integration, id_).sync_job.next_at == NOON
    assert audit()[0] == ("kim", "Approved deletions")
    assert holds.open_hold(id_) is None


def test_an_approval_of_a_paused_integration_waits_and_says_so() -> None:
    id_, hold_id, digest = held(state=IntegrationState.PAUSED)
    assert holds.approve(hold_id, digest, 6, "kim", NOON) is False
    assert the_hold(hold_id).state == "approved"
    assert db.session.get_one(Integration, id_).sync_job.next_at is None


@pytest.mark.parametrize("typed", [None, 0, 5, 7, -6])
def test_a_wrong_number_decides_nothing(typed: int | None) -> None:
    _, hold_id, digest = held()
    with pytest.raises(WrongNumber) as refused:
        holds.approve(hold_id, digest, typed, "kim", NOON)
    assert refused.value.expected == 6
    assert the_hold(hold_id).state == "open"
    assert audit() == []


def test_a_list_that_changed_since_it_was_shown_decides_nothing() -> None:
    id_, hold_id, digest = held()
    synced(id_, range(7, 10), NOON + HOUR)
    for decide in (
        lambda: holds.approve(hold_id, digest, 7, "kim", NOON),
        lambda: holds.dismiss(hold_id, digest, "kim", NOON),
    ):
        with pytest.raises(ListChanged):
            decide()
    assert the_hold(hold_id).state == "open"
    assert len(missing(id_)) == 7
    assert audit() == []


def test_the_same_number_of_other_devices_is_another_list() -> None:
    id_, hold_id, digest = held()
    with write() as session:
        session.execute(
            text("UPDATE device SET absent_from = NULL, missing_since = NULL WHERE external_id = '0'")
        )
    synced(id_, [0, 7, 8, 9], NOON + HOUR)
    assert the_hold(hold_id).devices == 6
    with pytest.raises(ListChanged):
        holds.approve(hold_id, digest, 6, "kim", NOON)


@pytest.mark.parametrize("state", [state for state in HoldState if state is not HoldState.OPEN])
def test_only_an_open_hold_can_be_approved(state: HoldState) -> None:
    _, hold_id, digest = held()
    with write() as session:
        session.get_one(Hold, hold_id).state = state
    with pytest.raises(NotOpen):
        holds.approve(hold_id, digest, 6, "kim", NOON)
    with pytest.raises(NotOpen):
        holds.approve(hold_id + 1000, digest, 6, "kim", NOON)


def at_once(app: Flask, *decisions: Callable[[], object]) -> list[str]:
    """Do them in threads that start together; the name of what each raised, "" for the one that won."""
    ends, start = [""] * len(decisions), Barrier(len(decisions))

    def one(number: int) -> None:
        with app.app_context():
            start.wait()
            try:
                decisions[number]()
            except Exception as refused:
                ends[number] = type(refused).__name__
            db.session.remove()

    threads = [Thread(target=one, args=(number,)) for number in range(len(decisions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return ends


def test_of_two_administrators_who_approve_at_once_only_one_wins(context: Flask) -> None:
    _, hold_id, digest = held()
    ends = at_once(
        context,
        lambda: holds.approve(hold_id, digest, 6, "kim", NOON),
        lambda: holds.approve(hold_id, digest, 6, "alex", NOON),
    )
    assert sorted(ends) == ["", "NotOpen"]
    assert the_hold(hold_id).decided_by == ("kim" if ends[0] == "" else "alex")
    assert [what for _, what in audit()].count("Approved deletions") == 1


def test_a_dismissal_has_the_last_word_over_an_approval_at_the_same_moment(context: Flask) -> None:
    for _ in range(5):
        id_, hold_id, digest = held()
        at_once(
            context,
            lambda hold_id=hold_id, digest=digest: holds.approve(hold_id, digest, 6, "kim", NOON),
            lambda hold_id=hold_id, digest=digest: holds.dismiss(hold_id, digest, "alex", NOON),
        )
        # The dismissal takes an approval back, and nobody can approve what it has begun with.
        assert the_hold(hold_id).state == "dismissed"
        assert missing(id_) == []


def test_a_dismissal_forgets_the_absence_of_the_listed_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holds, "ROWS_PER_WRITE", 4)
    id_, hold_id, digest = held()
    store(id_, 1, start=100)
    departed = synced(id_, range(6, 10), NOON, choice=a_choice(deletion_after=2, deletion_threshold=20))
    assert departed.missing == 1
    assert holds.dismiss(hold_id, digest, "kim", NOON + HOUR) == 6
    assert missing(id_) == ["100"], "a device that went missing later was not on the list"
    (first, *_) = devices(id_)
    assert (first.absent_from, first.missing_since, first.absent_why) == (None, None, "")
    hold = the_hold(hold_id)
    assert (hold.state, hold.decided_by, hold.decided_at) == ("dismissed", "kim", NOON + HOUR)
    assert audit() == [("kim", "Dismissed deletions")]


def test_after_a_dismissal_the_count_starts_again() -> None:
    id_, hold_id, digest = held()
    holds.dismiss(hold_id, digest, "kim", NOON)
    departed = synced(id_, range(6, 10), NOON + HOUR, choice=a_choice(deletion_after=2))
    assert (departed.missing, departed.hold_id, len(live(id_))) == (6, None, 10)


def test_a_dismissal_takes_an_approval_back() -> None:
    id_, hold_id, digest = held()
    holds.approve(hold_id, digest, 6, "kim", NOON)
    holds.dismiss(hold_id, digest, "alex", NOON)
    assert (the_hold(hold_id).state, the_hold(hold_id).expires_at) == ("dismissed", None)
    assert synced(id_, range(10), NOON + HOUR).deleted == 0


def undecided_once(really: Callable[..., Hold]) -> Callable[..., Hold]:
    """The process dies when the second batch begins."""
    batches = iter([really])

    def undecided(*arguments: object) -> Hold:
        for batch in batches:
            return batch(*arguments)
        raise KeyboardInterrupt

    return undecided


def test_a_dismissal_that_was_killed_leaves_an_open_hold_and_can_be_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(holds, "ROWS_PER_WRITE", 4)
    id_, hold_id, digest = held()
    with monkeypatch.context() as broken:
        broken.setattr(holds, "_undecided", undecided_once(holds._undecided))
        with pytest.raises(KeyboardInterrupt):
            holds.dismiss(hold_id, digest, "kim", NOON)
    assert (the_hold(hold_id).state, len(missing(id_))) == ("open", 2)
    rest = list_digest(the_hold(hold_id))
    release()
    assert holds.dismiss(hold_id, rest, "kim", NOON) == 2
    assert the_hold(hold_id).state == "dismissed"


# --- restore and purge ---


def deleted(fleet: int = 10, gone: int = 2) -> int:
    id_ = integration()
    store(id_, fleet)
    assert synced(id_, range(gone, fleet)).deleted == gone
    return id_


def happenings(kind: Happening) -> int:
    return len(db.session.scalars(select(DeviceEvent.id).where(DeviceEvent.kind == kind)).all())


def test_a_restored_device_is_live_again_and_counted_from_nothing() -> None:
    id_ = deleted()
    first, second, *_ = devices(id_)
    assert soft_delete.restore(first.id, "kim", NOON) is True
    (first, *_) = devices(id_)
    assert (first.deleted_at, first.deleted_by, first.absent_from, first.absent_why) == (None, None, None, "")
    assert live(id_) == ["0", *map(str, range(2, 10))]
    assert second.deleted_at is not None
    assert (happenings(Happening.RESTORED), audit()) == (1, [("kim", "Restored devices")])


def test_restoring_what_is_not_deleted_or_is_gone_does_nothing() -> None:
    id_ = deleted()
    last = devices(id_)[-1].id
    assert soft_delete.restore(last, "kim", NOON) is False
    assert soft_delete.restore(999_999, "kim", NOON) is False
    assert (happenings(Happening.RESTORED), audit()) == (0, [])


def test_all_deleted_devices_of_an_integration_are_restored_in_batches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(soft_delete, "ROWS_PER_WRITE", 3)
    one, two = deleted(50, 10), deleted()
    assert soft_delete.restore_all((Device.integration_id == one,), "kim", NOON) == 10
    assert (len(live(one)), len(live(two)), happenings(Happening.RESTORED)) == (50, 8, 10)
    assert audit() == [("kim", "Restored devices")]


def test_what_was_deleted_long_ago_is_purged_with_its_history(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soft_delete, "PURGED_PER_WRITE", 3)
    id_ = deleted(50, 10)
    later = synced(id_, range(12, 50), NOON + 20 * DAY)
    assert later.deleted == 2
    assert soft_delete.purge(NOON + 30 * DAY, keep_days=30) == 0
    assert soft_delete.purge(NOON + 30 * DAY + HOUR, keep_days=30) == 10
    assert [device.external_id for device in devices(id_)] == [str(number) for number in range(10, 50)]
    assert happenings(Happening.DELETED) == 2
    orphans = "SELECT count(*) FROM membership WHERE device_id NOT IN (SELECT id FROM device)"
    assert db.session.scalar(text(orphans)) == 0


def test_counts_leave_the_deleted_out() -> None:
    id_ = deleted()
    assert (soft_delete.live(id_), soft_delete.deleted(id_)) == (8, 2)
    assert soft_delete.deleted_by_syncs(id_, NOON - HOUR) == 2
    assert soft_delete.deleted_by_syncs(id_, NOON) == 0


def test_restored_devices_no_longer_count_against_the_day() -> None:
    id_ = deleted()
    soft_delete.restore_all((Device.integration_id == id_,), "kim", NOON)
    assert soft_delete.deleted_by_syncs(id_, NOON - HOUR) == 0
