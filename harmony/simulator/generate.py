"""Makes groups, smart groups, tags and devices from a seed; the same seed gives the same bytes."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any

from harmony.simulator import hostile, names
from harmony.simulator.bodies import Draft, device_body, uuid_of
from harmony.simulator.records import Device, Group, SmartGroup, Tag, device_of

TOP_ID = 570
# The group above the top one: children names it, nothing shows it.
INVISIBLE_ID = 7
FIRST_DEVICE_ID = 60001


def digest(*parts: object) -> bytes:
    """64 bytes that depend on nothing but the arguments: cheaper than a seeded generator per device."""
    return hashlib.blake2b("|".join(map(str, parts)).encode(), digest_size=64).digest()


def stamp(time: datetime) -> str:
    """A date as the search answers write it: milliseconds and no zone (facts 5.2)."""
    return f"{time:%Y-%m-%dT%H:%M:%S}.{time.microsecond // 1000:03d}"


def groups(seed: int, quirks: bool = True) -> dict[int, Group]:
    """A Customer at the top, Containers below it and Containers below those (facts 3)."""
    groups = [_group(seed, TOP_ID, names.TOP_GROUP, None)]
    for branch, leaves in names.BRANCHES:
        parent = _group(seed, TOP_ID + len(groups), names.spelled(branch, quirks), groups[0])
        groups.append(parent)
        for leaf in leaves:
            groups.append(_group(seed, TOP_ID + len(groups), leaf, parent))
    return {group.id: group for group in groups}


def invisible_uuid(seed: int) -> str:
    """The UUID of the group above the top one."""
    return uuid_of(digest(seed, "group", INVISIBLE_ID).hex())


def _group(seed: int, ident: int, name: str, parent: Group | None) -> Group:
    group_id = "" if "<" in name else name.lower().replace(" ", "")
    created = f"{ident % 12 + 1}/{ident % 28 + 1}/2019 {ident % 12 + 1}:12:16 {'AM' if ident % 2 else 'PM'}"
    uuid = uuid_of(digest(seed, "group", ident).hex())
    if parent is None:
        return Group(ident, uuid, name, group_id, "Customer", None, 0, created)
    return Group(ident, uuid, name, group_id, "Container", parent.id, parent.level + 1, created)


def smart_groups(seed: int, tree: dict[int, Group], quirks: bool) -> dict[int, SmartGroup]:
    """Rules that span groups, one that nobody meets, and one managed below the top."""
    ids = {group.name: group.id for group in tree.values()}
    spanning = frozenset({ids["Sales North"], ids["Finance"], ids["Rotterdam"]})
    rules: list[dict[str, Any]] = [
        {"name": "MTD pilot", "groups": spanning},
        {"name": "Android BYOD", "platforms": frozenset({"Android"}), "ownerships": frozenset({"E"})},
        {"name": "Phones and tablets", "platforms": frozenset({"Android", "Apple"})},
        {"name": "One in ten", "every": 10},
        {"name": "Retired pilot", "nobody": True},
        {
            "name": names.spelled("Scanners", quirks),
            "groups": frozenset({ids["Shared Scanners"]}),
            "managed_by": ids["Warehouses"],
        },
    ]
    smart_groups = {}
    for ident, rule in enumerate(rules, 4211):
        uuid = uuid_of(digest(seed, "smart", ident).hex())
        smart_groups[ident] = SmartGroup(id=ident, uuid=uuid, **({"managed_by": TOP_ID} | rule))
    return smart_groups


def tags(seed: int, devices: list[int], when: datetime, quirks: bool) -> dict[int, Tag]:
    """Tags other people made, already on some devices: nobody else may touch them."""
    tags = {}
    for ident, plain in enumerate(("VIP", "Kiosk", "Lost and Found"), 10001):
        name = names.spelled(plain, quirks)
        worn = {device: stamp(when) for device in devices[ident - 10001 :: 50]}
        uuid = uuid_of(digest(seed, "tag", ident).hex())
        tags[ident] = Tag(ident, uuid, name, name, 1, TOP_ID, stamp(when), worn)
    return tags


class DeviceMaker:
    """Makes the device of an id; neither the order nor the number of the others matters to it."""

    def __init__(self, seed: int, tree: dict[int, Group], users: int, epoch: datetime, quirks: bool) -> None:
        self._seed, self._users, self._quirks = seed, max(1, users), quirks
        homes = [group for group in tree.values() if group.name not in names.EMPTY_GROUPS]
        self._homes = homes + [group for group in homes if group.level == 2] * 2
        self._locations = {group.id: _location(group) for group in tree.values()}
        self._epoch = epoch
        self._seen: dict[int, str] = {}
        self._people: dict[int, tuple[str, dict[str, Any]]] = {}

    def location(self, group: int) -> dict[str, Any]:
        """The `LocationGroupId` of a group."""
        return self._locations[group]

    def make(self, ident: int, group: int | None = None) -> Device:
        """The device `ident`, in its own group or in the one given."""
        raw = digest(self._seed, ident)
        number = int.from_bytes(raw[48:52], "big") % self._users
        home = group or self._homes[scattered(number) % len(self._homes)].id
        seen = self._seen_at(raw[33] * 16 + raw[34] % 16)
        login, person = self._person(number)
        body = device_body(Draft(ident, raw, login, person, self._locations[home], seen))
        if self._quirks:
            hostile.bend(ident - FIRST_DEVICE_ID, body)
        return device_of(ident, home, body)

    def _seen_at(self, step: int) -> str:
        if step not in self._seen:
            self._seen[step] = stamp(self._epoch - timedelta(minutes=11 * step, milliseconds=7 * step))
        return self._seen[step]

    def _person(self, number: int) -> tuple[str, dict[str, Any]]:
        """The user name, and the `UserId` whose Name is the one people read (facts 14.10)."""
        found = self._people.get(number)
        if found is None:
            first, last = names.FIRST[number % 32], names.LAST[number // 32 % 32]
            same = str(number // 1024) if number >= 1024 else ""
            shown = " ".join([first.capitalize(), last.capitalize(), same]).rstrip()
            uuid = uuid_of(digest(self._seed, "user", number).hex())
            user = {"Id": {"Value": 3000 + number}, "Name": shown, "Uuid": uuid}
            found = self._people[number] = (f"{first}.{last}{same}", user)
        return found


def _location(group: Group) -> dict[str, Any]:
    return {"Id": {"Value": group.id}, "Name": group.name, "Uuid": group.uuid}


def scattered(number: int) -> int:
    """Spreads users over the groups without order, so that one user's devices share a group."""
    return number * 2654435761 >> 7
