"""The groups an account sees: organization groups with their parents, smart groups (facts/ws1-api.md §3)."""

from __future__ import annotations

from collections.abc import Callable

from harmony.uem.errors import Forbidden, Incomplete, NotFound
from harmony.uem.http.response import Answer
from harmony.uem.records import Group
from harmony.uem.workspace_one import readers
from harmony.uem.workspace_one.endpoints import Call
from harmony.uem.workspace_one.prefetch import MAX_PAGES
from harmony.uem.workspace_one.requests import Ask, paged

# An account sees one top group, rarely a few, and a tree is rarely deeper than this.
MOST_TREES = 20


def organization_groups(ask: Ask) -> list[Group]:
    """Return every organization group of the account, by id; `parent_id` is None if it is not visible."""
    found = _search(ask, Call.GROUPS_SEARCH, readers.read_groups, "organization groups")
    placed = {**found, **_Trees(ask, found).read()}
    return readers.under_visible_parents(sorted(placed.values(), key=lambda group: int(group.external_id)))


def smart_groups(ask: Ask) -> list[Group]:
    """Return every smart group of the account, in the order of the UEM."""
    return list(_search(ask, Call.SMART_GROUPS_SEARCH, readers.read_smart_groups, "smart groups").values())


class _Trees:
    """Reads trees until each visible group has its parent.

    The search tells neither parent nor depth: its `LgLevel` is 0 in every row. So a tree is read anywhere and
    climbed, from its own row to that row's parent, up to a group whose parent is not visible. That tree has
    every group below, and the next group without a place is in another one.
    """

    def __init__(self, ask: Ask, found: dict[str, Group]) -> None:
        self._ask = ask
        self._found = found
        self._asked: set[str] = set()
        self._placed: dict[str, Group] = {}

    def read(self) -> dict[str, Group]:
        """Return the groups of all trees, by id."""
        for external_id in sorted(self._found, key=int):
            if external_id not in self._placed:
                self._climb(external_id)
        return self._placed

    def _climb(self, external_id: str) -> None:
        following: str | None = external_id
        while following in self._found and following not in self._asked and len(self._asked) < MOST_TREES:
            self._asked.add(following)
            self._placed |= {group.external_id: group for group in self._tree(following)}
            own = self._placed.get(following)
            following = own.parent_id if own else None

    def _tree(self, external_id: str) -> list[Group]:
        try:
            return self._ask(Call.GROUP_CHILDREN, readers.read_tree, numeric_id=external_id)
        except (NotFound, Forbidden):
            return []


def _search(ask: Ask, call: Call, read: Callable[[Answer], list[Group]], what: str) -> dict[str, Group]:
    found: dict[str, Group] = {}
    for number in range(MAX_PAGES):
        page = ask(call, read, paged(number))
        if not page:
            break
        before = len(found)
        found.update({group.external_id: group for group in page})
        if len(found) == before:
            raise Incomplete(f"The UEM sent the same {what} again instead of the next page.")
    return found
