"""The data of a UEM as frozen records; text is cut and cleaned before it gets here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec


class GroupKind(StrEnum):
    """The two sorts of group an administrator may select."""

    ORGANIZATION = "organization"
    SMART = "smart"


@dataclass(frozen=True, slots=True)
class Group:
    """A group the account sees.

    `type` is "Customer", "Container", … or "Smart group"; `devices` is the UEM's own count;
    `organization_group_id` is the group that manages a smart group; `uuid` is "" where it was not read.
    """

    kind: GroupKind
    external_id: str
    name: str
    type: str
    devices: int | None
    parent_id: str | None
    organization_group_id: str | None
    uuid: str = ""


class DeviceKeys(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The keys of a device, made where its page was read (`device_keys.py`).

    `fingerprint` is that of a device which is in its organization group alone.
    """

    fingerprint: str
    udid_key: str
    name_key: str
    search_text: str

    def __repr__(self) -> str:
        """Say nothing of the user."""
        return f"DeviceKeys(udid_key={self.udid_key!r})"


class UemDevice(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One enrolled device; unknown text is "", times are aware UTC, `udid` is kept as it was sent.

    `group_uuid` is read only where `group_id` could not be. `keys` are there where another process made them.
    A struct, because a sync makes one for every device there is: it costs a fifth of a frozen dataclass.
    """

    external_id: str
    uuid: str
    udid: str
    serial: str
    name: str
    phone: str
    email: str
    user_name: str
    platform: str
    model: str
    os_version: str
    ownership: str
    group_id: str
    group_name: str
    enrollment_status: str
    compliance: str
    compromised: bool | None
    imei: str
    last_seen: datetime | None
    enrolled_at: datetime | None
    group_uuid: str = ""
    keys: DeviceKeys | None = None

    def changed(self, **values: Any) -> UemDevice:
        """Return the device with other values, and without the keys of the former ones."""
        return msgspec.structs.replace(self, keys=None, **values)

    def __repr__(self) -> str:
        """Name the device, and nothing of its user."""
        return f"UemDevice(external_id={self.external_id!r}, udid={self.udid!r})"


@dataclass(frozen=True, slots=True)
class SkippedRow:
    """A row that could not become a device: why, and everything in it that may tell which device it is."""

    external_id: str | None
    reason: str
    udid: str = ""
    uuid: str = ""
    serial: str = ""


@dataclass(frozen=True, slots=True)
class DevicePage:
    """One page in the order of the UEM; `number` counts from 0, `total` is the UEM's claim and may lie."""

    number: int
    devices: tuple[UemDevice, ...]
    skipped: tuple[SkippedRow, ...]
    total: int | None


@dataclass(frozen=True, slots=True)
class Tag:
    """A device tag that exists in the UEM."""

    external_id: str
    name: str
    organization_group_id: str | None


@dataclass(frozen=True, slots=True)
class OddTag:
    """A row of a list of tags of which the id (None) or the name ("") could not be read."""

    external_id: str | None
    name: str


@dataclass(frozen=True, slots=True)
class TagList:
    """The tags of a group; an id may come with two names, and a name with two ids.

    `odd` are the rows that could be any tag; `rows` counts all of them, `total` is what the UEM announced.
    """

    tags: tuple[Tag, ...] = ()
    odd: tuple[OddTag, ...] = ()
    rows: int = 0
    total: int = 0

    @property
    def is_short(self) -> bool:
        """Return True if the UEM announced more tags than it listed."""
        return self.total > self.rows

    def extended(self, page: TagList) -> TagList:
        """Return both lists as one; a row that was there before counts once."""
        tags, odd = dict.fromkeys((*self.tags, *page.tags)), dict.fromkeys((*self.odd, *page.odd))
        return TagList(tuple(tags), tuple(odd), self.rows + page.rows, max(self.total, page.total))


@dataclass(frozen=True, slots=True)
class Carriers:
    """The ids of the devices that carry a tag, and how many more there are whose ids could not be read."""

    ids: tuple[str, ...] = ()
    unreadable: int = 0


@dataclass(frozen=True, slots=True)
class AppOnDevice:
    """An app that a device has; `identifier` is its bundle or package id, `version` may be ""."""

    identifier: str
    version: str
    name: str


@dataclass(frozen=True, slots=True)
class AppPage:
    """One page of the apps of a device; `apps` are the installed ones, `total` the announced number of rows.

    `keys` tell every readable row apart, those of apps that are not installed included. `unreadable` counts
    the others: no object, no readable app or status, or about another device.
    """

    apps: tuple[AppOnDevice, ...] = ()
    keys: tuple[str, ...] = ()
    unreadable: int = 0
    total: int | None = None

    @property
    def rows(self) -> int:
        """The number of rows, readable or not."""
        return len(self.keys) + self.unreadable


class Completeness(StrEnum):
    """The certainty that an app which a list does not name is not installed.

    Counted: every row was readable, and as many came as were announced. Uncounted: the UEM announced nothing.
    Uneven: rows were repeated, or more came than announced. Partial: rows are missing or unreadable.
    """

    COUNTED = "counted"
    UNCOUNTED = "uncounted"
    UNEVEN = "uneven"
    PARTIAL = "partial"


@dataclass(frozen=True, slots=True)
class AppList:
    """The installed apps of a device, as one reading of all pages tells them."""

    apps: tuple[AppOnDevice, ...] = ()
    completeness: Completeness = Completeness.COUNTED


@dataclass(frozen=True, slots=True)
class BulkOutcome:
    """The outcome of one call for many devices, by their ids in the UEM.

    The UEM says that it does not know the `unknown`; whether the `unclear` are as they should be only a look
    can tell. Each has the UEM's code, 404 where not one could be changed and the device may be unknown, or
    the tag, and 0 where the answer says nothing of it. All others are done.
    """

    unknown: frozenset[str] = frozenset()
    unclear: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SystemInfo:
    """The product and version the server says it is."""

    product: str
    version: str


@dataclass(frozen=True, slots=True)
class Quota:
    """Calls per day: allowed, left, and when the count starts again (aware UTC)."""

    limit: int
    remaining: int
    reset_at: datetime | None
