"""An id that an answer gives for a tag is a claim: it is ours once other answers agree. Rungs: pure, R.

Whatever is said, a foreign tag is never written, and the next honest run ends as it should.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from harmony.clock import now
from harmony.db import db, release, write
from harmony.models import UemTag
from harmony.tagging.evidence import Claim, agrees, ids_named, is_named
from harmony.uem.errors import (
    Forbidden,
    HtmlAnswer,
    MalformedAnswer,
    RateLimited,
    RequestRefused,
    ServerFailed,
    SignInRefused,
    TooLarge,
)
from harmony.uem.records import Carriers, OddTag, Tag, TagList
from tests.tagging.fleet import a_fleet, links, protect, settings, tag, the_job
from tests.tagging.uem import NOT_FOUND, ModelTag, TagUem

pytestmark = pytest.mark.usefixtures("context")

PROVISIONED, ACTIVE, HIGH = "CHKP_Status_Provisioned", "CHKP_Status_Active", "CHKP_Risk_High"
CLAIM = Claim("risk:high", "High", "7", "570")


def tags(*pairs: tuple[str, str], odd: tuple[OddTag, ...] = ()) -> TagList:
    """A list of tags by id and name."""
    found = tuple(Tag(id_, name, None) for id_, name in pairs)
    return TagList(found, odd, len(found) + len(odd), len(found) + len(odd))


@pytest.mark.parametrize(
    ("listing", "alone", "with_twins"),
    [
        (tags(("7", "High")), True, True),
        (tags(("7", "hIGH "), ("8", "Other")), True, True),
        (tags(("9", "High"), ("7", "High")), True, True),
        (tags(), False, False),
        (tags(("7", "VIP")), False, False),
        (tags(("8", "High")), False, False),
        (tags(("7", "High"), ("7", "VIP")), False, False),
        (tags(("7", "High"), ("8", "High")), False, True),
        (tags(("7", "High"), odd=(OddTag(None, "HIGH"),)), False, True),
        (tags(odd=(OddTag("7", ""),)), False, False),
    ],
)
def test_a_list_agrees_only_if_it_shows_the_id_with_our_name_alone(
    listing: TagList, alone: bool, with_twins: bool
) -> None:
    assert agrees(CLAIM, listing, {"9"}) is alone
    assert agrees(CLAIM._replace(has_twins=True), listing, {"9"}) is with_twins
    assert agrees(CLAIM._replace(is_adopted=True), listing, {"9"}) is with_twins
    assert not agrees(CLAIM, listing, {"7"}), "the id of another tag of ours"


def test_ids_are_found_by_name_as_the_uem_compares_names() -> None:
    listing = tags(("8", "HIGH"), ("7", "High "), ("8", "High"), ("9", "Higher"), odd=(OddTag(None, "high"),))
    assert ids_named("high", listing) == ["8", "7"]
    assert ids_named("high", listing, {"8"}) == ["7"]
    assert is_named("HIGH", listing)
    assert not is_named("Higher", listing)


# --- the shell ---


def a_uem() -> tuple[TagUem, ModelTag]:
    """A UEM of three devices, with a tag that is somebody else's and on one of them."""
    uem = TagUem(enrolled=set("123"))
    return uem, uem.make("VIP", "2")


def rows(id_: int) -> dict[str, UemTag]:
    found = db.session.scalars(select(UemTag).where(UemTag.integration_id == id_)).all()
    db.session.expunge_all()
    release()
    return {row.name: row for row in found}


def ids(id_: int) -> dict[str, str | None]:
    return {name: row.external_id for name, row in rows(id_).items()}


def written(uem: TagUem) -> set[str]:
    """The ids of the tags that were put on devices or taken off them."""
    return {about for what, about, _ in uem.log if what in {"add", "remove"}}


def honest(uem: TagUem) -> None:
    uem.before_call = lambda *_: None
    uem.lie = lambda _what, _about, answer: answer


def ends_as_it_should(id_: int, uem: TagUem, vip: ModelTag) -> None:
    """After an honest run every tag of ours is known, nothing was made twice and VIP is as it was."""
    honest(uem)
    protect(id_, 1, "active", 3)
    assert tag(id_, uem).state == "ok"
    assert uem.carried("1") == {ACTIVE, HIGH}
    assert (vip.name, vip.devices, vip.id in written(uem)) == ("VIP", {"2"}, False)
    names = [held.name for held in uem.held.values()]
    assert len(set(names)) == len(names) == 7
    assert ids(id_) == {held.name: held.id for held in uem.held.values() if held is not vip}


@pytest.mark.parametrize("empty", [True, False])
def test_the_id_of_a_foreign_tag_in_the_answer_to_making_one_is_not_believed(empty: bool) -> None:
    id_, (uem, vip) = a_fleet(), a_uem()
    vip.devices = set() if empty else vip.devices
    before = set(vip.devices)
    uem.lie = lambda what, about, true: replace(true, external_id=vip.id) if is_high(what, about) else true
    protect(id_, 1, "active", 3)
    run = tag(id_, uem)
    assert (run.state, run.counts["made"]) == ("warning", 5)
    assert f"which of its tags is {HIGH}; nothing is written with it" in run.reason
    row = rows(id_)[HIGH]
    assert (row.external_id, row.organization_group_id) == (None, "570"), "it is looked for by its name"
    assert (vip.devices, vip.id in written(uem)) == (before, False)
    assert uem.carried("1") - {"VIP"} == {ACTIVE}, "the others are written"
    due = the_job(id_).next_at
    assert due is not None
    assert due - now() <= timedelta(minutes=6), "the next run looks again soon"
    vip.devices = {"2"}
    ends_as_it_should(id_, uem, vip)
    assert [what for what, about, _ in uem.log if (what, about) == ("create", HIGH)] == ["create"]
    assert rows(id_)[HIGH].doubted_at is None


def is_high(what: str, about: str) -> bool:
    return (what, about) == ("create", HIGH)


@pytest.mark.parametrize("claimed", ["99999", str(2**63), str(10**19), "10003"])
def test_an_id_that_names_nothing_or_another_tag_of_ours_is_not_believed(claimed: str) -> None:
    id_, (uem, vip) = a_fleet(), a_uem()
    uem.lie = lambda what, _about, true: replace(true, external_id=claimed) if what == "create" else true
    assert tag(id_, uem).state == "warning"
    for name, external_id in ids(id_).items():
        assert external_id is None or uem.held[external_id].name == name
    ends_as_it_should(id_, uem, vip)


@pytest.mark.parametrize("made", [True, False])
def test_an_answer_that_names_no_id_stops_no_other_tag(made: bool) -> None:
    id_, (uem, vip) = a_fleet(), a_uem()

    def lie(what: str, about: str, true: Any) -> Any:
        if not is_high(what, about):
            return true
        if not made:
            del uem.held[true.external_id]
        return MalformedAnswer("The UEM did not say under which id it made the tag.")

    uem.lie = lie
    run = tag(id_, uem)
    assert (run.state, run.counts["added"]) == ("warning", 3)
    assert HIGH in run.reason
    ends_as_it_should(id_, uem, vip)


def test_a_refusal_that_names_an_id_makes_nothing_ours() -> None:
    """As in: 409, the tag exists already, its id is 10001."""
    id_, (uem, vip) = a_fleet(), a_uem()
    theirs = uem.make(HIGH, "2")
    uem.lie = lambda what, _about, true: TagList() if what in {"tags", "search"} else true
    assert tag(id_, uem).state == "warning"
    assert (theirs.devices, ids(id_)[HIGH]) == ({"2"}, None)
    honest(uem)
    assert tag(id_, uem, whole=True).state == "warning"
    assert (theirs.devices, ids(id_)[HIGH], vip.devices) == ({"2"}, None, {"2"}), "it is still not ours"


def as_high(listing: TagList, high: Tag, *, beside: bool) -> TagList:
    """VIP is called as our tag is, instead of it or beside it."""
    others = [row for row in listing.tags if row.name != "VIP" and (beside or row != high)]
    return replace(listing, tags=(Tag("10001", HIGH, "570"), *others))


def renamed(listing: TagList, old: str, new: str) -> TagList:
    """What has one name is listed under another."""
    rows = (replace(row, name=new) if row.name == old else row for row in listing.tags)
    return replace(listing, tags=tuple(rows))


ERRORS = [
    NOT_FOUND,
    ServerFailed("Down."),
    RequestRefused("The UEM declined the call (status 400)."),
    Forbidden("The account may not do this."),
    HtmlAnswer("A web page came instead of data."),
    TooLarge("Too much."),
]
LISTS: dict[str, Callable[[TagList, Tag], TagList]] = {
    "nothing": lambda *_: TagList(),
    "VIP instead": lambda true, high: as_high(true, high, beside=False),
    "VIP beside it": lambda true, high: as_high(true, high, beside=True),
    "another name": lambda true, _: renamed(true, HIGH, "By hand"),
    "an unreadable one beside it": lambda true, _: replace(true, odd=(OddTag(None, HIGH),)),
}
LOOKS: dict[str, tuple[str, Callable[[Any, Tag], Any]]] = {
    **{f"search {error.code}": ("search", lambda *_, error=error: error) for error in ERRORS},
    **{
        f"{what} {error.code}": (what, lambda *_, error=error: error)
        for what in ("tags", "carriers")
        for error in ERRORS[:2]
    },
    **{f"{what} {name}": (what, lie) for what in ("tags", "search") for name, lie in LISTS.items()},
    "carriers somebody": ("carriers", lambda *_: Carriers(("2",))),
    "carriers unreadable": ("carriers", lambda *_: Carriers((), 1)),
}  # fmt: skip


@pytest.mark.parametrize("look", LOOKS)
def test_a_new_tag_is_not_ours_while_a_look_disagrees_or_cannot_be_had(look: str) -> None:
    id_, (uem, vip) = a_fleet(), a_uem()
    said, lie = LOOKS[look]

    def told(what: str, about: str, true: Any) -> Any:
        high = next((Tag(held.id, HIGH, "570") for held in uem.held.values() if held.name == HIGH), None)
        meant = what == "tags" or (high is not None and about in {HIGH, high.external_id})
        return lie(true, high) if high is not None and what == said and meant else true

    uem.lie = told
    protect(id_, 1, "active", 3)
    run = tag(id_, uem)
    assert (run.state, HIGH in run.reason or "3 more" in run.reason) == ("warning", True)
    assert ids(id_)[HIGH] is None
    assert vip.devices == {"2"}
    ends_as_it_should(id_, uem, vip)


def begun(id_: int) -> None:
    """The worker died between asking for the tags and writing down what it was told."""
    with write() as session:
        session.execute(update(UemTag).values(external_id=None, checked_at=None))


@pytest.mark.parametrize("said", ["tags", "search"])
@pytest.mark.parametrize("beside", [True, False])
@pytest.mark.parametrize("how", ["begun", "adopted"])
def test_a_foreign_tag_that_one_list_calls_by_our_name_is_not_ours(how: str, beside: bool, said: str) -> None:
    id_, (uem, vip) = a_fleet(), a_uem()
    if how == "begun":
        tag(id_, uem)
        begun(id_)
    else:
        uem.make(HIGH)
        settings(id_, adopted=(HIGH,))
    high = uem.named(HIGH)

    def told(what: str, about: str, true: Any) -> Any:
        meant = what == said and (said == "tags" or about == HIGH)
        return as_high(true, Tag(high.id, HIGH, "570"), beside=beside) if meant else true

    uem.lie = told
    protect(id_, 1, "active", 3)
    assert tag(id_, uem).state == "warning" or ids(id_)[HIGH] == high.id
    assert ids(id_)[HIGH] in {None, high.id}
    assert vip.devices == {"2"}
    ends_as_it_should(id_, uem, vip)


def test_of_two_tags_with_our_name_neither_is_taken_for_the_one_we_asked_for() -> None:
    id_, (uem, vip) = a_fleet(), a_uem()
    tag(id_, uem)
    begun(id_)
    theirs = uem.make(HIGH, "2")
    assert tag(id_, uem).state == "warning"
    assert (ids(id_)[HIGH], theirs.devices) == (None, {"2"})
    del uem.held[theirs.id]
    ends_as_it_should(id_, uem, vip)


def without_high(listing: TagList) -> TagList:
    return replace(listing, tags=tuple(row for row in listing.tags if row.name != HIGH))


def test_a_tag_that_one_list_lacks_is_not_made_while_a_search_finds_it() -> None:
    id_, (uem, vip) = a_fleet(), a_uem()
    theirs = uem.make(HIGH, "2")

    uem.lie = lambda what, _about, true: without_high(true) if what == "tags" else true
    run = tag(id_, uem)
    assert (run.state, HIGH in run.reason) == ("warning", True)
    assert HIGH not in [about for what, about, _ in uem.log if what == "create"]
    assert (theirs.devices, vip.devices) == ({"2"}, {"2"})


def test_an_id_of_a_former_uem_is_not_ours_because_one_list_says_so() -> None:
    id_, (uem, vip) = a_fleet(), a_uem()
    protect(id_, 1, "active", 3)
    tag(id_, uem)
    stranger, other = uem.named(HIGH), TagUem(enrolled=uem.enrolled, held=uem.held, made=uem.made)
    stranger.name, stranger.devices = "Stranger", {"2"}
    with write() as session:
        session.execute(update(UemTag).values(proven=False))
    left = [1]

    def told(what: str, _about: str, true: Any) -> Any:
        if what != "tags" or not left[0]:
            return true
        left[0] -= 1
        return renamed(true, "Stranger", HIGH)

    other.lie = told
    protect(id_, 1, "active", 0)
    protect(id_, 2, "active", 3)
    assert tag(id_, other).state == "warning"
    assert stranger.devices == {"2"}
    assert stranger.id not in written(other)
    honest(other)
    assert tag(id_, other, whole=True).state == "ok"
    assert (stranger.devices, other.carried("2")) == ({"2"}, {"VIP", "Stranger", ACTIVE, HIGH})
    assert vip.devices == {"2"}


@pytest.mark.parametrize("said", ["tags", "search", "carriers"])
def test_an_error_that_ends_the_run_ends_it_also_while_a_claim_is_looked_at(said: str) -> None:
    id_, (uem, vip) = a_fleet(), a_uem()
    until = now() + timedelta(hours=3)
    for error, state in ((SignInRefused("No."), "auth_failed"), (RateLimited("No more.", until), "failed")):
        uem.lie = lambda what, _about, true, error=error: (
            error if what == said and len(uem.held) > 1 else true
        )
        assert tag(id_, uem).state == state
        assert written(uem) == set()
    honest(uem)
    with write() as session:
        session.execute(update(UemTag).values(doubted_at=None))
    ends_as_it_should(id_, uem, vip)
    assert links(id_)
