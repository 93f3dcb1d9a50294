"""A Workspace ONE UEM in memory that moves while it is read, lies, breaks, and writes down what it said."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from msgspec.structs import replace

from harmony.uem.records import DevicePage, Group, GroupKind, Quota, SkippedRow, SystemInfo, Tag, UemDevice
from tests.builders import NOON, a_device

# The organization groups with their parents, and the smart groups with the groups that manage them.
PARENTS = {"570": None, "571": "570", "572": "571", "600": None}
MANAGERS = {"8": "570", "9": "600"}


@dataclass
class World:
    """What there is in the UEM. `unreadable` says of a row what can still be read of it: id, udid or nothing.

    `inclusive`: the list of a group has the devices of the groups below it too.
    """

    rows: dict[str, UemDevice] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    smart: dict[str, set[str]] = field(default_factory=lambda: {smart: set() for smart in MANAGERS})
    hidden: set[str] = field(default_factory=set)
    gone: dict[str, UemDevice] = field(default_factory=dict)
    inclusive: bool = True
    last_id: int = 0

    def enrol(self, group: str, udid: str = "", enrolled: datetime | None = NOON) -> str:
        """A new row, for new hardware or for the one with this UDID; its id."""
        self.last_id += 1
        id_ = str(self.last_id)
        self.put(id_, group, udid or f"Udid{id_}", enrolled)
        return id_

    def put(self, id_: str, group: str, udid: str, enrolled: datetime | None = NOON) -> None:
        """The row with this id, as new."""
        self.rows[id_] = a_device(
            external_id=id_, udid=udid, group_id=group, serial=udid.casefold(), enrolled_at=enrolled,
            uuid=f"{id_} {udid}".casefold(),
        )  # fmt: skip
        self.unreadable.pop(id_, None)

    def change(self, id_: str, **fields: object) -> None:
        """Other values in a row."""
        self.rows[id_] = replace(self.rows[id_], **fields)

    def leave(self, id_: str) -> None:
        """The row is gone."""
        self.gone[id_] = self.rows.pop(id_)
        self.unreadable.pop(id_, None)
        for members in self.smart.values():
            members.discard(id_)

    def listing(self, group: str, since: datetime | None) -> list[UemDevice]:
        """The rows of a group now, in the order of their ids; none of a group that the account cannot see."""
        return [
            row
            for id_, row in sorted(self.rows.items(), key=lambda item: int(item[0]))
            if group not in self.hidden
            and (row.group_id == group or (self.inclusive and below(row.group_id, group)))
            and (since is None or (row.last_seen is not None and row.last_seen >= since))
        ]


def below(group: str, above: str) -> bool:
    """Whether a group is somewhere below another one."""
    parent = PARENTS[group]
    return parent is not None and (parent == above or below(parent, above))


@dataclass
class Pull:
    """What was said of one group: its readable rows, the others, the largest Total, and whether it ended."""

    group: str
    rows: list[UemDevice] = field(default_factory=list)
    skipped: list[SkippedRow] = field(default_factory=list)
    total: int = 0
    ended: bool = False
    announced: bool = False

    @property
    def said(self) -> bool:
        """Whether it had any row."""
        return bool(self.rows or self.skipped)

    @property
    def whole(self) -> bool:
        """Whether it was read to its end and had as many different devices as it announced."""
        keys = {row.external_id for row in self.rows}
        keys |= {row.external_id or f"udid {row.udid.casefold()}" for row in self.skipped}
        return self.ended and len(keys) >= self.total


@dataclass
class ModelUem:
    """A UemClient for one run. `surprises` are done before the page of that number, counted over all pulls.

    `lie` turns the real Total into the one that is told, given how many pulls there were before; `again` adds
    a row of the first page to this one.
    """

    world: World
    page_size: int
    lie: Callable[[int, int], int | None]
    surprises: dict[int, list[Callable[[], None]]]
    takes: timedelta
    clock: Callable[[timedelta], None]
    pulls: list[Pull] = field(default_factory=list)
    visible: set[str] = field(default_factory=set)
    members: dict[str, frozenset[str]] = field(default_factory=dict)
    pages: int = 0
    again: bool = False

    def groups(self) -> list[Group]:
        """Those the account sees."""
        self._surprise()
        seen = {group for group in (*PARENTS, *MANAGERS) if group not in self.world.hidden}
        self.visible = seen
        return [
            Group(GroupKind.ORGANIZATION, id_, f"Group {id_}", "", self._count(id_), parent, None)
            for id_, parent in PARENTS.items()
            if id_ in seen
        ] + [
            Group(GroupKind.SMART, id_, f"Smart {id_}", "", len(self.world.smart[id_]), None, manager)
            for id_, manager in MANAGERS.items()
            if id_ in seen
        ]

    def _count(self, group: str) -> int:
        return len(self.world.listing(group, None))

    def smart_group_members(self, group_id: str) -> frozenset[str]:
        """The ids of its members."""
        self.members[group_id] = frozenset(self.world.smart[group_id])
        return self.members[group_id]

    def device_pages(self, group_id: str, since: datetime | None = None) -> Iterator[DevicePage]:
        """Page by page, each as the world is when it is asked for; it ends where a page is empty."""
        pull = Pull(group_id)
        self.pulls.append(pull)
        number = 0
        while True:
            self._surprise()
            everything = self.world.listing(group_id, since)
            listed = everything[number * self.page_size : (number + 1) * self.page_size]
            if not listed:
                break
            told = self.lie(len(everything), len(self.pulls) - 1)
            pull.total = max(pull.total, told or 0)
            pull.announced |= told is not None
            if self.again:
                listed += pull.rows[:1]
            yield self._page(pull, number, listed, None if told is None else pull.total)
            number += 1
        pull.ended = True

    def _page(self, pull: Pull, number: int, listed: list[UemDevice], total: int | None) -> DevicePage:
        unreadable = self.world.unreadable
        rows = tuple(row for row in listed if row.external_id not in unreadable)
        skipped = tuple(_skipped(row, unreadable[row.external_id]) for row in listed if row not in rows)
        pull.rows += rows
        pull.skipped += skipped
        return DevicePage(number, rows, skipped, total)

    def _surprise(self) -> None:
        self.again = False
        self.clock(self.takes)
        number, self.pages = self.pages, self.pages + 1
        for surprise in self.surprises.pop(number, ()):
            surprise()

    def system_info(self) -> SystemInfo:
        """Not asked for by a sync."""
        raise NotImplementedError

    def tags(self, organization_group_id: str) -> list[Tag]:
        """Not asked for by a sync."""
        raise NotImplementedError

    def calls(self) -> int:
        """One for each page."""
        return self.pages

    def quota(self) -> Quota | None:
        """Never told."""
        return None

    def clock_skew(self) -> float | None:
        """Never told."""
        return None

    def close(self) -> None:
        """Nothing is open."""


def _skipped(row: UemDevice, readable: str) -> SkippedRow:
    return SkippedRow(
        row.external_id if readable == "id" else None, "unreadable", row.udid if readable == "udid" else ""
    )
