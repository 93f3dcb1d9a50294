"""Posts event notifications when the simulated world changes, as recordings have them (facts 8.4)."""

from __future__ import annotations

import http.client
import random
import ssl
import threading
from base64 import b64encode
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from harmony.simulator.records import ENCODE, Device

# Type and number of an event, newer and older spelling.
TYPES = {
    "enrolled": ("MDM Enrollment Complete", "MDMEnrollmentComplete", 148),
    "unenrolled": ("Break MDM Confirmed", "BreakMDMConfirmed", 39),
    "deleted": ("Delete Device Requested", "DeleteDeviceRequested", 662),
    "renamed": ("Device Friendly Name Changed", "DeviceFriendlyNameChanged", 642),
    "moved": ("Device Organization Group Changed", "DeviceOrganizationGroupChanged", 178),
    "compliance": ("Compliance Status Changed", "ComplianceStatusChanged", 178),
    "compromised": ("Compromised Status Changed", "CompromisedStatusChanged", 178),
    "system": ("Device Operating System Changed", "DeviceOperatingSystemChanged", 178),
}
# Which event a change of a field is announced by.
OF_FIELDS = {
    "DeviceFriendlyName": "renamed",
    "LocationGroupId": "moved",
    "ComplianceStatus": "compliance",
    "CompromisedStatus": "compromised",
    "OperatingSystem": "system",
}
SPELLINGS = ("new", "old", "mixed")
_SECONDS = 10
_MOST_QUEUED = 100_000


@dataclass(slots=True)
class Rule:
    """One rule of the console. `spelling` is new, old or mixed; `doubled`, `reordered`: as it says.

    `nulls` leaves out what a delete event of a recording has as null.
    """

    url: str = ""
    user: str = ""
    password: str = ""
    active: bool = False
    spelling: str = "new"
    doubled: bool = False
    reordered: bool = False
    nulls: bool = False


@dataclass(slots=True)
class Notifier:
    """Sends what is queued from a thread of its own, which lives while there is a rule."""

    stopping: threading.Event
    rule: Rule = field(default_factory=Rule)
    sent: int = 0
    failed: int = 0
    last: str = ""
    _queue: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=_MOST_QUEUED))
    _wake: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _choose: random.Random = field(default_factory=lambda: random.Random(7))  # noqa: S311 - no secret

    def set(self, rule: Rule) -> None:
        """Put a rule in force."""
        self.rule = rule
        if self._thread is None and rule.active:
            self._thread = threading.Thread(target=self._run, daemon=True, name="event-notifications")
            self._thread.start()

    def announce(self, kind: str, devices: Iterable[Device], when: datetime) -> None:
        """Queue an event of each device, if a rule is active."""
        if not self.rule.active:
            return
        for device in devices:
            event = self._event(kind, device, when)
            self._queue.extend([event, dict(event)] if self.rule.doubled else [event])
        self._wake.set()

    def test(self) -> int:
        """Do what *Test Connection* does; return the status, 0 where nobody answered."""
        return self._call("GET", None)

    def _event(self, kind: str, device: Device, when: datetime) -> dict[str, Any]:
        newer, older, number = TYPES[kind]
        is_old = self.rule.spelling == "old" or (self.rule.spelling == "mixed" and device.id % 2)
        event = _members(device) | {"EventId": number, "EventType": older if is_old else newer}
        if kind in {"unenrolled", "deleted"}:
            event["EnrollmentStatus"] = "Unenrolled"
        if kind == "deleted" or self.rule.nulls:
            event = dict.fromkeys(event) | {name: event[name] for name in _NEVER_NULL}
        milliseconds = int(when.timestamp() * 1000)
        event["EventTime"] = f"/Date({milliseconds})/" if is_old else when.strftime("%Y-%m-%dT%H:%M:%S.%f0Z")
        event["DeviceId"] = str(device.id) if is_old else device.id
        return event

    def _run(self) -> None:
        while not self.stopping.is_set():
            self._wake.wait(0.2)
            self._wake.clear()
            batch = [self._queue.popleft() for _ in range(len(self._queue))]
            if self.rule.reordered:
                self._choose.shuffle(batch)
            for event in batch:
                if self.stopping.is_set() or not self.rule.active:
                    break
                self._count(self._call("POST", ENCODE(event)))

    def _count(self, status: int) -> None:
        self.last = str(status) if status else "no answer"
        if 200 <= status < 300:
            self.sent += 1
        else:
            self.failed += 1

    def _call(self, method: str, body: bytes | None) -> int:
        address, rule = urlsplit(self.rule.url), self.rule
        pair = b64encode(f"{rule.user}:{rule.password}".encode()).decode()
        headers = {"Authorization": f"Basic {pair}", "Content-Type": "application/json"}
        connection = _connect(address.scheme, address.netloc)
        try:
            connection.request(method, address.path or "/", body, headers)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException, ValueError):
            return 0
        finally:
            connection.close()


_NEVER_NULL = ("EventId", "EventType", "DeviceId", "Udid", "SerialNumber", "EnrollmentStatus")


def _members(device: Device) -> dict[str, Any]:
    data = device.json()
    return {
        "EventId": 0,
        "EventType": "",
        "DeviceId": device.id,
        "DeviceFriendlyName": data.get("DeviceFriendlyName"),
        "EnrollmentEmailAddress": data.get("UserEmailAddress"),
        "EnrollmentUserName": data.get("UserName"),
        "EventTime": "",
        "EnrollmentStatus": data.get("EnrollmentStatus"),
        "CompromisedStatus": "",
        "CompromisedTimeStamp": "0001-01-01T00:00:00",
        "ComplianceStatus": data.get("ComplianceStatus"),
        "PhoneNumber": data.get("PhoneNumber"),
        "Udid": data.get("Udid"),
        "SerialNumber": data.get("SerialNumber"),
        "MACAddress": data.get("MacAddress"),
        "DeviceIMEI": data.get("Imei"),
        "Platform": data.get("Platform"),
        "OperatingSystem": data.get("OperatingSystem"),
        "OrganizationGroupName": data.get("LocationGroupName"),
        "DeviceUUID": device.uuid,
    }


def _connect(scheme: str, netloc: str) -> http.client.HTTPConnection:
    if scheme == "https":
        return http.client.HTTPSConnection(netloc, timeout=_SECONDS, context=ssl.create_default_context())
    return http.client.HTTPConnection(netloc, timeout=_SECONDS)
