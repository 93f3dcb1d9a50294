"""`GET /mdm/devices/extensivesearch`: other keys, plain ids, and devices that were unenrolled (facts 5.5)."""

from __future__ import annotations

from typing import Any

from harmony.simulator.answers import Answer, Call, envelope, nothing, number, page_of
from harmony.simulator.context import Tenant
from harmony.simulator.device_search import parse_time
from harmony.simulator.records import ENCODE, Device
from harmony.simulator.world import Unenrolled

NEVER = "0001-01-01T00:00:00.000"


def search(tenant: Tenant, call: Call) -> Answer:
    """List enrolled and unenrolled devices of a group and those below it; 204 when empty."""
    page = page_of(call)
    with tenant.world.lock:
        rows = [row for row in _rows(tenant, call) if _takes(call, row)]
    shown = rows[page.number * page.size :][: page.size]
    if not shown:
        return nothing()
    lie = call.faults.get("lying_total")
    return envelope("Devices", map(ENCODE, shown), page, lie.value if lie else len(rows))


def _rows(tenant: Tenant, call: Call) -> list[dict[str, Any]]:
    world = tenant.world
    group = number(call, "organizationgroupid", tenant.top)
    ids = world.inclusive(group)
    wanted = call.query.get("deviceid", "")
    enrolled = [_row(tenant, world.devices[ident]) for ident in ids if wanted in ("", str(ident))]
    below = {found.id for found in world.below(group)}
    return enrolled + [
        _row(tenant, gone.device, gone)
        for gone in world.unenrolled.values()
        if gone.device.group in below and wanted in ("", str(gone.device.id))
    ]


def _takes(call: Call, row: dict[str, Any]) -> bool:
    """Compare what has a parameter: platform, enrolment, address, and the dates of contact and of change."""
    query = call.query
    words = {name: query.get(name, "").lower() for name in ("platform", "enrollmentstatus", "macaddress")}
    return (
        words["platform"] in ("", str(row["Platform"]).lower())
        and words["enrollmentstatus"] in ("", row["EnrollmentStatus"].lower())
        and words["macaddress"].replace(":", "") in ("", str(row["MacAddress"]).lower())
        and _within(row["LastSeen"], query.get("startdatetime", ""), query.get("enddatetime", ""))
        and _within(
            row["EnrollmentDate"] if row["UnEnrolledDate"] == NEVER else row["UnEnrolledDate"],
            query.get("statuschangestarttime", ""),
            query.get("statuschangeendtime", ""),
        )
    )


def _within(value: str, start: str, end: str) -> bool:
    return (not start or value >= parse_time(start)) and (not end or value <= parse_time(end))


def _row(tenant: Tenant, device: Device, gone: Unenrolled | None = None) -> dict[str, Any]:
    data = device.json()
    group = tenant.world.groups.get(device.group)
    return {
        "DeviceId": device.id,
        "DeviceUuid": device.uuid,
        **{key: data.get(key) for key in ("Udid", "SerialNumber", "DeviceFriendlyName", "MacAddress")},
        "OrganizationGroupId": device.group,
        "OrganizationGroupUuid": group.uuid if group else "",
        "UserName": data.get("UserName"),
        "Platform": device.platform,
        "LastSeen": device.last_seen or NEVER,
        "EnrollmentDate": data.get("LastEnrolledOn") or NEVER,
        "Compliant": device.compliance == "Compliant",
        "AssetNumber": data.get("AssetNumber"),
        "EnrollmentStatus": "Unenrolled" if gone else str(data.get("EnrollmentStatus")),
        "UnEnrolledDate": gone.when if gone else NEVER,
        "DeviceNetworkInfo": data.get("DeviceNetworkInfo") or [],
        "Products": [],
        "SmartGroups": [] if gone else _smart_groups(tenant, device),
        "CustomAttributes": [],
    }


def _smart_groups(tenant: Tenant, device: Device) -> list[dict[str, Any]]:
    return [
        {"SmartGroupId": group.id, "SmartGroupUuid": group.uuid, "Name": group.name}
        for group in tenant.world.smart_groups.values()
        if group.holds(device)
    ]
