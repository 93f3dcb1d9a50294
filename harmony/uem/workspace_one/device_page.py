"""A page of devices, from the bytes of an answer to records."""

from __future__ import annotations

from typing import Any

import msgspec

from harmony.uem.errors import TooLarge
from harmony.uem.records import SkippedRow, UemDevice
from harmony.uem.workspace_one.rows import count, device_record
from harmony.uem.workspace_one.wire import (
    DeviceRow,
    loose_device,
    loose_object,
    rows_of,
    typed_devices,
)

# The UEM caps a page at 500 rows; a page ten times as long comes from something else.
MAX_ROWS = 5000


class PageContent(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The rows of a page, and the UEM's claim of how many there are in all."""

    devices: tuple[UemDevice, ...]
    skipped: tuple[SkippedRow, ...]
    total: int | None


def page_content(body: bytes) -> PageContent:
    """Read the JSON of a page. Raises MalformedAnswer or TooLarge."""
    rows, total = typed_devices(body) or _loose_devices(body)
    if len(rows) > MAX_ROWS:
        raise TooLarge(f"A page has {len(rows)} rows, although at most 500 were asked for.")
    records = [record_of(row) for row in rows]
    devices = tuple(record for record in records if isinstance(record, UemDevice))
    skipped = tuple(record for record in records if isinstance(record, SkippedRow))
    return PageContent(devices, skipped, count(total))


def record_of(row: DeviceRow | None) -> UemDevice | SkippedRow:
    """Return the record of a row; None is one that is no object."""
    return device_record(row) if row is not None else SkippedRow(None, "The row is not an object.")


def _loose_devices(body: bytes) -> tuple[list[DeviceRow | None], Any]:
    envelope = loose_object(body)
    return [loose_device(row) for row in rows_of(envelope, "Devices")], envelope.get("Total")
