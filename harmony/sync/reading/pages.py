"""Reads the scope from the UEM, page by page, and accounts for every row of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from harmony.db.id_set import IdSet
from harmony.jobs.accounting import Account, Match, compare, identity
from harmony.jobs.outcome import Doubt
from harmony.jobs.tally import Tally
from harmony.models.configuration import Synchronization
from harmony.sync.diff import read_to_the_end
from harmony.sync.reading.placement import SHARED_ID, GroupTree, Sorted, doubtful_row, sort_rows
from harmony.sync.reading.scope import Incoming, Scope, chosen_groups, cover, pulls, still_there
from harmony.sync.reading.single import single_devices
from harmony.uem.client import UemClient
from harmony.uem.privacy import Privacy, redact
from harmony.uem.records import DevicePage, Group, GroupKind, SkippedRow, UemDevice


class _Sink(Protocol):
    """Where devices go once they are read: into the database, or into the figures of a preview."""

    def take(
        self, arriving: Sequence[Incoming], skipped: Sequence[SkippedRow], outside: Sequence[UemDevice]
    ) -> None:
        """The devices of one page that were not read before in this snapshot: in the scope and outside it."""

    def flush(self) -> None:
        """A pull has ended, or an error is about to end it: nothing may be kept back any longer."""


@dataclass(slots=True)
class Reading:
    """One look at the scope: what is chosen, and what was seen until now.

    `placed` are the ids of the devices in the chosen groups, `rows` those of every row whose id could be
    read, `members` those that smart groups name. `listed` are the chosen groups that listed a device.
    """

    client: UemClient
    choice: Synchronization
    sink: _Sink
    tally: Tally
    between_pages: Callable[[], None]
    account: Account
    since: datetime | None = None
    placed: IdSet = field(default_factory=IdSet)
    rows: IdSet = field(default_factory=IdSet)
    members: IdSet = field(default_factory=IdSet)
    listed: set[tuple[str, str]] = field(default_factory=set)
    _tree: GroupTree = field(default_factory=GroupTree)
    _unproven: list[str] = field(default_factory=list)
    _named: set[str] = field(default_factory=set)
    _empty: set[str] = field(default_factory=set)

    def read(self) -> Doubt:
        """Read every group to its end. Raises UemError, or what `between_pages` raises."""
        self.tally.step = "Reading the groups"
        visible = self.client.groups()
        self._tree = GroupTree.of(visible)
        there, gone = still_there(chosen_groups(self.choice), visible)
        short = tuple(self._pull_all(there, visible))
        unlisted = self.members.count_missing_from(self.rows, self.account.ids)
        return Doubt(tuple(gone), short, tuple(self._unproven), unlisted=unlisted)

    def read_devices(self, external_ids: Sequence[str]) -> Doubt:
        """Read single devices, each by its id. Raises as `read` does.

        What the UEM does not have, or has outside the choice, is afterwards not listed (`is_listed`).
        """
        self.tally.step = "Reading the groups"
        visible = self.client.groups()
        self._tree = GroupTree.of(visible)
        there, gone = still_there(chosen_groups(self.choice), visible)
        scope = self._scope(there, visible)
        self.tally.step, self.tally.expected = "Reading the devices that events named", len(external_ids)
        try:
            for page in single_devices(self.client, external_ids):
                self.between_pages()
                self._note(page)
                asked = page.devices[0].group_id if page.devices else ""
                self._take(page, scope, asked, again=False)
        finally:
            self.tally.calls = self.client.calls()
            self.sink.flush()
        return Doubt(tuple(gone), unproven=tuple(self._unproven))

    def is_placed(self, external_id: str) -> bool:
        """Return True if a row of a chosen group has this id."""
        return external_id in self.placed

    def is_listed(self, external_id: str | None) -> bool:
        """Return True if a row or a list of members of this snapshot has this id."""
        return external_id in self.placed or external_id in self.account.ids or external_id in self.members

    def empty_groups(self) -> frozenset[tuple[str, str]]:
        """The chosen groups, as kind and id, that listed no device at all."""
        chosen = {(group.kind, group.external_id) for group in self.choice.groups}
        return frozenset(chosen - self.listed)

    def _pull_all(self, groups: Sequence[Group], visible: Sequence[Group]) -> list[str]:
        """Read every group; the names of those that listed fewer devices than they announced, twice.

        A group below another one comes with it, if that list really has devices of that group: that the
        UEM's filter includes child groups is not proven by any recording (facts/ws1-api.md §5.1).
        """
        scope = self._scope(groups, visible)
        known = {group.external_id: group for group in visible if group.kind is GroupKind.ORGANIZATION}
        names = {group.external_id: group.name for group in (*known.values(), *groups)}
        above = cover(pulls(groups), {id_: group.parent_id for id_, group in known.items()})
        roots = [group_id for group_id, root in above.items() if root == group_id]
        short = []
        for group_id in [*roots, *(group_id for group_id in above if group_id not in roots)]:
            if group_id not in roots and self._came_with(above[group_id], known[group_id]):
                continue
            name = names.get(group_id, group_id)
            self.tally.step = f"Reading {name}"
            if not self._pull_twice(group_id, name, scope, known.get(group_id)):
                short.append(name)
        return short

    def _pull_twice(self, group_id: str, name: str, scope: Scope, group: Group | None) -> bool:
        """Read one group; again if not all of it came, or nothing although the UEM counts devices there.

        Devices that move while they are read leave holes between pages; a second look is often whole.
        """
        counted = bool(group and group.devices) and self.since is None
        whole = self._pull(group_id, name, scope)
        if not whole or (counted and group_id in self._empty):
            whole = self._pull(group_id, name, scope, again=True)
        if counted and group_id in self._empty:
            self._unproven.append(name)
        return whole

    def _came_with(self, root: str, group: Group) -> bool:
        """Return True if the list of `root` had devices of the group, or the UEM counts none there."""
        # A group without devices comes with a list that has those of any other group below.
        above = root if group.devices == 0 else group.external_id
        return any(self._tree.is_below(named, above) for named in self._named)

    def _scope(self, groups: Sequence[Group], visible: Sequence[Group]) -> Scope:
        """Every chosen organization group, for a parent may list the devices of one that is out of sight."""
        announced = {group.external_id: group for group in visible if group.kind is GroupKind.SMART}
        smart = [announced[group.external_id] for group in groups if group.kind is GroupKind.SMART]
        members = {group.external_id: self._members(group) for group in smart}
        for ids in members.values():
            self.members.add(list(ids))
        return Scope(
            frozenset(
                group.external_id for group in self.choice.groups if group.kind == GroupKind.ORGANIZATION
            ),
            members,
        )

    def _members(self, group: Group) -> frozenset[str]:
        """The ids of a smart group's members; asked for again when there are fewer than the UEM counts."""
        members = self.client.smart_group_members(group.external_id)
        if len(members) < (group.devices or 0):
            members |= self.client.smart_group_members(group.external_id)
        if len(members) < (group.devices or 0):
            self._unproven.append(group.name)
        return members

    def _pull(self, group_id: str, name: str, scope: Scope, again: bool = False) -> bool:
        """Read one group to its end; whether it listed as many devices as it promised."""
        listed, unreadable, total = IdSet(), 0, None
        before = self.tally.expected or 0
        self.account.begin_list()
        try:
            for page in self.client.device_pages(group_id, self.since):
                self.between_pages()
                total = page.total if page.total is not None else total
                self.tally.expected = before + (total or 0) or None
                listed.add([device.external_id for device in page.devices])
                listed.add([row.external_id for row in page.skipped if row.external_id])
                unreadable += sum(1 for row in page.skipped if not row.external_id)
                self._note(page)
                self._take(page, scope, group_id, again)
        finally:
            self.tally.calls = self.client.calls()
            self.sink.flush()
        if total is None and (len(listed) or unreadable):
            self._unproven.append(name)
        (self._empty.discard if len(listed) or unreadable else self._empty.add)(group_id)
        return read_to_the_end(len(listed), unreadable, total)

    def _note(self, page: DevicePage) -> None:
        self.tally.pages_read += 1
        self.tally.devices_read += len(page.devices) + len(page.skipped)
        self.tally.calls = self.client.calls()
        if quota := self.client.quota():
            self.tally.quota_left, self.tally.quota_limit = quota.remaining, quota.limit

    def _take(self, page: DevicePage, scope: Scope, group_id: str, again: bool) -> None:
        """Hand on the devices of a page that are new in this snapshot and placed, and the doubtful rows."""
        fresh, twice = self._fresh(page.devices, again)
        found = sort_rows(self._kept(fresh), scope, self._tree, group_id)
        self.placed.add([row.device.external_id for row in found.placed])
        for row in found.placed:
            self.listed.update(row.memberships)
        self._account(fresh, found, group_id)
        doubtful = [
            row for row in (*page.skipped, *twice, *found.doubtful) if self.account.doubt(identity(row))
        ]
        self.sink.take(found.placed, doubtful, found.outside)

    def _fresh(
        self, devices: Sequence[UemDevice], again: bool
    ) -> tuple[Sequence[UemDevice], list[SkippedRow]]:
        """The rows whose id was not read before, and those that share an id with another row of the page.

        A row that repeats an id of an earlier page is that device; what else it names is kept too.
        """
        ids = [device.external_id for device in devices]
        if len(set(ids)) == len(ids) and self.rows.none_of(ids):
            return devices, []
        by_id: dict[str, list[UemDevice]] = {}
        for device in devices:
            by_id.setdefault(device.external_id, []).append(device)
        twice = [device for rows in by_id.values() if not _agree(rows) for device in rows]
        repeated = [rows[0] for id_, rows in by_id.items() if _agree(rows) and id_ in self.rows]
        if not again:
            for device in repeated:
                self.account.protect(identity(device))
        fresh = [rows[0] for id_, rows in by_id.items() if _agree(rows) and id_ not in self.rows]
        return fresh, [doubtful_row(device, SHARED_ID) for device in twice]

    def _account(self, devices: Sequence[UemDevice], found: Sorted, group_id: str) -> None:
        """Remember the rows that are not doubtful, and the other groups that they name."""
        if found.doubtful:
            doubtful = {row.external_id for row in found.doubtful}
            devices = [device for device in devices if device.external_id not in doubtful]
        self.rows.add([device.external_id for device in devices])
        self._named.update({device.group_id for device in devices} - {group_id, ""})

    def _kept(self, devices: Sequence[UemDevice]) -> Sequence[UemDevice]:
        privacy = Privacy(self.choice.import_name, self.choice.import_number, self.choice.import_email)
        return devices if privacy == Privacy() else [redact(device, privacy) for device in devices]


def _agree(rows: Sequence[UemDevice]) -> bool:
    """Return True if rows with the same id are about the same device."""
    first = identity(rows[0])
    return all(compare(first, identity(row)) is Match.SAME for row in rows[1:])
