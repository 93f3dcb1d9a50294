"""One device: by numeric id or another identifier (facts 5.4), or by uuid (5.3); and the trap."""

from __future__ import annotations

import uuid
from typing import Any

from harmony.simulator.answers import (
    Answer,
    Call,
    error,
    not_found_page,
    ok,
)
from harmony.simulator.context import Tenant
from harmony.simulator.records import Device

# What `searchby` may name, and the key of the device that is compared (facts 5.4).
_SEARCH_BY = {
    "deviceid": "Id",
    "macaddress": "MacAddress",
    "udid": "Udid",
    "serialnumber": "SerialNumber",
    "imeinumber": "Imei",
    "easid": "EasId",
}
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


def one(tenant: Tenant, call: Call) -> Answer:
    """`GET /mdm/devices/{id}`: numeric in v1, a uuid in v2."""
    return _by_uuid(tenant, call) if call.version == 2 else _by_number(tenant, call)


def _by_number(tenant: Tenant, call: Call) -> Answer:
    if not call.args[0].isdecimal():
        return not_found_page()
    device = tenant.world.devices.get(int(call.args[0]))
    return ok(_detailed(device)) if device else _unknown_device()


def by_identifier(tenant: Tenant, call: Call) -> Answer:
    """`GET /mdm/devices?searchby=…&id=…` (facts 5.4, 14.12): 422 for a word it does not know."""
    return _by_key(tenant, call.query.get("searchby", ""), call.query.get("id", ""))


def by_udid(tenant: Tenant, call: Call) -> Answer:
    """`GET /mdm/devices/udid/{udid}`."""
    return _by_key(tenant, "udid", call.args[0])


def _by_key(tenant: Tenant, word: str, value: str) -> Answer:
    key = _SEARCH_BY.get(word.lower())
    if key is None or not value:
        return error(422, 422, "searchby and id are required, and searchby must be a known identifier.")
    with tenant.world.lock:
        found = _found(tenant, key, value)
    return ok(_detailed(found)) if found else _unknown_device()


def _found(tenant: Tenant, key: str, value: str) -> Device | None:
    """The device with this value; only bodies that hold its bytes are decoded."""
    devices = tenant.world.devices
    if key == "Id":
        return devices.get(int(value)) if value.isdecimal() else None
    folded, raw = value.lower(), value.lower().encode()
    return next(
        (
            device
            for device in devices.values()
            if raw in device.body.lower() and str(device.json().get(key)).lower() == folded
        ),
        None,
    )


def _detailed(device: Device) -> dict[str, Any]:
    """v1 of a single device has keys that the search leaves out (facts 5.2, 14.14)."""
    data = device.json()
    return data | {
        "DeviceCapacity": 128.0,
        "AvailableDeviceCapacity": 64.5,
        "AcLineStatus": 0,
        "DeviceManufacturerId": 0,
        "DeviceNetworkInfo": data.get("DeviceNetworkInfo") or [],
        "ComplianceSummary": {"DeviceCompliance": [_policy(device)]},
        "IsRemoteManagementEnabled": "False",
        "EnrolledViaDEP": bool(data.get("IsSupervised")),
        "LastNetworkLANSampleTime": data.get("LastSeen"),
        "LastBluetoothSampleTime": data.get("LastSeen"),
        "SystemUpdateReceivedTime": "0001-01-01T00:00:00.000",
        "UserApprovedEnrollment": None,
    }


def _policy(device: Device) -> dict[str, Any]:
    compliant = device.compliance == "Compliant"
    return {"CompliantStatus": compliant, "PolicyName": "Passcode", "PolicyDetail": "", "Id": {"Value": 1}}


def device_by_uuid(tenant: Tenant, call: Call) -> Device | Answer:
    """Find the device of a v2 address. Text that is no GUID never reaches the application."""
    try:
        asked = str(uuid.UUID(call.args[0]))
    except ValueError:
        return not_found_page()
    with tenant.world.lock:
        ident = tenant.world.by_uuid.get(asked)
        return _unknown_device() if ident is None else tenant.world.devices[ident]


def _by_uuid(tenant: Tenant, call: Call) -> Answer:
    """Answer a v2 call, which has its own key names, enums and dates (facts 5.3)."""
    found = device_by_uuid(tenant, call)
    return found if isinstance(found, Answer) else ok(_camel(found, call))


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
