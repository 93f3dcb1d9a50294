"""Tagging runs against a UEM in memory: what is pushed, in which order, and how it ends (rung R, shell)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from harmony.clock import now
from harmony.db import db, release, write
from harmony.jobs import control, lease
from harmony.jobs.kinds import JobKind
from harmony.jobs.outcome import Outcome
from harmony.models import DeviceEvent, Happening, TagLink, UemTag
from harmony.sync.deletion import soft_delete
from harmony.tagging import outbox
from harmony.tagging import removal as tagging_removal
from harmony.uem.errors import ConnectionLost, Forbidden, RateLimited, ServerFailed, UemError
from tests.builders import NOON, due_jobs
from tests.tagging.fleet import (
    a_fleet,
    device_of,
    enrol,
    links,
    protect,
    set_devices,
    settings,
    tag,
    tag_if_due,
    take_off,
    the_job,
)
from tests.tagging.uem import TagUem

pytestmark = pytest.mark.usefixtures("context")

PROVISIONED, ACTIVE, HIGH = "CHKP_Status_Provisioned", "CHKP_Status_Active", "CHKP_Risk_High"
HOUR = timedelta(hours=1)


def a_uem(count: int = 3) -> TagUem:
    return TagUem(enrolled={str(number) for number in range(1, count + 1)})


def writes(uem: TagUem) -> list[tuple[str, str, tuple[str, ...]]]:
    """What was put on and taken off, by the name of the tag."""
    return [(what, uem.held[tag].name, ids) for what, tag, ids in uem.log if what in {"add", "remove"}]


def test_the_first_run_makes_the_tags_and_puts_every_device_in_its_status() -> None:
    id_, uem = a_fleet(), a_uem()
    protect(id_, 2, "active", 3, "ROOTED")
    run = tag(id_, uem)
    assert (run.state, run.counts["made"], run.counts["waiting"]) == ("ok", 7, 0)
    assert [uem.carried(device) for device in "123"] == [
        {PROVISIONED}, {ACTIVE, HIGH, "CHKP_TF_ROOTED"}, {PROVISIONED},
    ]  # fmt: skip
    assert writes(uem)[0] == ("add", HIGH, ("2",))


def test_a_run_with_nothing_to_do_asks_the_uem_nothing() -> None:
    id_, uem = a_fleet(), a_uem()
    tag(id_, uem)
    uem.log.clear()
    assert tag(id_, uem).state == "ok"
    assert uem.log == []


def test_what_is_new_is_added_before_what_is_old_is_removed() -> None:
    id_, uem = a_fleet(), a_uem()
    tag(id_, uem)
    uem.log.clear()
    protect(id_, 1, "active", 2)
    protect(id_, 3, "active", 0)
    tag(id_, uem)
    assert writes(uem) == [
        ("add", "CHKP_Risk_Medium", ("1",)), ("add", ACTIVE, ("1", "3")), ("remove", PROVISIONED, ("1", "3")),
    ]  # fmt: skip


def test_a_device_keeps_its_status_tag_while_the_new_one_cannot_be_used() -> None:
    id_, uem = a_fleet(), a_uem()
    uem.make(ACTIVE, "2")
    tag(id_, uem)
    protect(id_, 1)
    run = tag(id_, uem)
    assert run.state == "warning"
    assert ACTIVE in run.reason
    assert uem.carried("1") == {PROVISIONED}
    assert uem.named(ACTIVE).devices == {"2"}
    settings(id_, adopted=(ACTIVE,))
    assert tag_if_due(id_, uem).state == "ok"
    assert [uem.carried(device) for device in "12"] == [{ACTIVE}, {PROVISIONED}]


def test_deleted_devices_lose_their_tags_and_missing_ones_keep_them() -> None:
    id_, uem = a_fleet(), a_uem()
    tag(id_, uem)
    set_devices(id_, "external_id = '1'", deleted_at=NOON.replace(tzinfo=None), deleted_by="kim")
    set_devices(id_, "external_id = '2'", missing_since=NOON.replace(tzinfo=None), absent_from=1)
    tag_if_due(id_, uem)
    assert [uem.carried(device) for device in "123"] == [set(), {PROVISIONED}, {PROVISIONED}]
    assert [link[0] for link in links(id_)] == ["2", "3"]


def test_a_device_that_is_enrolled_again_is_tagged_under_its_new_id() -> None:
    id_, uem = a_fleet(1), a_uem(1)
    protect(id_, 1, "active", 3)
    tag(id_, uem)
    uem.unenrol("1")
    uem.enrolled.add("9")
    set_devices(id_, "external_id = '1'", external_id="9")
    tag_if_due(id_, uem)
    assert uem.carried("9") == {ACTIVE, HIGH}


def test_what_was_changed_by_hand_is_put_right_and_strangers_are_left_alone() -> None:
    id_, uem = a_fleet(), a_uem()
    uem.enrolled.add("stranger")
    foreign = uem.make("VIP", "1", "stranger")
    protect(id_, 1, "active", 3)
    tag(id_, uem)
    uem.named(ACTIVE).devices |= {"2", "stranger"}
    uem.named(HIGH).devices.clear()
    run = tag(id_, uem, whole=True)
    assert (run.counts["repaired"], run.counts["added"], run.counts["removed"]) == (2, 1, 1)
    assert uem.named(ACTIVE).devices == {"1", "stranger"}
    assert uem.named(HIGH).devices == {"1"}
    assert foreign.devices == {"1", "stranger"}


@pytest.mark.parametrize("whole", [True, False])
def test_a_tag_of_ours_that_was_deleted_is_made_anew(whole: bool) -> None:
    id_, uem = a_fleet(), a_uem()
    tag(id_, uem)
    del uem.held[uem.named(PROVISIONED).id]
    enrol(id_, 4)
    uem.enrolled.add("4")
    set_devices(id_, "1 = 0", serial="")
    run = tag(id_, uem, whole=whole)
    assert (run.state, run.counts["made"]) == ("ok", 1)
    assert uem.named(PROVISIONED).devices == set("1234")


def test_a_tag_that_was_renamed_by_hand_is_no_longer_ours() -> None:
    id_, uem = a_fleet(), a_uem()
    tag(id_, uem)
    theirs = uem.named(PROVISIONED)
    theirs.name = "Waiting for us"
    protect(id_, 1)
    tag(id_, uem, whole=True)
    assert theirs.devices == set("123")
    assert uem.named(PROVISIONED).devices == set("23")


POSITIONS = [(again, fail) for again in ("accepted", "fault") for fail in ("404", "200")]


@pytest.mark.parametrize(("again", "all_fail"), POSITIONS)
def test_a_device_that_neither_the_uem_nor_the_last_sync_knows_is_dropped_with_one_note(
    again: str, all_fail: str
) -> None:
    id_, uem = a_fleet(), a_uem()
    uem.again, uem.all_fail = again, all_fail
    uem.enrolled = {"2"}
    set_devices(id_, "external_id <> '2'", missing_since=NOON.replace(tzinfo=None), absent_from=1)
    run = tag(id_, uem)
    assert (run.state, run.counts["dropped"], run.counts["waiting"]) == ("ok", 2, 0)
    assert uem.carried("2") == {PROVISIONED}
    with write() as session:
        session.execute(update(TagLink).values(next_try_at=NOON))
    tag(id_, uem)
    assert notes(id_, 1) == notes(id_, 3) == [outbox.NOTE]
    uem.enrolled |= {"1", "3"}
    set_devices(id_, "external_id = '1'", missing_since=None, absent_from=None)
    tag_if_due(id_, uem)
    assert [uem.carried(device) for device in "13"] == [{PROVISIONED}, set()]


def test_a_risk_that_changes_while_the_device_is_gone_adds_no_second_note() -> None:
    id_, uem = a_fleet(), a_uem()
    uem.enrolled = {"2", "3"}
    set_devices(id_, "external_id = '1'", missing_since=NOON.replace(tzinfo=None), absent_from=1)
    tag(id_, uem)
    protect(id_, 1)
    run = tag(id_, uem)
    assert run.counts["dropped"] == 1
    assert notes(id_, 1) == [outbox.NOTE]


def notes(integration_id: int, external_id: int) -> list[str]:
    device = device_of(integration_id, external_id)
    mine = (DeviceEvent.device_id == device, DeviceEvent.kind == Happening.UNTAGGED)
    found = db.session.scalars(select(DeviceEvent.detail).where(*mine)).all()
    release()
    return list(found)


@pytest.mark.parametrize(("again", "all_fail"), POSITIONS)
def test_what_is_there_already_and_what_is_gone_already_count_as_done(again: str, all_fail: str) -> None:
    id_, uem = a_fleet(), a_uem()
    uem.again, uem.all_fail = again, all_fail
    tag(id_, uem)
    for device in "123":
        protect(id_, device)
        uem.named(PROVISIONED).devices.discard(device)
        uem.named(ACTIVE).devices.add(device)
    run = tag(id_, uem)
    assert (run.state, run.counts["failed"], run.counts["dropped"]) == ("ok", 0, 0)
    assert {link[1:] for link in links(id_)} == {("status:active", True, True, "done")}


def test_what_the_uem_declines_is_tried_again_later_with_its_reason() -> None:
    id_, uem = a_fleet(2), a_uem(2)
    uem.locked, uem.all_fail = {"2"}, "200"
    waits = []
    for _ in range(3):
        run = tag(id_, uem)
        assert (run.state, run.counts["failed"], run.counts["waiting"]) == ("warning", 1, 0)
        due = the_job(id_).next_at
        assert due is not None
        waits.append(round((due - now()) / timedelta(minutes=1)))
        with write() as session:
            session.execute(update(TagLink).values(next_try_at=None))
    assert waits == [5, 30, 120]
    reasons = db.session.scalars(select(TagLink.reason).where(TagLink.state == "failed")).all()
    release()
    assert reasons == ["The UEM declined it (error 400)."]


def test_somebody_who_asks_for_a_push_does_not_wait_for_what_was_declined() -> None:
    id_, uem = a_fleet(2), a_uem(2)
    uem.locked, uem.all_fail = {"2"}, "200"
    assert tag(id_, uem).counts["failed"] == 1
    uem.locked = set()
    with write() as session:
        lease.make_due(session, id_, JobKind.TAGGING, now())
    assert tag_if_due(id_, uem).counts["failed"] == 1, "by itself it waits for its time"
    assert tag(id_, uem).counts["failed"] == 0


def refusing(error: UemError, *calls: str) -> Callable[[str, str, Sequence[str]], None]:
    def refuse(what: str, _about: str, _devices: Sequence[str]) -> None:
        if what in calls:
            raise error

    return refuse


def test_a_missing_permission_parks_tagging_with_one_sentence_until_somebody_asks() -> None:
    id_, uem = a_fleet(), a_uem()
    uem.before_call = refusing(Forbidden("It lacks Assign Tags.", "Give it."), "add", "remove")
    run = tag(id_, uem)
    assert (run.state, run.counts["waiting"]) == ("warning", 3)
    assert the_job(id_).parked_why == f"{run.reason} Give it."
    protect(id_, 1)
    assert due_jobs(now() + HOUR) == []
    uem.before_call = lambda *_: None
    assert tag(id_, uem).state == "ok"
    assert uem.carried("1") == {ACTIVE}


def test_without_the_permission_to_make_tags_those_that_are_there_are_used() -> None:
    id_, uem = a_fleet(adopted=(PROVISIONED,)), a_uem()
    uem.make(PROVISIONED)
    uem.before_call = refusing(Forbidden("It lacks Edit Tag."), "create")
    run = tag(id_, uem)
    assert run.state == "warning"
    assert the_job(id_).parked_why is None
    assert uem.named(PROVISIONED).devices == set("123")
    uem.log.clear()
    tag(id_, uem)
    assert uem.log == [], "what cannot be made is not asked for again and again"


def test_too_many_calls_end_the_run_and_nothing_hurries_the_next_one() -> None:
    id_, uem = a_fleet(), a_uem()
    until = now() + 3 * HOUR
    uem.before_call = refusing(RateLimited("No more calls.", until), "add")
    assert tag(id_, uem).state == "failed"
    protect(id_, 1)
    assert the_job(id_).next_at == until


def test_a_uem_that_fails_is_asked_less_and_less_often() -> None:
    id_, uem = a_fleet(), a_uem()
    uem.before_call = refusing(ServerFailed("Down."), "tags")
    waits = []
    for _ in range(3):
        tag(id_, uem)
        due = the_job(id_).next_at
        assert due is not None
        waits.append(round((due - now()) / timedelta(minutes=1)))
    assert waits == [1, 2, 4]


def test_a_lost_answer_to_making_a_tag_makes_no_stranger_of_it() -> None:
    id_, uem = a_fleet(), a_uem()
    uem.after_call = refusing(ConnectionLost("Cut."), "create")
    tag(id_, uem)
    uem.after_call = lambda *_: None
    assert tag(id_, uem).state == "ok"
    names = [tag.name for tag in uem.held.values()]
    assert len(set(names)) == len(names) == 6


def test_a_change_of_mind_after_a_lost_answer_is_carried_out() -> None:
    id_, uem = a_fleet(1), a_uem(1)
    protect(id_, 1, "active", 3)
    uem.after_call = refusing(ConnectionLost("Cut."), "add")
    tag(id_, uem)
    assert uem.carried("1") == {HIGH}
    uem.after_call = lambda *_: None
    protect(id_, 1, "active", 0)
    tag(id_, uem)
    assert uem.carried("1") == {ACTIVE}


def test_a_new_name_is_on_before_the_old_one_is_off() -> None:
    id_, uem = a_fleet(), a_uem()
    tag(id_, uem)
    uem.log.clear()
    settings(id_, prefix="ACME_")
    run = tag_if_due(id_, uem)
    assert (run.state, run.counts["waiting"]) == ("ok", 0)
    new, old = "ACME_Status_Provisioned", PROVISIONED
    assert writes(uem) == [("add", new, ("1", "2", "3")), ("remove", old, ("1", "2", "3"))]
    settings(id_, prefix="CHKP_")
    assert tag_if_due(id_, uem).state == "ok"
    assert uem.carried("1") == {PROVISIONED}
    assert len(uem.held) == 12, "a name that was ours before is taken up again"


def test_a_run_that_is_stopped_goes_on_at_once_at_the_next_start() -> None:
    id_, uem = a_fleet(), a_uem()
    run = tag(id_, uem, stop=lambda: len(uem.log) > 3)
    assert run.state == "cancelled"
    assert (tag_if_due(id_, uem).state, uem.carried("1")) == ("ok", {PROVISIONED})


def test_several_lanes_push_the_same() -> None:
    id_, uem = a_fleet(40), a_uem(40)
    uem.lanes = 4
    assert tag(id_, uem).counts["added"] == 40
    assert uem.named(PROVISIONED).devices == uem.enrolled


def test_a_paused_integration_is_not_tagged_and_a_failed_run_keeps_what_it_should_have_looked_at() -> None:
    id_, uem = a_fleet(), a_uem()
    held = lease.claim(id_, JobKind.TAGGING, "me", now())
    assert held is not None
    with write() as session:
        lease.settle(session, held, Outcome(lease.SyncRunState.FAILED, "No."), now(), now())
    with write() as session:
        session.get_one(lease.Integration, id_).state = "paused"
    assert not lease.request(id_, JobKind.TAGGING, "kim", now())
    assert the_job(id_).whole
    assert uem.log == []


def test_no_row_of_ours_is_left_without_the_id_it_has_in_the_uem() -> None:
    id_, uem = a_fleet(), a_uem()
    tag(id_, uem)
    rows = {row.key: row.external_id for row in db.session.scalars(select(UemTag))}
    release()
    assert set(rows.values()) == set(uem.held)


def test_a_restored_device_is_tagged_again() -> None:
    id_, uem = a_fleet(1), a_uem(1)
    set_devices(id_, "1 = 1", deleted_at=NOON.replace(tzinfo=None), deleted_by="sync")
    tag_if_due(id_, uem)
    assert uem.carried("1") == set()
    assert soft_delete.restore(device_of(id_, 1), "kim", now())
    tag_if_due(id_, uem)
    assert uem.carried("1") == {PROVISIONED}


def test_what_was_switched_off_is_taken_off_when_that_was_asked_and_else_left_and_forgotten() -> None:
    id_, uem = a_fleet(), a_uem()
    protect(id_, 1, "active", 3)
    tag(id_, uem)
    before = settings(id_)
    after = settings(id_, tag_risk=False)
    tag_if_due(id_, uem)
    assert uem.carried("1") == {ACTIVE, HIGH}
    assert not [link for link in links(id_) if link[1] == "risk:high"]
    take_off(id_, before, after, now())
    assert tagging_removal.taking_off(id_).tags == 3
    tag_if_due(id_, uem)
    assert uem.carried("1") == {ACTIVE}
    assert tagging_removal.taking_off(id_) == (0, 0)


def test_a_device_that_another_uem_did_not_list_is_never_tagged_by_its_former_id() -> None:
    id_, uem = a_fleet(), a_uem()
    protect(id_, 2, "active", 3)
    tag(id_, uem)
    with write() as session:
        control.await_sync(session, id_, NOON)
        control.after_sync(session, session.get_one(lease.Integration, id_), True, NOON)
    missing = (NOON - HOUR).replace(tzinfo=None)
    set_devices(id_, "external_id = '1'", uem_generation=1)
    set_devices(id_, "external_id = '3'", deleted_at=missing, deleted_by="kim")
    protect(id_, 2, "inactive", 1)
    uem.log.clear()
    tag(id_, uem, whole=True)
    assert not [ids for _, _, ids in writes(uem) if {"2", "3"} & set(ids)]
    assert {link[0] for link in links(id_)} == {"1"}
