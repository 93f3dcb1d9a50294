"""PURE: what devices are found, sorted and compared by, made from their records."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b

from msgspec.structs import replace

from harmony.device_ids import udid_key
from harmony.folding import lines, sort_key
from harmony.uem.privacy import PLACEHOLDER_EMAIL
from harmony.uem.records import DeviceKeys, GroupKind, UemDevice

Memberships = tuple[tuple[str, str], ...]

_NOBODYS = PLACEHOLDER_EMAIL.partition("}")[2]
_COMPROMISED = {None: "", True: "yes", False: "no"}


def with_keys(device: UemDevice) -> UemDevice:
    """Return the device with its keys, so that nobody has to make them later."""
    whole = fingerprint(device, own_group(device.group_id))
    keys = DeviceKeys(whole, udid_key(device.udid), *sort_and_search_keys(device))
    return replace(device, keys=keys)


def fingerprint(device: UemDevice, memberships: Memberships) -> str:
    """32 hex digits over everything that is stored of a device but its id and its last contact."""
    if device.keys is not None and memberships == own_group(device.group_id):
        return device.keys.fingerprint
    enrolled = device.enrolled_at.isoformat() if device.enrolled_at else ""
    parts = (
        device.uuid, device.udid, device.serial, device.imei, device.name, device.phone, device.email,
        device.user_name, device.platform, device.model, device.os_version, device.ownership,
        device.group_id, device.group_name, device.enrollment_status, device.compliance,
        _COMPROMISED[device.compromised], enrolled, _named(memberships),
    )  # fmt: skip
    # A separator that no cleaned text holds keeps ("ab", "c") apart from ("a", "bc").
    return blake2b("\x1f".join(parts).encode("utf-8", "replace"), digest_size=16).hexdigest()


@lru_cache(maxsize=4096)
def own_group(group_id: str) -> Memberships:
    """Return the memberships of a device that is in its organization group alone, as almost every one is."""
    return ((GroupKind.ORGANIZATION.value, group_id),)


def sort_and_search_keys(device: UemDevice) -> tuple[str, str]:
    """Return what lists sort the device by, and what a search looks in."""
    if device.keys is not None:
        return device.keys.name_key, device.keys.search_text
    texts = (device.name, device.serial, device.udid, device.user_name, device.email)
    return sort_key(device.name), search_text(*texts)


def search_text(name: str, serial: str, udid: str, user_name: str, email: str) -> str:
    """Return the folded values, each on a line; the UDID also without dashes, as some tools show it.

    An e-mail that stands in for one that is not imported is left out: "workspace" would find all of them.
    """
    own = "" if email.endswith(_NOBODYS) else email
    return lines(name, serial, udid, udid.replace("-", "") if "-" in udid else "", user_name, own)


@lru_cache(maxsize=4096)
def _named(memberships: Memberships) -> str:
    return "\x1f".join(f"{kind}={group}" for kind, group in memberships)
