"""Do two integrations read the same groups of one server (rung: pure)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harmony.models.configuration import ChosenGroup
from harmony.setup.overlap import Reader, overlap

# 570 at the top, 571 and 572 below it, 573 below 571; 600 beside.
TREE = {"570": None, "571": "570", "572": "570", "573": "571", "600": None}
SERVER = "uem.test:443"


def organization(*ids: str) -> tuple[ChosenGroup, ...]:
    return tuple(ChosenGroup(kind="organization", external_id=id_, name=f"Group {id_}") for id_ in ids)


def smart(*ids: str) -> tuple[ChosenGroup, ...]:
    return tuple(ChosenGroup(kind="smart", external_id=id_, name=f"Smart {id_}") for id_ in ids)


def mine(groups: tuple[ChosenGroup, ...], server: str = SERVER, known: bool = True) -> Reader:
    return Reader("Branch office", server, groups, TREE if known else {})


def other(groups: tuple[ChosenGroup, ...], known: bool = True) -> Reader:
    return Reader("Head office", SERVER, groups, TREE if known else {})


@pytest.mark.parametrize(
    ("here", "there", "says"),
    [
        (organization("571"), organization("571"), "are the same group of the same server"),
        (organization("571"), organization("570"), "lies below Group 570 (in Head office)"),
        (organization("573"), organization("570"), "lies below Group 570 (in Head office)"),
        (organization("570"), organization("573"), "lies above Group 573 (in Head office)"),
        (organization("600", "573"), organization("572", "571"), "Group 573 (in Branch office) lies below"),
        (smart("9"), smart("8", "9"), "Smart 9 (in Branch office) and Smart 9 (in Head office)"),
    ],
)
@pytest.mark.parametrize("who_knows", [(True, True), (True, False), (False, True)])
def test_an_overlap_is_named_with_both_integrations_and_both_groups(
    here: tuple[ChosenGroup, ...], there: tuple[ChosenGroup, ...], says: str, who_knows: tuple[bool, bool]
) -> None:
    sentence = overlap(mine(here, known=who_knows[0]), [other(there, known=who_knows[1])])
    assert sentence is not None
    assert says in sentence
    assert "(in Branch office)" in sentence
    assert "(in Head office)" in sentence


@pytest.mark.parametrize(
    ("here", "there"),
    [
        (organization("571"), organization("572")),
        (organization("573"), organization("572", "600")),
        (organization("9"), smart("9")),
        (smart("8"), smart("9")),
        (organization("570"), ()),
        ((), organization("570")),
    ],
)
def test_groups_beside_each_other_do_not_overlap(
    here: tuple[ChosenGroup, ...], there: tuple[ChosenGroup, ...]
) -> None:
    assert overlap(mine(here), [other(there)]) is None


def test_another_server_is_another_world() -> None:
    assert overlap(mine(organization("570"), server="uem.test:8443"), [other(organization("570"))]) is None
    assert overlap(mine(organization("570")), []) is None


def test_a_tree_that_bites_its_tail_ends() -> None:
    ring = {"1": "2", "2": "1", "9": None}
    circular = Reader("Branch office", SERVER, organization("1"), ring)
    assert overlap(circular, [Reader("Head office", SERVER, organization("9"), ring)]) is None


trees = st.dictionaries(
    st.integers(0, 8).map(str), st.one_of(st.none(), st.integers(0, 8).map(str)), max_size=9
)
picks = st.lists(st.integers(0, 8).map(str), max_size=4).map(lambda ids: organization(*ids))


@given(trees, trees, picks, picks)
def test_whether_two_overlap_does_not_depend_on_who_is_asked(
    one: dict[str, str | None],
    two: dict[str, str | None],
    here: tuple[ChosenGroup, ...],
    there: tuple[ChosenGroup, ...],
) -> None:
    left, right = Reader("Left", SERVER, here, one), Reader("Right", SERVER, there, two)
    assert bool(overlap(left, [right])) == bool(overlap(right, [left]))
