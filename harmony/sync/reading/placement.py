"""PURE: sorts the rows of a page: in the chosen groups, outside them for a readable reason, or doubtful."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from harmony.sync.reading.scope import Incoming, Scope
from harmony.uem.device_keys import fingerprint
from harmony.uem.records import Group, GroupKind, SkippedRow, UemDevice

UNREADABLE = "Its organization group cannot be read."
UNKNOWN = "Its organization group is not among those that the account sees."
MISNAMED = "The id and the name of its organization group do not belong together."
ELSEWHERE = "Its organization group is not below the one that was read."
CONTRADICTS = "What identifies it contradicts what is known of the device with this id."
TAKES_ID = "It is listed with another id, while its known id is listed for another device."
SHARED_ID = "Another row of the same page has its id and is about another device."


@dataclass(frozen=True, slots=True)
class GroupTree:
    """The organization groups that a run knows: folded names and parents by id, ids by UUID."""

    names: Mapping[str, str] = field(default_factory=dict)
    parents: Mapping[str, str | None] = field(default_factory=dict)
    ids: Mapping[str, str] = field(default_factory=dict)
    _doubts: dict[tuple[str, str, str], str] = field(default_factory=dict)

    @classmethod
    def of(cls, groups: Iterable[Group]) -> GroupTree:
        """Build the tree of those among `groups` that are organization groups."""
        found = [group for group in groups if group.kind is GroupKind.ORGANIZATION]
        return cls(
            {group.external_id: group.name.casefold() for group in found},
            {group.external_id: group.parent_id for group in found},
            {group.uuid.lower(): group.external_id for group in found if group.uuid},
        )

    def doubt(self, group_id: str, name: str, asked: str) -> str:
        """Return why a row of `asked`'s list is not known to belong to the group; "" when it is."""
        key = (group_id, name, asked)
        if key not in self._doubts:
            self._doubts[key] = self._why(group_id, name.casefold(), asked)
        return self._doubts[key]

    def is_below(self, group_id: str, above: str) -> bool:
        """Return True if the group is `above` or somewhere below it."""
        return above in self._path(group_id)

    def _why(self, group_id: str, name: str, asked: str) -> str:
        if not group_id:
            return UNREADABLE
        if group_id not in self.names:
            return UNKNOWN
        if name and self.names[group_id] and name != self.names[group_id]:
            return MISNAMED
        path = self._path(group_id)
        # Groups whose parents could not be read may be anywhere.
        elsewhere = asked not in path and path[-1] == self._path(asked)[-1]
        return ELSEWHERE if elsewhere else ""

    def _path(self, group_id: str) -> list[str]:
        """Return the group and everything above it, as far as it is known."""
        path = [group_id]
        while (parent := self.parents.get(path[-1])) is not None and parent not in path:
            path.append(parent)
        return path


@dataclass(frozen=True, slots=True)
class Sorted:
    """A page of `asked`'s list: what is in the chosen groups, outside them, and what nobody can say."""

    placed: list[Incoming]
    doubtful: list[SkippedRow]
    outside: list[UemDevice]


def sort_rows(devices: Sequence[UemDevice], scope: Scope, tree: GroupTree, asked: str) -> Sorted:
    """Sort the readable rows of a page. A row is outside only if it says so in a group that the run knows.

    Where no organization group is chosen, the lists of members decide alone.
    """
    placed, doubtful, outside = [], [], []
    for device in devices:
        whole = _with_group(device, tree)
        if reason := _doubt(whole, scope, tree, asked):
            doubtful.append(doubtful_row(device, reason))
        elif groups := scope.memberships(whole):
            placed.append(Incoming(whole, groups, fingerprint(whole, groups)))
        else:
            outside.append(device)
    return Sorted(placed, doubtful, outside)


def doubtful_row(device: UemDevice, reason: str) -> SkippedRow:
    """Return the row as one that is not believed."""
    return SkippedRow(device.external_id, reason, device.udid, device.uuid, device.serial)


def _doubt(device: UemDevice, scope: Scope, tree: GroupTree, asked: str) -> str:
    chosen = scope.organization_groups
    if not chosen or device.group_id in chosen:
        return ""
    return tree.doubt(device.group_id, device.group_name, asked)


def _with_group(device: UemDevice, tree: GroupTree) -> UemDevice:
    """Return the device with the id of its group where only the UUID of it could be read."""
    if device.group_id or not device.group_uuid:
        return device
    return device.changed(group_id=tree.ids.get(device.group_uuid.lower(), ""), group_uuid="")
