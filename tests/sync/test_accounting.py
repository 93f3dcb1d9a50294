"""What a run may conclude of what it was told (rung: pure tables, and H against a fleet that is there)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harmony.jobs.accounting import Account, Identity, Match, compare, contradicts_many, same_hardware

STORED = Identity("5", "u5", "aa", "s5")


@pytest.mark.parametrize(
    ("marks", "match"),
    [
        (("u5", "aa", "s5"), Match.SAME),
        (("u5", "bb", "s5"), Match.SAME),
        (("u5", "bb", "s9"), Match.SAME),
        (("", "bb", "s5"), Match.SAME),
        (("", "", ""), Match.SAME),
        (("u9", "bb", "s9"), Match.OTHER),
        (("", "bb", "s9"), Match.OTHER),
        (("u9", "bb", ""), Match.OTHER),
        (("", "bb", ""), Match.DOUBTFUL),
        (("", "", "s9"), Match.DOUBTFUL),
        (("u9", "", "s9"), Match.DOUBTFUL),
    ],
)
def test_a_stored_id_is_believed_only_with_what_was_stored_beside_it(
    marks: tuple[str, str, str], match: Match
) -> None:
    assert compare(STORED, Identity("5", *marks)) is match


def test_what_is_not_stored_contradicts_nothing() -> None:
    assert compare(Identity("5"), Identity("5", "u9", "bb", "s9")) is Match.SAME


@pytest.mark.parametrize(("first", "second", "same"), [("s", "s", True), ("s", "", True), ("s", "t", False)])
def test_two_records_with_a_udid_are_one_device_unless_their_serials_differ(
    first: str, second: str, same: bool
) -> None:
    assert same_hardware(Identity(serial=first), Identity(serial=second)) is same


@pytest.mark.parametrize(
    ("contradicted", "known", "many"), [(0, 0, False), (10, 10, False), (11, 110, False), (11, 109, True)]
)
def test_one_answer_is_never_believed_against_many_things(contradicted: int, known: int, many: bool) -> None:
    assert contradicts_many(contradicted, known) is many


@pytest.mark.parametrize("mark", range(4))
def test_a_doubt_about_a_thing_keeps_that_thing(mark: int) -> None:
    account = Account()
    row = Identity(*(value if place == mark else "" for place, value in enumerate(STORED)))
    assert account.doubt(row)
    assert not account.doubt(row), "the same row of a parent's list is told once"
    assert account.may_be(STORED)
    assert not account.may_be(Identity("6", "u6", "bb", "s6"))
    assert not account.may_be(Identity())


def test_a_row_without_any_mark_may_be_any_device() -> None:
    account = Account()
    assert account.doubt(Identity())
    assert account.doubt(Identity())
    assert account.anonymous([]) == 2


def test_rows_that_share_all_they_say_name_nothing() -> None:
    account = Account()
    account.begin_list()
    for serial in ("s1", "s1", "s2"):
        account.doubt(Identity(udid_key="aa", serial=serial))
    assert account.anonymous([]) == 1, "the one whose serial number no other row has names something"


def test_a_row_that_two_lists_have_names_what_it_names() -> None:
    account = Account()
    for _ in range(2):
        account.begin_list()
        account.doubt(Identity(udid_key="aa"))
    assert account.anonymous([]) == 0


def test_a_row_that_repeats_a_device_that_is_there_anyway_may_be_any_other() -> None:
    account = Account()
    account.begin_list()
    account.doubt(Identity(udid_key="aa"))
    assert account.anonymous([Identity("5", "u5", "bb", "s5")]) == 0
    assert account.anonymous([STORED]) == 1


@pytest.mark.parametrize("how", ["doubtful", "older enrolment", "shared UDID"])
def test_a_row_that_repeats_a_row_no_device_stands_for_may_be_any(how: str) -> None:
    account = Account()
    account.begin_list()
    account.doubt(Identity(udid_key="aa"))
    other = Identity("7", "u7", "aa", "s7")
    if how == "doubtful":
        account.doubt(other)
    elif how == "older enrolment":
        account.name(other)
    else:
        account.shared.add("aa")
    assert account.anonymous([]) == 1


FLEET = [Identity(str(number), f"u{number}", f"d{number}", f"s{number}") for number in range(1, 9)]
HIDDEN = st.sets(st.sampled_from(Identity._fields), max_size=4)


@given(st.lists(HIDDEN, min_size=len(FLEET), max_size=len(FLEET)))
def test_no_device_that_a_row_was_about_is_ever_absent(hidden: list[set[str]]) -> None:
    """Every device has a row in the list, with whatever marks the answer left in it."""
    account, placed = Account(), []
    account.begin_list()
    for device, gone in zip(FLEET, hidden, strict=True):
        row = device._replace(**dict.fromkeys(gone, ""))
        if row.external_id:
            placed.append(device)
        else:
            account.doubt(row)
    taken = [device for device in placed if any(set(device[1:]) & set(row) for row in account.unnamed)]
    absent = [device for device in FLEET if device not in placed and not account.may_be(device)]
    assert not absent or account.anonymous(taken), f"{absent} would be missing"
