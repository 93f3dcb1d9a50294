"""PURE: what changed of a device, in the words of its history; personal data by name only, never by value."""

from __future__ import annotations

from collections.abc import Mapping

# What a record of the UEM and a row call alike, with the word a page has for it.
SHOWN = {
    "platform": "Platform",
    "model": "Model",
    "os_version": "OS version",
    "ownership": "Ownership",
    "group_name": "Group",
    "enrollment_status": "Enrollment status",
    "compliance": "Compliance",
    "compromised": "Compromised",
}
NAMED_ONLY = {
    "name": "Device name",
    "user_name": "User",
    "phone": "Device number",
    "email": "Device email",
    "serial": "Serial number",
    "imei": "IMEI",
    "udid": "UDID",
    "uuid": "UUID",
    "enrolled_at": "Enrollment time",
    "group_id": "Group id",
}
_EMPTY = "none"


def described(old: Mapping[str, object], new: Mapping[str, object]) -> str:
    """`OS version: 17.1 → 17.2; Device name changed`; "" when nothing that a page shows is different."""
    values = [
        f"{word}: {_value(old[field])} → {_value(new[field])}"
        for field, word in SHOWN.items()
        if old[field] != new[field]
    ]
    names = [f"{word} changed" for field, word in NAMED_ONLY.items() if old[field] != new[field]]
    return "; ".join(values + names)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)[:60] if value not in {None, ""} else _EMPTY
