"""The records of the simulated world: groups, smart groups, devices and tags."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

ENCODE = msgspec.json.Encoder().encode
DECODE = msgspec.json.Decoder().decode


@dataclass(slots=True)
class Group:
    """An organization group (facts 3)."""

    id: int
    uuid: str
    name: str
    group_id: str
    type: str
    parent: int | None
    level: int
    created: str


@dataclass(slots=True)
class SmartGroup:
    """An assignment group (facts 4): a rule over the devices, or a hand-picked list of users' devices."""

    id: int
    uuid: str
    name: str
    managed_by: int
    modified: str = "2026-01-05T09:00:00.000"
    groups: frozenset[int] = frozenset()
    platforms: frozenset[str] = frozenset()
    ownerships: frozenset[str] = frozenset()
    every: int = 1
    nobody: bool = False

    def holds(self, device: Device) -> bool:
        """Whether the rule takes this device; an empty condition takes all."""
        return (
            not self.nobody
            and device.id % self.every == 0
            and (not self.groups or device.group in self.groups)
            and (not self.platforms or device.platform in self.platforms)
            and (not self.ownerships or device.ownership in self.ownerships)
        )


@dataclass(slots=True)
class Tag:
    """A device tag of one organization group (facts 6)."""

    id: int
    uuid: str
    name: str
    avatar: str
    type: int
    group: int
    created: str
    devices: dict[int, str] = field(default_factory=dict)


@dataclass(slots=True)
class Device:
    """One device: its JSON as served (the truth), and the few values that are searched and sorted by."""

    id: int
    uuid: str
    group: int
    name: str
    user: str
    platform: str
    ownership: str
    model: str
    last_seen: str
    compliance: str
    body: bytes

    def json(self) -> dict[str, Any]:
        """The object of the search answer (facts 5.2)."""
        decoded: dict[str, Any] = DECODE(self.body)
        return decoded


def device_of(ident: int, group: int, data: dict[str, Any]) -> Device:
    """A device whose body is `data`; `ident` stays true even where the body hides or bends its Id."""
    return Device(
        id=ident,
        uuid=data["Uuid"],
        group=group,
        name=_text(data.get("DeviceFriendlyName")),
        user=_text(data.get("UserName")),
        platform=_text(data.get("Platform")),
        ownership=_text(data.get("Ownership")),
        model=_text(data.get("Model")),
        last_seen=_text(data.get("LastSeen")),
        compliance=_text(data.get("ComplianceStatus")),
        body=ENCODE(data),
    )


def _text(value: object) -> str:
    """What can be searched; a field may hold anything (facts 11)."""
    return value if isinstance(value, str) else ""
