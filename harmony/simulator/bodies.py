"""The device object of the search answers, keys in the recorded order (facts 5.2)."""

from __future__ import annotations

from typing import Any, NamedTuple

from harmony.simulator import hostile, names


class Draft(NamedTuple):
    """What a device is made from: its id, 64 bytes of chance, and where it belongs."""

    id: int
    raw: bytes
    login: str
    user: dict[str, Any]
    location: dict[str, Any]
    seen: str


def uuid_of(text: str) -> str:
    """The first 32 hex characters as a version 4 UUID."""
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:32]}"


def device_body(draft: Draft) -> dict[str, Any]:
    """All keys of the recording, and those newer ones that bring it to the recorded 2.2 KB."""
    platform = names.PLATFORMS_BY_BYTE[draft.raw[32]]
    system = platform.systems[draft.raw[35] % len(platform.systems)]
    text = draft.raw.hex()
    return (
        _identity(draft, text, platform, system)
        | _place(draft, text, platform, system)
        | _state(draft)
        | _hardware(draft.raw, platform, system)
        | _network(draft, text)
    )


def _identity(draft: Draft, text: str, platform: names.Platform, system: str) -> dict[str, Any]:
    mobile = platform.id in (names.APPLE.id, names.ANDROID.id)
    return {
        "EasIds": {},
        "TimeZone": names.ZONES[draft.raw[36] % 4],
        "Udid": text[: platform.udid_length],
        "SerialNumber": "R" + text[40:50].upper(),
        "MacAddress": text[50:62].upper(),
        "Imei": str(35 * 10**13 + int(text[64:75], 16) % 10**13) if mobile else "",
        "EasId": "",
        "AssetNumber": text[: platform.udid_length],
        "DeviceFriendlyName": f"{draft.login} {platform.name} {system} {text[60:64].upper()}",
        "DeviceReportedName": f"{platform.name}-{text[60:64]}",
    }


def _place(draft: Draft, text: str, platform: names.Platform, system: str) -> dict[str, Any]:
    model = platform.models[draft.raw[38] % len(platform.models)]
    return {
        "LocationGroupId": draft.location,
        "LocationGroupName": draft.location["Name"],
        "UserId": draft.user,
        "UserName": draft.login,
        "DataProtectionStatus": 0,
        "UserEmailAddress": f"{draft.login}@example.com",
        "Ownership": names.OWNERSHIP_BY_BYTE[draft.raw[37]],
        "PlatformId": {"Id": {"Value": platform.id}, "Name": platform.name},
        "Platform": platform.name,
        "ModelId": {"Id": {"Value": platform.id}, "Name": model},
        "Model": model,
        "OperatingSystem": system,
        "PhoneNumber": f"+316{int(text[76:82], 16) % 10**8:08d}" if draft.raw[39] < 128 else "",
    }


def _state(draft: Draft) -> dict[str, Any]:
    raw = draft.raw
    return {
        "LastSeen": draft.seen,
        "EnrollmentStatus": "Enrolled",
        "ComplianceStatus": "Compliant" if raw[40] < 230 else "NonCompliant",
        "CompromisedStatus": raw[41] < 3,
        "LastEnrolledOn": "2025-10-15T09:00:00.120",
        "LastComplianceCheckOn": draft.seen,
        "LastCompromisedCheckOn": draft.seen if raw[42] < 200 else hostile.NEVER,
        "IsSupervised": raw[43] < 100,
    }


def _hardware(raw: bytes, platform: names.Platform, system: str) -> dict[str, Any]:
    return {
        "VirtualMemory": 0,
        "OEMInfo": platform.models[0].split()[0],
        "IsDeviceDNDEnabled": False,
        "IsDeviceLocatorEnabled": raw[43] < 60,
        "IsCloudBackupEnabled": False,
        "IsActivationLockEnabled": False,
        "IsNetworkTethered": False,
        "BatteryLevel": str(raw[44] % 101),
        "IsRoaming": False,
        "SystemIntegrityProtectionEnabled": platform.id == names.MAC.id,
        "ProcessorArchitecture": 9 if platform.id == names.WINDOWS.id else 0,
        "TotalPhysicalMemory": 4 << 30,
        "AvailablePhysicalMemory": raw[45] << 23,
        "OSBuildVersion": f"{system}.{raw[46]}",
        "SecurityPatchDate": "2026-10-05T00:00:00.000",
        "DataEncryptionYN": "Y" if raw[48] < 240 else "N",
    }


def _network(draft: Draft, text: str) -> dict[str, Any]:
    return {
        "DeviceCellularNetworkInfo": [_card(draft.raw)],
        "DeviceNetworkInfo": [_link(draft.raw)],
        "HostName": f"host-{text[60:68]}",
        "LastSystemSampleTime": draft.seen,
        "EnrollmentUserUuid": draft.user["Uuid"],
        "ManagedBy": 1,
        "WifiSsid": f"acme-{draft.raw[47] % 9}",
        "DepTokenSource": 0,
        "Id": {"Value": draft.id},
        "Uuid": uuid_of(text[64:96]),
    }


def _card(raw: bytes) -> dict[str, Any]:
    return {
        "CarrierName": names.CARRIERS[raw[50] % 4],
        "CardId": raw[52:62].hex(),
        "PhoneNumber": "",
        "DeviceMCC": {"SIMMCC": "204", "CurrentMCC": "204"},
        "IsRoaming": False,
    }


def _link(raw: bytes) -> dict[str, Any]:
    return {
        "ConnectionType": "WiFi",
        "IPAddress": f"10.20.{raw[51]}.{raw[52]}",
        "MACAddress": raw[25:31].hex().upper(),
        "Name": "wlan0",
        "Vendor": "Unknown",
    }
