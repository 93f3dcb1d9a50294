"""What can happen to the world while somebody watches: each function is one change under the lock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from harmony import clock
from harmony.simulator.bodies import uuid_of
from harmony.simulator.generate import digest, stamp
from harmony.simulator.notifications import OF_FIELDS
from harmony.simulator.records import ENCODE, Device, Tag, device_of
from harmony.simulator.world import Unenrolled, World

FIRST_NEW_TAG = 10021


def add(world: World, count: int, group: int | None = None) -> list[int]:
    """Enrol `count` more devices, in their own groups or all in one."""
    with world.lock:
        devices = [world.enrol(group) for _ in range(count)]
        world.changed()
        world.announce("enrolled", [world.devices[ident] for ident in devices])
        return devices


def pick(world: World, count: int, group: int | None = None) -> list[int]:
    """The oldest `count` devices, of one group (with those below it) if given."""
    ids = list(world.devices) if group is None else world.inclusive(group)
    return ids[:count]


def remove(world: World, ids: Iterable[int]) -> int:
    """Unenrol devices; their tags go with them."""
    with world.lock:
        gone = [world.devices.pop(ident) for ident in set(ids) if ident in world.devices]
        now = stamp(clock.now())
        for device in gone:
            world.by_uuid.pop(device.uuid, None)
            world.unenrolled[device.id] = Unenrolled(device, now)
            for tag in world.tags.values():
                tag.devices.pop(device.id, None)
        world.changed()
        world.announce("unenrolled", gone)
        return len(gone)


def edit(
    world: World,
    ids: Iterable[int],
    fields: Mapping[str, Any],
    missing: Iterable[str] = (),
    group: int | None = None,
) -> int:
    """Set fields of the search object, leave out others, or place the devices in another group."""
    with world.lock:
        known = [world.devices[ident] for ident in ids if ident in world.devices]
        for device in known:
            body = device.json() | dict(fields)
            for key in missing:
                body.pop(key, None)
            body.setdefault("Uuid", device.uuid)
            world.by_uuid.pop(device.uuid, None)
            world.by_uuid[body["Uuid"]] = device.id
            world.devices[device.id] = device_of(device.id, group or device.group, body)
        world.changed()
        for kind in dict.fromkeys(OF_FIELDS[key] for key in fields if key in OF_FIELDS):
            world.announce(kind, [world.devices[device.id] for device in known])
        return len(known)


def move(world: World, ids: Iterable[int], to: int) -> int:
    """Place devices in another organization group."""
    location = world.maker.location(to)
    return edit(world, ids, {"LocationGroupId": location, "LocationGroupName": location["Name"]}, group=to)


def touch(world: World, ids: Iterable[int] | None, when: datetime) -> int:
    """Let some devices (or all) be seen at a moment."""
    with world.lock:
        known = [ident for ident in (list(world.devices) if ids is None else ids) if ident in world.devices]
        for ident in known:
            _seen(world.devices[ident], stamp(when))
        world.changed()
        return len(known)


def put_app(
    world: World, ids: Iterable[int], identifier: str, app: tuple[str, str] | None, when: datetime
) -> int:
    """Install an app (name and version) on devices, or remove it (None); they are seen with it at once."""
    with world.lock:
        known = [ident for ident in ids if ident in world.devices]
        for ident in known:
            world.apps.setdefault(ident, {})[identifier] = app
        return touch(world, known, when)


def _seen(device: Device, when: str) -> None:
    """Exchange the one value in the encoded bytes: decoding 100,000 devices would hold the lock for seconds.

    No other value can look like this key, because quotes inside a JSON string are escaped.
    """
    before = b'"LastSeen":"%s"' % device.last_seen.encode()
    if before in device.body:
        device.body = device.body.replace(before, b'"LastSeen":"%s"' % when.encode())
    else:
        device.body = ENCODE(device.json() | {"LastSeen": when})
    device.last_seen = when


def empty_group(world: World, group: int) -> int:
    """Unenrol everything in an organization group and below it."""
    with world.lock:
        return remove(world, list(world.inclusive(group)))


def delete_group(world: World, group: int) -> int:
    """Take an organization group, those below it and all their devices away."""
    with world.lock:
        gone = empty_group(world, group)
        for child in world.below(group):
            del world.groups[child.id]
        world.changed()
        return gone


def empty_smart_group(world: World, smart_group: int) -> int:
    """Let a smart group hold nobody; its devices stay enrolled."""
    with world.lock:
        count = len(world.members(smart_group))
        world.smart_groups[smart_group].nobody = True
        world.smart_groups[smart_group].modified = stamp(clock.now())
        world.changed()
        return count


def delete_smart_group(world: World, smart_group: int) -> int:
    """Take a smart group away; its devices stay enrolled."""
    with world.lock:
        count = len(world.members(smart_group))
        del world.smart_groups[smart_group]
        return count


def add_tag(world: World, name: str, *, avatar: str, kind: int, group: int, when: datetime) -> Tag:
    """Make a tag in an organization group."""
    with world.lock:
        ident = max([FIRST_NEW_TAG - 1, *world.tags]) + 1
        uuid = uuid_of(digest(world.seed, "tag", ident).hex())
        tag = Tag(ident, uuid, name, avatar, kind, group, stamp(when))
        world.tags[ident] = tag
        return tag
