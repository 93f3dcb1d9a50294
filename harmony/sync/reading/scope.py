"""PURE: which groups are read, which devices belong to them, and what a device looks like from afar."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from harmony.device_ids import udid_key
from harmony.models.configuration import Synchronization
from harmony.uem.device_keys import Memberships, fingerprint, own_group
from harmony.uem.privacy import stand_in_email
from harmony.uem.records import Group, GroupKind, UemDevice

LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Scope:
    """The chosen groups: organization groups by id, smart groups with the ids of their members."""

    organization_groups: frozenset[str] = frozenset()
    smart_groups: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def memberships(self, device: UemDevice) -> Memberships:
        """Every chosen group that lists `device`; a parent group does not bring its children's devices."""
        organization = own_group(device.group_id) if device.group_id in self.organization_groups else ()
        if not self.smart_groups:
            return organization
        smart = sorted(group for group, members in self.smart_groups.items() if device.external_id in members)
        return organization + tuple((GroupKind.SMART.value, group) for group in smart)


class Incoming(NamedTuple):
    """A device that is in the scope, with its groups and the fingerprint of it all.

    `shared`: several records have its UDID, so that it says nothing about the device.
    """

    device: UemDevice
    memberships: Memberships
    fingerprint: str
    shared: bool = False

    @property
    def udid_key(self) -> str:
        """The UDID however it is spelt; "" when it says nothing about the device."""
        if self.shared:
            return ""
        keys = self.device.keys
        return udid_key(self.device.udid) if keys is None else keys.udid_key

    @property
    def enrolment(self) -> tuple[datetime, int, str]:
        """Return what orders the enrolments of one device."""
        return enrolment(self.device.enrolled_at, self.device.external_id)


def with_marks(row: Incoming, **marks: str) -> Incoming:
    """Return the row with another UUID, UDID or serial, also where the UDID stands in for an e-mail."""
    device, stand_in = row.device, stand_in_email(row.device)
    device = device.changed(**marks)
    if row.device.email == stand_in:
        device = device.changed(email=stand_in_email(device))
    return Incoming(device, row.memberships, fingerprint(device, row.memberships))


def enrolment(enrolled_at: datetime | None, external_id: str) -> tuple[datetime, int, str]:
    """Return when a device was enrolled, then its id, which the UEM counts up: the larger one is the newer.

    >>> enrolment(None, "99") < enrolment(None, "100")
    True
    """
    return enrolled_at or LONG_AGO, len(external_id), external_id


def pulls(groups: Iterable[Group]) -> tuple[str, ...]:
    """The organization groups to read, each once; a smart group is read through the one that manages it."""
    wanted = (
        group.external_id if group.kind is GroupKind.ORGANIZATION else group.organization_group_id
        for group in groups
    )
    return tuple(dict.fromkeys(group for group in wanted if group))


def cover(wanted: Iterable[str], parents: Mapping[str, str | None]) -> dict[str, str]:
    """For each group the highest wanted group above it, or itself: reading those few reads them all.

    >>> cover(["sales", "north", "lab"], {"north": "sales", "sales": "top", "lab": "top"})
    {'sales': 'sales', 'north': 'sales', 'lab': 'lab'}
    """
    chosen = dict.fromkeys(wanted)
    return {group: _highest(group, chosen, parents) for group in chosen}


def still_there(chosen: Sequence[Group], seen: Iterable[Group]) -> tuple[list[Group], list[str]]:
    """The chosen groups that can be read, and in words those that cannot: gone, or managed by one that is.

    The UEM lists nothing for a group that is gone, which must never be read as "it is empty".
    """
    visible = {(group.kind, group.external_id) for group in seen}
    looked_for = [(group, _out_of_sight(group, visible)) for group in chosen]
    return [group for group, gone in looked_for if not gone], [gone for _, gone in looked_for if gone]


def chosen_groups(choice: Synchronization) -> list[Group]:
    """Return the chosen groups as the UEM's own records."""
    return [
        Group(
            GroupKind(group.kind), group.external_id, group.name, "", None, None, group.organization_group_id
        )
        for group in choice.groups
    ]  # fmt: skip


def _out_of_sight(group: Group, visible: Collection[tuple[GroupKind, str | None]]) -> str:
    if (group.kind, group.external_id) not in visible:
        return group.name
    manager = (GroupKind.ORGANIZATION, group.organization_group_id)
    if group.kind is GroupKind.SMART and manager not in visible:
        return f"the group that manages {group.name}"
    return ""


def _highest(group: str, chosen: Mapping[str, object], parents: Mapping[str, str | None]) -> str:
    highest, above, passed = group, parents.get(group), {group}
    while above is not None and above not in passed:
        passed.add(above)
        highest = above if above in chosen else highest
        above = parents.get(above)
    return highest
