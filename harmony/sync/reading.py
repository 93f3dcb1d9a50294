"""Reads the scope from the UEM, page by page, and knows at the end whether that was all of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from harmony.models.configuration import Synchronization
from harmony.models.device_ids import udid_key
from harmony.sync.ids import Ids
from harmony.sync.outcome import Doubt, Tally
from harmony.sync.plan import read_to_the_end
from harmony.sync.privacy import Privacy, redact
from harmony.sync.scope import Incoming, Scope, cover, incoming, pulls, still_there
from harmony.uem.client import UemClient
from harmony.uem.records import Device, DevicePage, Group, GroupKind, SkippedRow


class Sink(Protocol):
    """Where devices go once they are read: into the database, or into the figures of a preview."""

    def take(self, arriving: Sequence[Incoming], skipped: Sequence[SkippedRow]) -> None:
        """The devices of one page that are in the scope and were not read before in this snapshot."""

    def flush(self) -> None:
        """A pull has ended, or an error is about to end it: nothing may be kept back any longer."""


@dataclass(slots=True)
class Reading:
    """One look at the scope: what is chosen, and what was seen until now.

    `listed` are the chosen groups that listed a device. `seen` are the ids of rows that could be read; of the
    others `unreadable_ids`, and `unreadable_udids` where not even the id could be.
    """

    client: UemClient
    choice: Synchronization
    sink: Sink
    tally: Tally
    between_pages: Callable[[], None]
    since: datetime | None = None
    seen: Ids = field(default_factory=Ids)
    unreadable_ids: set[str] = field(default_factory=set)
    unreadable_udids: set[str] = field(default_factory=set)
    listed: set[tuple[str, str]] = field(default_factory=set)
    nameless: int = 0
    _inclusive: set[str] = field(default_factory=set)

    def read(self) -> Doubt:
        """Read every group to its end. Raises UemError, or what `between_pages` raises."""
        self.tally.step = "Reading the groups"
        visible = self.client.groups()
        there, gone = still_there(self._groups(), visible)
        short = tuple(self._pull_all(there, visible))
        return Doubt(tuple(gone), short, self.nameless)

    def is_seen(self, external_id: str | None, udid_key: str) -> bool:
        """Whether any row of this snapshot was, or may have been, this device."""
        unreadable = external_id in self.unreadable_ids or udid_key in self.unreadable_udids
        return unreadable or external_id in self.seen

    def empty_groups(self) -> frozenset[tuple[str, str]]:
        """The chosen groups, as kind and id, that listed no device at all."""
        chosen = {(group.kind, group.external_id) for group in self.choice.groups}
        return frozenset(chosen - self.listed)

    def _groups(self) -> list[Group]:
        return [
            Group(GroupKind(one.kind), one.external_id, one.name, "", None, None, one.organization_group_id)
            for one in self.choice.groups
        ]

    def _pull_all(self, groups: Sequence[Group], visible: Sequence[Group]) -> list[str]:
        """Read every group; the names of those that listed fewer devices than they announced, twice.

        A group below another one comes with it, if that list really has devices of other groups: that the
        UEM's filter includes child groups is not proven by any recording (facts/ws1-api.md §5.1).
        """
        scope = self._scope(groups)
        organization = (group for group in [*visible, *groups] if group.kind is GroupKind.ORGANIZATION)
        names = {group.external_id: group.name for group in organization}
        above = cover(pulls(groups), {group.external_id: group.parent_id for group in visible})
        roots = [group_id for group_id, root in above.items() if root == group_id]
        short = []
        for group_id in [*roots, *(group_id for group_id in above if group_id not in roots)]:
            if group_id not in roots and above[group_id] in self._inclusive:
                continue
            self.tally.step = f"Reading {names.get(group_id, group_id)}"
            # Devices that move while they are read leave holes between pages; a second look is often whole.
            if not (self._pull(group_id, scope) or self._pull(group_id, scope)):
                short.append(names.get(group_id, group_id))
        return short

    def _scope(self, groups: Sequence[Group]) -> Scope:
        """Every chosen organization group, for a parent may list the devices of one that is out of sight."""
        return Scope(
            frozenset(one.external_id for one in self.choice.groups if one.kind == GroupKind.ORGANIZATION),
            {
                group.external_id: self.client.smart_group_members(group.external_id)
                for group in groups
                if group.kind is GroupKind.SMART
            },
        )

    def _pull(self, group_id: str, scope: Scope) -> bool:
        """Read one group to its end; whether it listed as many devices as it promised."""
        listed, unreadable, total = Ids(), 0, None
        before = self.tally.expected or 0
        try:
            for page in self.client.device_pages(group_id, self.since):
                self.between_pages()
                total = page.total if page.total is not None else total
                self.tally.expected = before + (total or 0) or None
                listed.add([device.external_id for device in page.devices])
                listed.add([row.external_id for row in page.skipped if row.external_id])
                unreadable += sum(1 for row in page.skipped if not row.external_id)
                self._note(page, group_id)
                self.sink.take(self._arriving(page, scope), self._skipped(page))
        finally:
            self.tally.calls = self.client.calls()
            self.sink.flush()
        return read_to_the_end(len(listed), unreadable, total)

    def _note(self, page: DevicePage, group_id: str) -> None:
        self.tally.pages_read += 1
        self.tally.devices_read += len(page.devices) + len(page.skipped)
        self.tally.calls = self.client.calls()
        if quota := self.client.quota():
            self.tally.quota_left, self.tally.quota_limit = quota.remaining, quota.limit
        if group_id not in self._inclusive and any(one.group_id != group_id for one in page.devices):
            self._inclusive.add(group_id)

    def _arriving(self, page: DevicePage, scope: Scope) -> list[Incoming]:
        """The devices of a page that are new in this snapshot and in the scope, less what is not imported."""
        arriving = incoming(self._kept(page.devices), scope)
        self.seen.add([one.device.external_id for one in arriving])
        for one in arriving:
            self.listed.update(one.memberships)
        return arriving

    def _kept(self, devices: Sequence[Device]) -> list[Device]:
        privacy = Privacy(self.choice.import_name, self.choice.import_number, self.choice.import_email)
        fresh = {one.external_id: one for one in devices}
        if not self.seen.none_of(list(fresh)):
            fresh = {id_: one for id_, one in fresh.items() if id_ not in self.seen}
        return (
            list(fresh.values()) if privacy == Privacy() else [redact(one, privacy) for one in fresh.values()]
        )

    def _skipped(self, page: DevicePage) -> list[SkippedRow]:
        """The rows that could not be read and were not met before; a parent's list repeats its children's."""
        return [row for row in page.skipped if self._is_new(row)]

    def _is_new(self, row: SkippedRow) -> bool:
        """A row without a readable id may still tell its UDID; without either, nobody knows which it is."""
        udid = udid_key(row.udid)
        if not (row.external_id or udid):
            self.nameless += 1
            return True
        met, key = (
            (self.unreadable_ids, row.external_id) if row.external_id else (self.unreadable_udids, udid)
        )
        if key in met:
            return False
        met.add(key)
        return True
