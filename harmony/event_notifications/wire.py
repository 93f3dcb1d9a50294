"""PURE: reads the event notifications that a UEM posts, in the newer and the older spelling."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import blake2b
from typing import Any

# An event has about a thousand bytes.
LARGEST_BODY = 64 * 1024
_LONGEST_TYPE = 64
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST, _LATEST = datetime(2000, 1, 3, tzinfo=UTC), datetime(2079, 1, 1, tzinfo=UTC)
# "/Date(1389000000000)/", with or without an offset, which says nothing of the moment.
_OLD_TIME = re.compile(r"/Date\((-?\d{1,15})(?:[+-]\d{4})?\)/")
_FRACTION = re.compile(r"(\.\d{6})\d+")


class EventKind(StrEnum):
    """The kinds of event that are taken: what happened to the device, in our words."""

    ENROLLED = "enrolled"
    UNENROLLED = "unenrolled"
    WIPED = "wiped"
    DELETED = "deleted"
    COMPLIANCE = "compliance"
    COMPROMISED = "compromised"
    NAME = "name"
    GROUP = "group"
    SYSTEM = "system"
    COUNTRY = "country"


# By the type as it is spelled in any version, without blanks and case.
_BY_TYPE = {
    "enrollmentcomplete": EventKind.ENROLLED,
    "mdmenrollmentcomplete": EventKind.ENROLLED,
    "breakmdmconfirmed": EventKind.UNENROLLED,
    "deviceenterprisewiperequested": EventKind.WIPED,
    "deviceenterprisewiped": EventKind.WIPED,
    "devicewiperequested": EventKind.WIPED,
    "devicewipe": EventKind.WIPED,
    "devicewiped": EventKind.WIPED,
    "deletedevicerequested": EventKind.DELETED,
    "compliancestatuschanged": EventKind.COMPLIANCE,
    "compromisedstatuschanged": EventKind.COMPROMISED,
    "devicefriendlynamechanged": EventKind.NAME,
    "friendlynamechanged": EventKind.NAME,
    "deviceorganizationgroupchanged": EventKind.GROUP,
    "deviceoperatingsystemchanged": EventKind.SYSTEM,
    "devicemcc": EventKind.COUNTRY,
}
# Numbers are a hint, where the type is not known: recordings have one number with several types.
_BY_NUMBER = {
    148: EventKind.ENROLLED,
    170: EventKind.ENROLLED,
    39: EventKind.UNENROLLED,
    229: EventKind.WIPED,
    25: EventKind.WIPED,
    662: EventKind.DELETED,
    642: EventKind.NAME,
}


class UnreadableEvent(ValueError):
    """The body is no event: not JSON, not an object, or without a device."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """One event: which device, what happened (None: a kind that is not taken), as the UEM called it, when."""

    external_id: str
    kind: EventKind | None
    type: str
    happened_at: datetime | None

    def digest(self, received_at: datetime) -> str:
        """Return what is equal for repeats of an event; without a time those of one minute are repeats."""
        at = self.happened_at or received_at.replace(second=0, microsecond=0)
        identity = f"{self.external_id}\x1f{self.kind}\x1f{at.isoformat()}"
        return blake2b(identity.encode(), digest_size=16).hexdigest()


def read_event(body: bytes) -> Announcement:
    """Read a body of either spelling. Nothing of it is kept but what the record names.

    >>> read_event(b'{"EventType": "Break MDM Confirmed", "DeviceId": "0042"}').external_id
    '42'
    """
    try:
        members = json.loads(body.removeprefix(b"\xef\xbb\xbf"), parse_int=str)
    except (ValueError, RecursionError):
        raise UnreadableEvent("The body is not JSON.") from None
    if not isinstance(members, dict):
        raise UnreadableEvent("The body is not an object.")
    by_name = {str(name).lower(): value for name, value in members.items()}
    external_id = _id(by_name.get("deviceid"))
    if external_id is None:
        raise UnreadableEvent("The event names no device.")
    spelled = _text(by_name.get("eventtype"))
    return Announcement(external_id, _kind(spelled, by_name), spelled, _time(by_name.get("eventtime")))


def _kind(spelled: str, by_name: Mapping[str, Any]) -> EventKind | None:
    folded = "".join(filter(str.isalnum, spelled)).casefold()
    number = _id(by_name.get("eventid"))
    return _BY_TYPE.get(folded) or (_BY_NUMBER.get(int(number)) if number else None)


def _id(value: object) -> str | None:
    """Return the digits of an id, which older versions send as text."""
    digits = value.strip() if isinstance(value, str) else ""
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 20):
        return None
    return digits.lstrip("0") or None


def _text(value: object) -> str:
    return value.strip()[:_LONGEST_TYPE] if isinstance(value, str) else ""


def _time(value: object) -> datetime | None:
    """Return a time with any number of digits in its fraction, or in milliseconds; None for "never"."""
    text = value.strip()[:64] if isinstance(value, str) else ""
    try:
        if old := _OLD_TIME.fullmatch(text):
            time = _EPOCH + timedelta(milliseconds=int(old[1]))
        else:
            time = datetime.fromisoformat(_FRACTION.sub(r"\1", text))
            time = time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return time if _EARLIEST <= time < _LATEST else None
