"""The simulated tenant: who is in it and where, with the lists that searches walk."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from harmony.simulator import generate
from harmony.simulator.records import Device, Group, SmartGroup, Tag

EPOCH = datetime(2026, 11, 1, 8, 0, tzinfo=UTC)
_KEPT_LISTS = 64


@dataclass(frozen=True, slots=True)
class Unenrolled:
    """A device that was enrolled until `when`; only the extensive search still tells of it."""

    device: Device
    when: str


class World:
    """Devices, groups, smart groups and tags; the same arguments make the same bytes.

    Each device's JSON is encoded once and again only when that device changes; lists of ids are
    cached and dropped at any change. `lock` guards all of it.
    """

    def __init__(
        self, devices: int = 100, seed: int = 1, *, quirks: bool = True, epoch: datetime = EPOCH
    ) -> None:
        self.lock = threading.RLock()
        self.seed = seed
        self.epoch = epoch
        self.quirks = quirks
        self.groups: dict[int, Group] = generate.groups(seed, quirks)
        self.maker = generate.DeviceMaker(seed, self.groups, devices * 6 // 10, epoch, quirks)
        self.devices: dict[int, Device] = {}
        self.by_uuid: dict[str, int] = {}
        self.unenrolled: dict[int, Unenrolled] = {}
        self.next_device = generate.FIRST_DEVICE_ID
        for _ in range(devices):
            self.enrol(None)
        self.smart_groups: dict[int, SmartGroup] = generate.smart_groups(seed, self.groups, quirks)
        self.tags: dict[int, Tag] = generate.tags(seed, list(self.devices), epoch, quirks)
        # What a tester installed (name and version) or removed (None), by device and identifier.
        self.apps: dict[int, dict[str, tuple[str, str] | None]] = {}
        # Told of every change, by kind, device and moment; the notifier of a tenant listens.
        self.announce: Callable[[str, list[Device]], None] = lambda _kind, _devices: None
        self._lists: dict[object, list[int]] = {}
        self._direct: dict[int, list[int]] | None = None

    def enrol(self, group: int | None) -> int:
        """Add the next device; the caller holds the lock and says `changed` once at the end."""
        device = self.maker.make(self.next_device, group)
        self.devices[device.id] = device
        self.by_uuid[device.uuid] = device.id
        self.next_device += 1
        return device.id

    def changed(self) -> None:
        """Drop the cached lists; the devices' bytes stay."""
        self._lists.clear()
        self._direct = None

    def below(self, group: int) -> list[Group]:
        """The group itself and all its descendants, parents first."""
        if group not in self.groups:
            return []
        found = [self.groups[group]]
        for parent in found:
            found += [child for child in self.groups.values() if child.parent == parent.id]
        return found

    def direct(self, group: int) -> list[int]:
        """The ids of the devices enrolled in this very group, ascending."""
        with self.lock:
            if self._direct is None:
                self._direct = {ident: [] for ident in self.groups}
                for device in self.devices.values():
                    self._direct[device.group].append(device.id)
            return self._direct.get(group, [])

    def inclusive(self, group: int) -> list[int]:
        """The ids of the devices in this group and below it, ascending."""
        return self.kept(
            ("inclusive", group),
            lambda: sorted(ident for child in self.below(group) for ident in self.direct(child.id)),
        )

    def members(self, smart_group: int) -> list[int]:
        """The ids of the devices a smart group holds, ascending."""
        rule = self.smart_groups[smart_group]
        return self.kept(
            ("smart", smart_group),
            lambda: [device.id for device in self.devices.values() if rule.holds(device)],
        )

    def kept(self, key: object, make: Callable[[], list[int]]) -> list[int]:
        """The list under `key`, made at most once between two changes."""
        with self.lock:
            found = self._lists.get(key)
            if found is None:
                if len(self._lists) >= _KEPT_LISTS:
                    self._lists.clear()
                found = self._lists[key] = make()
            return found

    def slices(self, ids: Iterable[int]) -> list[bytes]:
        """The encoded objects of the devices that still exist, in the order asked."""
        with self.lock:
            return [self.devices[ident].body for ident in ids if ident in self.devices]
