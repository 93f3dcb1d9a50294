"""Organization groups find their parents by climbing, with few calls. Rungs: pure with a mocked call, H."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harmony.tagging.root_group import topmost
from harmony.uem.errors import Forbidden, NotFound
from harmony.uem.http.response import Answer
from harmony.uem.workspace_one import groups
from harmony.uem.workspace_one.endpoints import Call

# Above every group the account sees there is one that it does not see.
INVISIBLE = 1


class Tenant:
    """A UEM with these parents by id; `tops_have_parents` as a real one, older servers leave them out."""

    def __init__(self, parents: Mapping[int, int], *, tops_have_parents: bool = True) -> None:
        self.parents = parents
        self.tops_have_parents = tops_have_parents
        self.refused: dict[int, type[Exception]] = {}
        self.trees: list[int] = []

    def ask(
        self, call: Call, read: Callable[[Answer], Any], params: dict[str, str] | None = None,
        numeric_id: str | None = None, body: object = None,
    ) -> Any:  # fmt: skip
        """`WorkspaceOne.call`, without a network."""
        if call is Call.GROUPS_SEARCH:
            ids = self.parents if params == {"page": "0", "pagesize": "500"} else ()
            rows = [{"Id": id_, "Name": f"G{id_}", "LgLevel": 0} for id_ in ids]
            return read(Answer(200, {}, json.dumps({"OrganizationGroups": rows}).encode()))
        top = int(numeric_id or 0)
        self.trees.append(top)
        if top in self.refused:
            raise self.refused[top]("no")
        rows = [self._row(id_, top) for id_ in self.parents if self._is_below(id_, top)]
        return read(Answer(200, {}, json.dumps(rows).encode()))

    def _row(self, id_: int, top: int) -> dict[str, Any]:
        row: dict[str, Any] = {"Id": {"Value": id_}, "Name": f"G{id_}", "LgLevel": 0}
        if id_ != top or self.tops_have_parents:
            row["ParentLocationGroup"] = {"Id": {"Value": self.parents[id_]}, "Uuid": "u"}
        return row

    def _is_below(self, id_: int, top: int) -> bool:
        passed: set[int] = set()
        while id_ != top and id_ in self.parents and id_ not in passed:
            passed.add(id_)
            id_ = self.parents[id_]
        return id_ == top


def read(tenant: Tenant) -> dict[int, int | None]:
    """The parent of each group, as the client finds it."""
    found = groups.organization_groups(tenant.ask)
    return {int(group.external_id): int(group.parent_id) if group.parent_id else None for group in found}


def visible(parents: Mapping[int, int]) -> dict[int, int | None]:
    return {id_: parent if parent in parents else None for id_, parent in parents.items()}


@st.composite
def forests(draw: st.DrawFn) -> dict[int, int]:
    """Groups in any order of ids, in one tree or in several."""
    ids = draw(st.lists(st.integers(2, 9999), min_size=1, max_size=groups.MOST_TREES, unique=True))
    parents = {}
    for place, id_ in enumerate(ids):
        parents[id_] = draw(st.sampled_from([INVISIBLE, *ids[:place]])) if place else INVISIBLE
    return parents


@given(parents=forests(), tops=st.booleans())
def test_every_group_gets_its_parent_whatever_the_order_of_the_ids(
    parents: dict[int, int], tops: bool
) -> None:
    tenant = Tenant(parents, tops_have_parents=tops)
    assert read(tenant) == visible(parents)


def test_a_root_whose_id_is_not_the_lowest_is_found_by_climbing_and_is_the_home_of_the_tags() -> None:
    parents = {900: INVISIBLE, 500: 900, 40: 500} | {100 + number: 40 for number in range(28)}
    tenant = Tenant(parents)
    assert read(tenant) == visible(parents)
    assert tenant.trees == [40, 500, 900], "one tree for each step up, and none for what lies below"
    found = groups.organization_groups(tenant.ask)
    assert topmost((group.external_id, group.parent_id) for group in found) == "900"


@pytest.mark.parametrize("error", [NotFound, Forbidden])
def test_a_tree_that_may_not_be_read_takes_the_parents_of_no_other_group(error: type[Exception]) -> None:
    parents = {900: INVISIBLE, 500: 900, 40: 500, 41: 500}
    tenant = Tenant(parents)
    tenant.refused[900] = error
    assert read(tenant) == visible(parents)


def test_parents_in_a_circle_are_read_once() -> None:
    tenant = Tenant({2: 3, 3: 2})
    assert set(read(tenant)) == {2, 3}
    assert tenant.trees == [2, 3]


def test_many_separate_trees_are_read_up_to_a_bound() -> None:
    tenant = Tenant(dict.fromkeys(range(2, 60), INVISIBLE))
    assert read(tenant) == dict.fromkeys(range(2, 60))
    assert len(tenant.trees) == groups.MOST_TREES
