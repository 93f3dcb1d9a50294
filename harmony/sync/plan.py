"""PURE: what one page of devices changes. No clock, no database, no network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b

from harmony.uem.records import Device, Group, GroupKind

Memberships = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Scope:
    """The chosen groups: organization groups by id, smart groups with the ids of their members."""

    organization_groups: frozenset[str] = frozenset()
    smart_groups: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def memberships(self, device: Device) -> Memberships:
        """Every chosen group that lists `device`; a parent group does not bring its children's devices."""
        organization = (
            ((GroupKind.ORGANIZATION.value, device.group_id),)
            if device.group_id in self.organization_groups
            else ()
        )
        smart = sorted(group for group, members in self.smart_groups.items() if device.external_id in members)
        return organization + tuple((GroupKind.SMART.value, group) for group in smart)


@dataclass(frozen=True, slots=True)
class Known:
    """What the database holds of a device: enough to tell whether anything changed."""

    id: int
    fingerprint: str
    last_seen: datetime | None
    missing: bool


@dataclass(frozen=True, slots=True)
class Incoming:
    """A device that is in the scope, with its groups and the fingerprint of it all."""

    device: Device
    memberships: Memberships
    fingerprint: str


@dataclass(frozen=True, slots=True)
class PagePlan:
    """What to write for one page. `touched` moved their last contact only; `reappeared` were missing."""

    create: tuple[Incoming, ...] = ()
    update: tuple[tuple[int, Incoming], ...] = ()
    touched: tuple[tuple[int, datetime | None], ...] = ()
    reappeared: tuple[int, ...] = ()
    unchanged: int = 0

    @property
    def writes(self) -> bool:
        """Whether any device row changes at all."""
        return bool(self.create or self.update or self.touched or self.reappeared)


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


def _highest(group: str, chosen: Mapping[str, object], parents: Mapping[str, str | None]) -> str:
    highest, above, passed = group, parents.get(group), {group}
    while above is not None and above not in passed:
        passed.add(above)
        highest = above if above in chosen else highest
        above = parents.get(above)
    return highest


def still_there(chosen: Sequence[Group], seen: Iterable[Group]) -> tuple[list[Group], list[Group]]:
    """The chosen groups that can be read, and those that cannot: gone from the UEM, or managed by nobody.

    The UEM lists nothing for a group that is gone, which must never be read as "it is empty".
    """
    visible = {(group.kind, group.external_id) for group in seen}
    there: list[Group] = []
    gone: list[Group] = []
    for group in chosen:
        managed = group.kind is GroupKind.ORGANIZATION or group.organization_group_id
        (there if managed and (group.kind, group.external_id) in visible else gone).append(group)
    return there, gone


def incoming(devices: Iterable[Device], scope: Scope) -> list[Incoming]:
    """The devices of a page that belong to a chosen group."""
    return [
        Incoming(device, groups, fingerprint(device, groups))
        for device in devices
        if (groups := scope.memberships(device))
    ]


def plan_page(arriving: Sequence[Incoming], known: Mapping[str, Known]) -> PagePlan:
    """Compare one page with what is stored; `known` is keyed by the UEM's device id."""
    create, update, touched, reappeared, unchanged = [], [], [], [], 0
    for one in arriving:
        stored = known.get(one.device.external_id)
        if stored is None:
            create.append(one)
            continue
        if stored.missing:
            reappeared.append(stored.id)
        if stored.fingerprint != one.fingerprint:
            update.append((stored.id, one))
            continue
        unchanged += 1
        if stored.last_seen != one.device.last_seen:
            touched.append((stored.id, one.device.last_seen))
    return PagePlan(tuple(create), tuple(update), tuple(touched), tuple(reappeared), unchanged)


def fingerprint(device: Device, memberships: Memberships) -> str:
    """32 hex digits over everything that is stored of a device but its last contact."""
    enrolled = device.enrolled_at.astimezone(UTC).isoformat() if device.enrolled_at else ""
    parts = (
        device.uuid, device.udid, device.serial, device.imei, device.name, device.phone, device.email,
        device.user_name, device.platform, device.model, device.os_version, device.ownership,
        device.group_id, device.group_name, device.enrollment_status, device.compliance,
        str(device.compromised), enrolled, *(f"{kind}={group}" for kind, group in memberships),
    )  # fmt: skip
    # A separator that no cleaned text holds keeps ("ab", "c") apart from ("a", "bc").
    return blake2b("\x1f".join(parts).encode("utf-8", "replace"), digest_size=16).hexdigest()


def read_to_the_end(seen: int, unreadable: int, total: int | None) -> bool:
    """Whether a pull gave every device its `Total` promised; rows without a readable id count as seen."""
    return total is None or seen + unreadable >= total
