"""PURE: which personal data of a device may be kept at all."""

from __future__ import annotations

from dataclasses import dataclass

from harmony.device_ids import is_placeholder
from harmony.uem.records import UemDevice

# What stands in for the owner's e-mail when it is not imported (facts/harmony-mobile.md §6: the
# vendor's literal for Workspace ONE is not documented; this is the guide's pattern).
PLACEHOLDER_EMAIL = "{udid}@WorkspaceONE.UEM"


@dataclass(frozen=True, slots=True)
class Privacy:
    """The three toggles of the Synchronization page; off means: never stored."""

    name: bool = True
    number: bool = True
    email: bool = True


def redact(device: UemDevice, privacy: Privacy) -> UemDevice:
    """`device` without the personal data that the administrator does not import."""
    if privacy == Privacy():
        return device
    return device.changed(
        name=device.name if privacy.name else "",
        user_name=device.user_name if privacy.name else "",
        phone=device.phone if privacy.number else "",
        email=device.email if privacy.email else stand_in_email(device),
    )


def stand_in_email(device: UemDevice) -> str:
    """Return what is stored instead of the owner's e-mail: the UDID, or the UEM's id where that is none."""
    name = device.external_id if is_placeholder(device.udid) else device.udid
    return PLACEHOLDER_EMAIL.format(udid=name)
