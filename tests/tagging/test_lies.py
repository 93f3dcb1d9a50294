"""A UEM whose answers are well formed and wrong takes nothing from us, and ends as it should be (rung R).

Every lie is told once, or for as long as the test says; afterwards the answers are honest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from harmony.clock import now
from harmony.db import db, release, write
from harmony.models import Job, TagLink, UemTag
from harmony.tagging import outbox
from harmony.uem.errors import HtmlAnswer, NotFound, RequestRefused
from harmony.uem.records import BulkOutcome, Carriers, OddTag, Tag, TagList
from tests.builders import NOON
from tests.sampling import combinations
from tests.tagging.fleet import (
    a_fleet,
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

PROVISIONED, ACTIVE, HIGH, MEDIUM = (
    "CHKP_Status_Provisioned", "CHKP_Status_Active", "CHKP_Risk_High", "CHKP_Risk_Medium",
)  # fmt: skip
UNKNOWN = NotFound("The UEM does not find what was asked for (status 404).")
Lie = Callable[[Any], Any]


def a_uem(count: int = 3) -> TagUem:
    return TagUem(enrolled={str(number) for number in range(1, count + 1)})


@contextmanager
def lying(uem: TagUem, what: str, lie: Lie, times: int = 10**6) -> Iterator[None]:
    """Answer these calls with what `lie` makes of the truth, so many times."""
    left = [times]

    def told(call: str, _about: str, answer: Any) -> Any:
        if call != what or not left[0]:
            return answer
        left[0] -= 1
        return lie(answer)

    uem.lie = told
    yield
    uem.lie = lambda _what, _about, answer: answer


def rows(id_: int) -> dict[str, tuple[str | None, str]]:
    """The id and the problem of every tag of ours, by its name."""
    found = db.session.scalars(select(UemTag).where(UemTag.integration_id == id_)).all()
    told = {row.name: (row.external_id, row.problem) for row in found}
    release()
    return told


def writes(uem: TagUem) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(what, uem.held[tag].name, ids) for what, tag, ids in uem.log if what in {"add", "remove"}]


def changed(listing: TagList, change: Callable[[Tag], Tag | OddTag]) -> TagList:
    """The list with every tag of ours changed."""
    told = [change(tag) if tag.name.startswith("CHKP_") else tag for tag in listing.tags]
    tags = tuple(row for row in told if isinstance(row, Tag))
    odd = tuple(row for row in told if isinstance(row, OddTag))
    return TagList(tags, odd, len(told), listing.total)


LISTS: dict[str, Lie] = {
    "204": lambda _: TagList(),
    "empty": lambda _: TagList((), (), 0, 0),
    "first page only": lambda listing: TagList(listing.tags[:1], (), 1, listing.total),
    "ids null": lambda listing: changed(listing, lambda tag: OddTag(None, tag.name)),
    "names null": lambda listing: changed(listing, lambda tag: OddTag(tag.external_id, "")),
    "nothing readable": lambda listing: changed(listing, lambda _: OddTag(None, "")),
    "other names": lambda listing: changed(listing, lambda tag: Tag(tag.external_id, "Other", None)),
    "other ids": lambda listing: changed(listing, lambda tag: Tag("9" + tag.external_id, tag.name, None)),
    "ids twice": lambda listing: TagList(
        (*listing.tags, *(Tag(tag.external_id, "Other", None) for tag in listing.tags)), (), 99, 0
    ),
}


@pytest.mark.soak
@pytest.mark.parametrize(("lie", "times"), combinations(LISTS, [1, 2, 10**6]))
def test_a_wrong_list_of_tags_makes_none_of_ours_a_stranger(lie: str, times: int) -> None:
    id_, uem = a_fleet(), a_uem()
    tag(id_, uem)
    before, linked = rows(id_), links(id_)
    with lying(uem, "tags", LISTS[lie], times):
        run = tag(id_, uem, whole=True)
    assert run.state == "warning", "it is told"
    assert (rows(id_), links(id_)) == (before, linked)
    protect(id_, 1, "active", 3)
    assert tag(id_, uem, whole=True).state == "ok"
    assert (uem.carried("1"), len(uem.held)) == ({ACTIVE, HIGH}, 6)


@pytest.mark.soak
@pytest.mark.parametrize(("times", "whole"), combinations([1, 2, 10**6], [True, False]))
def test_an_id_that_is_denied_is_not_gone_while_the_list_names_it(whole: bool, times: int) -> None:
    id_, uem = a_fleet(), a_uem()
    protect(id_, 1, "active", 3)
    tag(id_, uem)
    before, linked = rows(id_), links(id_)
    with write() as session:
        session.execute(update(UemTag).values(checked_at=None))
    with lying(uem, "carriers", lambda _: UNKNOWN, times):
        assert tag(id_, uem, whole=whole).state == "warning"
    assert (rows(id_), links(id_)) == (before, linked)
    assert tag(id_, uem, whole=True).state == "ok"


def test_all_tags_gone_at_once_are_believed_only_when_they_still_are_a_while_later() -> None:
    id_, uem = a_fleet(), a_uem()
    tag(id_, uem)
    before = rows(id_)
    uem.held.clear()
    assert tag(id_, uem, whole=True).state == "warning"
    assert rows(id_) == before
    due = the_job(id_).next_at
    assert due is not None
    assert due - now() <= timedelta(minutes=5)
    with write() as session:
        session.execute(update(UemTag).values(doubted_at=now() - timedelta(minutes=11)))
    assert tag_if_due_later(id_, uem).state == "ok"
    assert uem.named(PROVISIONED).devices == set("123")


def tag_if_due_later(id_: int, uem: TagUem) -> Any:
    with write() as session:
        session.execute(update(Job).values(next_at=NOON))
    return tag_if_due(id_, uem)


def test_a_tag_that_was_taken_for_gone_is_ours_again_once_it_is_seen() -> None:
    id_, uem = a_fleet(), a_uem()
    protect(id_, 1, "active", 3)
    tag(id_, uem)
    high = uem.named(HIGH)
    del uem.held[high.id]
    uem.before_call = refusing_to_make
    assert tag(id_, uem, whole=True).state == "warning"
    assert rows(id_)[HIGH][0] is None
    uem.held[high.id] = high
    assert tag(id_, uem).state == "ok"
    assert rows(id_)[HIGH] == (high.id, "")
    assert uem.carried("1") == {ACTIVE, HIGH}


def refusing_to_make(what: str, *_: object) -> None:
    if what == "create":
        raise RequestRefused("The UEM declined the call (status 400).")


def test_a_tag_that_was_made_anew_and_comes_back_is_taken_off_everything() -> None:
    id_, uem = a_fleet(), a_uem()
    protect(id_, 1, "active", 3)
    tag(id_, uem)
    first = uem.named(HIGH)
    del uem.held[first.id]
    tag(id_, uem, whole=True)
    uem.held[first.id] = first
    assert (tag(id_, uem, whole=True).state, first.devices) == ("ok", set())
    assert uem.carried("1") == {ACTIVE, HIGH}


def test_before_a_tag_is_made_an_empty_list_is_looked_at_again() -> None:
    id_, uem = a_fleet(), a_uem()
    foreign = uem.make("chkp_risk_HIGH", "2")
    with lying(uem, "tags", lambda _: TagList(), 1):
        tag(id_, uem)
    assert rows(id_)[HIGH][0] is None
    assert foreign.devices == {"2"}


def test_a_name_in_other_letters_is_somebody_elses_tag_until_it_is_adopted() -> None:
    id_, uem = a_fleet(), a_uem()
    theirs = uem.make(PROVISIONED.upper())
    assert tag(id_, uem).state == "warning"
    assert theirs.devices == set()
    settings(id_, adopted=(PROVISIONED,))
    assert tag(id_, uem, whole=True).state == "ok"
    assert theirs.devices == set("123")


ALL_FAILED: Lie = lambda _: BulkOutcome(unclear={"1": 404, "2": 404, "3": 404})  # noqa: E731 - beside its kin
UNNAMED: Lie = lambda _: BulkOutcome(unclear={"1": 0, "2": 0, "3": 0})  # noqa: E731
NOT_KNOWN: Lie = lambda _: BulkOutcome(unknown=frozenset({"1", "2", "3"}))  # noqa: E731


def not_carried_out(uem: TagUem, lie: Lie) -> None:
    """Nothing is written, and every call about devices is answered so."""
    uem._put = uem._take = staticmethod(lambda *_: True)  # type: ignore[method-assign, assignment]
    uem.lie = lambda what, _about, answer: lie(answer) if what in {"add", "remove"} else answer


@pytest.mark.parametrize("lie", [ALL_FAILED, UNNAMED, NOT_KNOWN])
def test_a_level_stays_until_its_successor_is_there_whatever_the_uem_says(lie: Lie) -> None:
    id_, uem = a_fleet(), a_uem()
    for device in "123":
        protect(id_, device, "active", 3)
    tag(id_, uem)
    for device in "123":
        protect(id_, device, "inactive", 2)
    lied = TagUem(enrolled=uem.enrolled, held=uem.held, made=uem.made)
    not_carried_out(lied, lie)
    run = tag(id_, lied)
    assert run.state == "warning"
    assert (run.counts["dropped"], run.counts["failed"]) == (0, 6)
    assert tag(id_, lied, whole=True).state == "warning"
    assert {frozenset(uem.carried(device)) for device in "123"} == {frozenset({ACTIVE, HIGH})}
    due = the_job(id_).next_at
    assert due is not None
    assert due - now() <= timedelta(minutes=31), "it is tried again soon"
    assert tag(id_, uem).state == "ok", "and at once when a person asks"
    assert [uem.carried(device) for device in "123"] == [{"CHKP_Status_Inactive", MEDIUM}] * 3


def test_one_device_that_the_uem_denies_is_tried_again_in_minutes() -> None:
    id_, uem = a_fleet(1), a_uem(1)
    not_carried_out(uem, lambda _: BulkOutcome(unclear={"1": 404}))
    run = tag(id_, uem)
    assert (run.state, run.counts["failed"]) == ("warning", 1)
    assert "CHKP_Status_Provisioned on device 1" in run.reason or "declined 1 tag" in run.reason
    reason = db.session.scalars(select(TagLink.reason)).one()
    release()
    assert reason == outbox.CONTRADICTED
    due = the_job(id_).next_at
    assert due is not None
    assert due - now() <= timedelta(minutes=5)


@pytest.mark.parametrize(
    ("lie", "told"),
    [
        (lambda _: Carriers(), "lacked 40 of 40"),
        (lambda true: Carriers(true.ids[:20]), "lacked 20 of 40"),
        (lambda true: Carriers(true.ids[:30], 10), "10 devices without a readable id"),
        (lambda true: Carriers((), len(true.ids)), "40 devices without a readable id"),
    ],
)
@pytest.mark.parametrize("times", [1, 2])
def test_a_wrong_list_of_carriers_takes_no_tag_off_and_forgets_nothing(
    lie: Lie, told: str, times: int
) -> None:
    id_, uem = a_fleet(40), a_uem(40)
    tag(id_, uem)
    linked, provisioned = links(id_), uem.named(PROVISIONED).id
    uem.log.clear()
    true = uem.tagged_devices

    def tagged_devices(tag_id: str) -> Carriers:
        looks = [about for what, about, _ in uem.log if what == "carriers"]
        if tag_id == provisioned and looks.count(tag_id) < times:
            answer = lie(true(tag_id))
            assert isinstance(answer, Carriers)
            return answer
        return true(tag_id)

    uem.tagged_devices = tagged_devices  # type: ignore[method-assign]
    run = tag(id_, uem, whole=True)
    assert run.state == "warning"
    assert told in run.reason
    assert links(id_) == linked
    assert not [write for write in writes(uem) if write[0] == "remove"]
    assert uem.named(PROVISIONED).devices == uem.enrolled
    assert tag(id_, uem, whole=True).state == "ok"


def test_a_web_page_instead_of_the_carriers_changes_nothing() -> None:
    id_, uem = a_fleet(), a_uem()
    tag(id_, uem)
    linked = links(id_)
    with lying(uem, "carriers", lambda _: HtmlAnswer("A web page came instead of data.")):
        assert tag(id_, uem, whole=True).state == "failed"
    assert links(id_) == linked
    assert tag(id_, uem, whole=True).state == "ok"


def test_what_is_being_taken_off_is_not_forgotten_because_a_list_lacks_it() -> None:
    id_, uem = a_fleet(), a_uem()
    protect(id_, 1, "active", 3)
    tag(id_, uem)
    protect(id_, 1, "active", 0)
    high = uem.named(HIGH).id
    uem.before_call = lambda what, about, _: uem.log.clear() if (what, about) == ("carriers", high) else None
    with lying(uem, "carriers", lambda _: Carriers()):
        tag(id_, uem, whole=True)
    uem.before_call = lambda *_: None
    tag(id_, uem, whole=True)
    assert uem.carried("1") == {ACTIVE}


@pytest.mark.parametrize("how", ["a factor nobody has", "a former name", "switched off"])
def test_a_tag_that_we_once_owned_is_read_back_and_taken_off(how: str) -> None:
    id_, uem = a_fleet(), a_uem()
    protect(id_, 1, "active", 3, "ROOTED")
    tag(id_, uem)
    name = "CHKP_TF_ROOTED" if how == "a factor nobody has" else HIGH
    once = uem.named(name)
    if how == "a former name":
        settings(id_, prefix="ACME_")
    if how == "switched off":
        before = settings(id_)
        after = settings(id_, tag_risk=False)
        take_off(id_, before, after, now())
    protect(id_, 1, "active", 3)
    tag(id_, uem)
    assert not once.devices
    once.devices.add("2")
    run = tag(id_, uem, whole=True)
    assert (run.state, once.devices) == ("ok", set())
    once.devices.add("3")
    with write() as session:
        session.execute(update(UemTag).values(checked_at=NOON))
    assert (tag_if_due_later(id_, uem).state, once.devices) == ("ok", set()), "once a day, too"


def declining(uem: TagUem, limit: int = 500, poison: str = "", status: int = 400) -> None:
    """The UEM takes so many devices in a call, and none with this one."""

    def before(what: str, _about: str, ids: Any) -> None:
        if what in {"add", "remove"} and (len(ids) > limit or poison in ids):
            error = RequestRefused(f"The UEM declined the call (status {status}).")
            error.status = status
            raise error

    uem.before_call = before


@pytest.mark.soak
@pytest.mark.parametrize(("limit", "status"), combinations([1, 7, 20], [400, 413, 422]))
def test_a_limit_below_ours_is_found_and_remembered(limit: int, status: int) -> None:
    id_, uem = a_fleet(40), a_uem(40)
    uem.lanes = 2
    declining(uem, limit, status=status)
    assert tag(id_, uem).state == "ok"
    assert uem.named(PROVISIONED).devices == uem.enrolled
    learned = the_job(id_).batch_limit
    assert learned is not None
    assert limit / 2 - 1 <= learned <= limit
    for device in range(1, 41):
        protect(id_, device)
    uem.log.clear()
    assert tag(id_, uem).state == "ok"
    assert max(len(ids) for what, _, ids in uem.log if what == "add") <= learned, "no call is declined again"


def test_one_poisonous_device_stops_nobody_and_is_named() -> None:
    id_, uem = a_fleet(40), a_uem(40)
    declining(uem, poison="17")
    run = tag(id_, uem)
    assert (run.state, run.counts["added"], run.counts["failed"]) == ("warning", 39, 1)
    assert f"{PROVISIONED} on device 17" in run.reason
    assert uem.named(PROVISIONED).devices == uem.enrolled - {"17"}
    assert the_job(id_).batch_limit is None


def test_a_uem_that_declines_every_call_ends_the_run_with_a_sentence() -> None:
    id_, uem = a_fleet(40), a_uem(40)
    declining(uem, 0)
    run = tag(id_, uem)
    assert (run.state, "declined the call (status 400)" in run.reason) == ("failed", True)
    assert len(uem.log) < 40
    uem.before_call = lambda *_: None
    assert tag(id_, uem).state == "ok"
    assert uem.named(PROVISIONED).devices == uem.enrolled


def test_ids_of_a_former_uem_are_not_written_before_the_new_one_shows_them_with_their_names() -> None:
    id_, uem = a_fleet(), a_uem()
    tag(id_, uem)
    other = a_uem()
    other.made = 3
    strangers = [other.make(f"Stranger {number}", "1") for number in range(6)]
    with write() as session:
        session.execute(update(UemTag).values(proven=False))
    protect(id_, 1, "active", 3)
    set_devices(id_, "1 = 1", serial="")
    assert tag(id_, other).state == "ok"
    assert [stranger.devices for stranger in strangers] == [{"1"}] * 6
    assert other.carried("1") == {ACTIVE, HIGH, *(stranger.name for stranger in strangers)}
