"""Device reads: search (facts 5.1), one device by numeric id (5.4) or by uuid (5.3), and the trap."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from typing import Any

from harmony.simulator.answers import (
    Answer,
    Call,
    Refusal,
    envelope,
    error,
    not_found_page,
    nothing,
    number,
    ok,
    page_of,
)
from harmony.simulator.context import Tenant
from harmony.simulator.records import Device

_DAY_LAST = re.compile(r"(\d\d)[/-](\d\d)[/-](\d{4})(.*)")
_MOMENT = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:T(\d\d:\d\d(?::\d\d(?:\.\d{1,7})?)?)Z?)?")
_ORDERS = {"model": "model", "lastseen": "last_seen", "ownership": "ownership", "platform": "platform"}
_OWNERSHIPS = {"C": "CORPORATE_DEDICATED", "S": "CORPORATE_SHARED", "E": "EMPLOYEE"}
_CAMEL = {
    "udid": "Udid",
    "serialNumber": "SerialNumber",
    "macAddress": "MacAddress",
    "imei": "Imei",
    "friendlyName": "DeviceFriendlyName",
    "organizationGroupName": "LocationGroupName",
    "supervised": "IsSupervised",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """The conditions of a search; equal ones share one cached list."""

    group: int
    inclusive: bool
    user: str
    platform: str
    ownership: str
    since: str
    order: str
    descending: bool

    def takes(self, device: Device) -> bool:
        """Whether a device of the right group meets the other conditions."""
        return (
            (not self.user or device.user.lower() == self.user)
            and (not self.platform or device.platform.lower() == self.platform)
            and (not self.ownership or device.ownership.lower() == self.ownership)
            and device.last_seen >= self.since
        )

    def plain(self) -> bool:
        """Whether the group's own list, as it is, answers the search."""
        return not (
            self.user or self.platform or self.ownership or self.since or self.order or self.descending
        )


def search(tenant: Tenant, call: Call) -> Answer:
    """`GET /mdm/devices/search`: 204 when nothing is found or the page is past the end (facts 5.1)."""
    wanted, page = _wanted(tenant, call), page_of(call)
    with tenant.world.lock:
        if wanted.group not in tenant.world.groups:
            return _unknown_group(tenant, wanted.group)
        ids = _matching(tenant, wanted)
        slices = tenant.world.slices(page.of(_moved(call, ids)))
    if not slices:
        return nothing()
    lie = call.faults.get("lying_total")
    return envelope("Devices", slices, page, lie.value if lie else len(ids))


def _wanted(tenant: Tenant, call: Call) -> Wanted:
    query = call.query
    order = query.get("orderby", "").lower()
    return Wanted(
        group=number(call, "lgid", tenant.top),
        inclusive=tenant.switches["lgid_inclusive"] == "yes",
        user=query.get("user", "").lower(),
        platform=query.get("platform", "").lower(),
        ownership=query.get("ownership", "").lower(),
        since=moment(query.get("seensince") or query.get("seen_since") or ""),
        order=_ORDERS.get(order, ""),
        descending=query.get("sortorder", "").upper() == "DESC",
    )


def moment(text: str) -> str:
    """A date parameter in one of the documented forms (facts 5.1), as the devices' own dates are written."""
    if not text:
        return ""
    text = _DAY_LAST.sub(r"\3-\1-\2\4", text).replace("/", "-").replace(" ", "T")
    found = _MOMENT.fullmatch(text)
    if not found:
        raise Refusal(error(400, 400, "The date is not in a supported format."))
    clock = (found[4] or "00:00") + ("" if (found[4] or "").count(":") == 2 else ":00")
    return f"{found[1]}-{found[2]}-{found[3]}T{clock}"


def _matching(tenant: Tenant, wanted: Wanted) -> list[int]:
    world = tenant.world
    base = world.inclusive(wanted.group) if wanted.inclusive else world.direct(wanted.group)
    return base if wanted.plain() else world.kept(wanted, lambda: _ordered(tenant, wanted, base))


def _ordered(tenant: Tenant, wanted: Wanted, base: list[int]) -> list[int]:
    devices = tenant.world.devices
    found = [ident for ident in base if wanted.takes(devices[ident])]
    if wanted.order:
        found.sort(key=lambda ident: (getattr(devices[ident], wanted.order), ident))
    return found[::-1] if wanted.descending else found


def _moved(call: Call, ids: list[int]) -> list[int]:
    """The list as it looks when rows move between two calls (facts 11.8)."""
    fault = call.faults.get("moving_rows")
    if fault is None or not ids:
        return ids
    places = fault.value * (fault.hits - 1) % len(ids)
    return ids[places:] + ids[:places]


def _unknown_group(tenant: Tenant, group: int) -> Answer:
    position = tenant.switches["unknown_lgid"]
    if position == "204":
        return nothing()
    return error(
        int(position), int(position), f"Organization Group not found with Id: {group} or no access to it."
    )


def one(tenant: Tenant, call: Call) -> Answer:
    """`GET /mdm/devices/{id}`: numeric in v1, a uuid in v2."""
    return _by_uuid(tenant, call) if call.version == 2 else _by_number(tenant, call)


def _by_number(tenant: Tenant, call: Call) -> Answer:
    if not call.args[0].isdecimal():
        return not_found_page()
    device = tenant.world.devices.get(int(call.args[0]))
    return Answer(200, device.body) if device else _unknown_device()


def _by_uuid(tenant: Tenant, call: Call) -> Answer:
    """v2 has its own key names, enums and dates (facts 5.3); a non-GUID never reaches the application."""
    try:
        asked = str(uuid.UUID(call.args[0]))
    except ValueError:
        return not_found_page()
    with tenant.world.lock:
        ident = tenant.world.by_uuid.get(asked)
        device = tenant.world.devices[ident] if ident is not None else None
    return ok(_camel(device, call)) if device else _unknown_device()


def _unknown_device() -> Answer:
    return error(404, 5061, "Device not found for this request.")


def _camel(device: Device, call: Call) -> dict[str, Any]:
    data = device.json()
    host = call.headers.get("host", "localhost")
    names = {name: data.get(key) for name, key in _CAMEL.items()}
    return names | {
        "batteryLevelPercentage": data.get("BatteryLevel") or "700",
        "dataEncrypted": data.get("DataEncryptionYN") == "Y",
        "platformInfo": {
            "deviceType": data.get("Platform"),
            "platformName": data.get("Platform"),
            "modelName": data.get("Model"),
            "osVersion": data.get("OperatingSystem"),
        },
        "carrierInfo": {"phoneNumber": data.get("PhoneNumber"), "roamingEnabled": data.get("IsRoaming")},
        "enrollmentInfo": _enrolment(data),
        "OSBuildVersion": data.get("OSBuildVersion"),
        "Links": [{"Rel": "self", "Href": f"http://{host}{call.path}"}],
        "uuid": device.uuid,
    }


def _enrolment(data: dict[str, Any]) -> dict[str, Any]:
    return {
        "enrollmentStatus": str(data.get("EnrollmentStatus")).upper(),
        "compliant": data.get("ComplianceStatus") == "Compliant",
        "enrollmentTimestamp": f"{data.get('LastEnrolledOn')}Z",
        "lastSeenTimestamp": f"{data.get('LastSeen')}Z",
        "ownership": _OWNERSHIPS.get(str(data.get("Ownership")), "UNDEFINED"),
        "organizationGroupId": (data.get("LocationGroupId") or {}).get("Uuid"),
        "organizationGroupName": data.get("LocationGroupName"),
        "userName": data.get("UserName"),
        "userEmailAddress": data.get("UserEmailAddress"),
        "enrollmentUserUuid": data.get("EnrollmentUserUuid"),
        "managedBy": "MDM",
    }


def trap(tenant: Tenant, call: Call) -> Answer:
    """`POST /mdm/devices/bulk` deletes devices in the real UEM (facts 5.4); here it tells on the caller."""
    tenant.meter.trap()
    asked = call.json()
    values = asked.get("BulkValues", {}).get("Value", []) if isinstance(asked, dict) else []
    return ok({"TotalItems": len(values), "AcceptedItems": len(values), "FailedItems": 0})
