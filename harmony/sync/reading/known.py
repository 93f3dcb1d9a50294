"""PURE: a stored device as a run compares it with rows of the UEM."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from harmony.device_ids import serial_key
from harmony.jobs.accounting import Identity, identity, other_hardware
from harmony.sync.reading.scope import Incoming, enrolment


class Known(NamedTuple):
    """The stored values of a device: enough to tell whether anything changed.

    `external_id` is None when the UEM gave the id to another device; it is `former` when no run has placed
    the device since Server Details led to another UEM. What follows is read only where it has to be told
    which device a row is about.
    """

    id: int
    external_id: str | None
    udid_key: str
    fingerprint: str
    last_seen: datetime | None
    absent: bool = False
    deleted: bool = False
    former: bool = False
    enrolled_at: datetime | None = None
    uuid: str = ""
    udid: str = ""
    serial: str = ""

    @property
    def identity(self) -> Identity:
        """Everything that tells which device it is."""
        return Identity(self.external_id or "", self.uuid.lower(), self.udid_key, serial_key(self.serial))

    @property
    def current_id(self) -> str | None:
        """The id in the UEM that is read."""
        return None if self.former else self.external_id


def has_other_udid(known: Known, row: Incoming) -> bool:
    """Return True if a row has another UDID than is stored for its id, so that more has to be compared."""
    return known.fingerprint != row.fingerprint and known.udid_key != row.udid_key


def has_other_marks(known: Known, row: Incoming) -> bool:
    """Return True if a UUID, UDID or serial is stored for the id of a row, and the row has another."""
    pairs = zip(known.identity[1:], identity(row.device)[1:], strict=True)
    return any(stored and read and stored != read for stored, read in pairs)


def is_same_record(known: Known, row: Incoming) -> bool:
    """Return True if a row is about the device that has its id in the former UEM: both are one UEM's then."""
    stored, read = known.identity, identity(row.device)
    agrees = any(old and old == new for old, new in zip(stored[1:], read[1:], strict=True))
    return known.fingerprint == row.fingerprint or (agrees and not other_hardware(stored, read))


def is_newer(row: Incoming, known: Known) -> bool:
    """Return True if a row is a newer enrolment than the one that is stored."""
    return row.enrolment > enrolment(known.enrolled_at, known.external_id or "")
