"""Sets of device ids behave as sets of strings do (rung: pure, Hypothesis)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harmony.db.id_set import IdSet, KeyFilter

NUMBERS = st.integers(0, 10**20).map(str)
ODD = st.sampled_from(["", "007", "٣", "1_0", " 5", "+5", "abc", "0", "00", "9" * 30]) | st.text(max_size=5)
PAGE = st.lists(NUMBERS | ODD, max_size=30)


@given(st.lists(PAGE, max_size=5), PAGE)
def test_it_is_a_set_of_strings(pages: list[list[str]], others: list[str]) -> None:
    ids, plain = IdSet(), set[str]()
    for page in pages:
        ids.add(page)
        plain.update(page)
    assert len(ids) == len(plain)
    assert [one in ids for one in others] == [one in plain for one in others]
    assert ids.none_of(others) is plain.isdisjoint(others)


def test_nothing_but_text_is_ever_in_it() -> None:
    ids = IdSet()
    ids.add(["5"])
    assert None not in ids
    assert 5 not in ids


@given(st.lists(st.text(max_size=8)), st.lists(st.text(max_size=8)))
def test_a_filter_never_denies_a_key_that_was_added(added: list[str], others: list[str]) -> None:
    keys = KeyFilter()
    keys.add(added)
    if {*added, ""} != {""} and {*added} & {*others} - {""}:
        assert not keys.has_none_of(others)
    assert all(not keys.has_none_of([key]) for key in added if key)
    assert KeyFilter().has_none_of(added)


def test_sets_that_took_the_same_page_share_nothing() -> None:
    page, one, other = ["1", "2"], IdSet(), IdSet()
    one.add(page)
    other.add(page)
    one.add(["3"])
    assert ("3" in one, "3" in other) == (True, False)
    assert other.none_of(["3"])
    assert not one.none_of(page)
