"""From rows on the wire to records: ids made plain, text cleaned and cut, dates made aware."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import cast

from harmony.uem.records import SkippedRow, UemDevice
from harmony.uem.text import clean as harmless
from harmony.uem.workspace_one.wire import AnyId, DeviceRow, Ref

LONGEST_TEXT = 255
_LONGEST_INSTANT = 40
# Outside of these "never" is meant: by the years 1, 1601, 1753, 1899, 1900, 1970, 1980, the first of 2000,
# 2079 or 9999 of databases and clocks, each in some zone. No device was managed before the first.
EARLIEST, LATEST = datetime(2000, 1, 3, tzinfo=UTC), datetime(2079, 1, 1, tzinfo=UTC)


def device_record(row: DeviceRow) -> UemDevice | SkippedRow:
    """Return the device, or why there is none."""
    external_id = plain_id(row.id)
    if external_id is None:
        marks = (clean(row.udid), clean(row.uuid), clean(row.serial_number))
        return SkippedRow(None, "The row has no readable device id.", *marks)
    (
        _, uuid, udid, serial, name, phone, email, user, platform, model, system, owner, enrolment,
        compliance, imei, _,
    ) = _texts(row)  # fmt: skip
    group = row.location_group_id
    group_id = plain_id(group) or ""
    return UemDevice(
        external_id, uuid, udid, serial, name, phone, email, user, platform, model, system, owner,
        group_id, clean(row.location_group_name) or _ref_text(group, "name"), enrolment, compliance,
        flag(row.compromised_status), imei, instant(row.last_seen), instant(row.last_enrolled_on),
        "" if group_id else _ref_text(group, "uuid"),
    )  # fmt: skip


def _texts(row: DeviceRow) -> Sequence[str]:
    """The cleaned texts of a row between two empty ones: looked at together, cleaned one by one if need be.

    Almost every row is clean as it is, and a fleet has hundreds of thousands.
    """
    texts = (
        "", row.uuid, row.udid, row.serial_number, row.device_friendly_name, row.phone_number,
        row.user_email_address, row.user_name, row.platform, row.model, row.operating_system, row.ownership,
        row.enrollment_status, row.compliance_status, row.imei, "",
    )  # fmt: skip
    if None in texts:
        return [clean(text) for text in texts]
    present = cast("tuple[str, ...]", texts)
    together = "|".join(present)
    blank_edge = "| " in together or " |" in together
    if blank_edge or not together.isprintable() or _too_long(together, present):
        return [clean(text) for text in present]
    return present


def _too_long(together: str, texts: Sequence[str]) -> bool:
    return len(together) > LONGEST_TEXT and max(map(len, texts)) > LONGEST_TEXT


def plain_id(value: AnyId) -> str | None:
    """Return the digits of an id without leading zeros, from {"Value": n}, {"Id": …}, n or "n"; else None."""
    if isinstance(value, Ref):
        # The two forms that almost every row has, before any closer look.
        number = value.value if value.id is None else getattr(value.id, "value", None)
        if type(number) is int and 0 < number < 10**20:
            return str(number)
        return plain_id(value.value) or plain_id(value.id)
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return str(value) if 0 < value < 10**20 else None
    digits = value.strip() if isinstance(value, str) else ""
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 20):
        return None
    return digits.lstrip("0") or None


def count(value: object) -> int | None:
    """Read a number of things, which the API also sends as a string of digits."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if 0 <= value < 10**12 else None
    digits = value.strip() if isinstance(value, str) else ""
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 12 else None


def clean(text: str | None) -> str:
    """Text made harmless, at most 255 long; None becomes ""."""
    return harmless(text, LONGEST_TEXT) if text else ""


def flag(value: object) -> bool | None:
    """Read a yes or no that may also be a word or missing (facts/ws1-api.md §11.10)."""
    if isinstance(value, bool):
        return value
    word = value.strip().lower() if isinstance(value, str) else ""
    return {"true": True, "compromised": True, "false": False, "notcompromised": False}.get(word)


def instant(text: str | None) -> datetime | None:
    """Read an ISO time, as UTC when it names no zone; None for "never" in any spelling and for no time."""
    if not text or len(text) > _LONGEST_INSTANT:
        return None
    try:
        time = datetime.fromisoformat(text + "+00:00")
    except ValueError:
        return _odd_instant(text.strip())
    if time.tzinfo is None:  # of a date alone, the zone was read as its time
        time = time.replace(tzinfo=UTC)
    return time if EARLIEST <= time < LATEST else None


def _odd_instant(text: str) -> datetime | None:
    """Read one with a zone of its own."""
    try:
        parsed = datetime.fromisoformat(text)
        time = parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return time if EARLIEST <= time < LATEST else None


def _ref_text(value: AnyId, name: str) -> str:
    """Return a text member of a reference; "" where there is none."""
    text = getattr(value, name) if isinstance(value, Ref) else None
    return clean(text) if isinstance(text, str) else ""
