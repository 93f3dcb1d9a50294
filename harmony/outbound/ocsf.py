"""PURE: OCSF 1.8.0 records: findings, device state, entities, sign-ins and runs."""

from __future__ import annotations

from typing import Any

from harmony.models.states import FeedKind, Severity, Verb
from harmony.outbound.as_json import encode
from harmony.outbound.record import PRODUCT, VENDOR, OutboundRecord, RecordDevice, milliseconds
from harmony.protection.catalogue import factor_of

_VERSION = "1.8.0"
FINDING, DEVICE_STATE, ENTITY, AUTHENTICATION, LIFECYCLE = 2004, 5019, 3004, 3002, 6002
_LOG, _CREATE, _CLOSE, _OTHER = 1, 1, 3, 99
_SEVERITIES = {Severity.INFORMATION: 1, Severity.WARNING: 3, Severity.CRITICAL: 5}
_SUCCESS, _FAILURE = 1, 2
# Of the actions in the audit log, those that are about signing in: a logon, or a logoff.
_SIGN_INS = {"Signed in": 1, "Signed out": 2, "Sign-in failed": 1, "Sign-in refused": 1}
_RISK_LEVELS = (0, 1, 2, 3)
_OS = {"android": (201, "Android"), "apple": (301, "iOS"), "ios": (301, "iOS"), "ipados": (302, "iPadOS")}
_MOBILE = 5


def ocsf_line(record: OutboundRecord) -> str:
    """Return a record as one line of JSON."""
    return encode(ocsf_record(record))


def ocsf_record(record: OutboundRecord) -> dict[str, Any]:
    """Return the record of the class that fits it."""
    if record.kind is FeedKind.RUN:
        return _run(record)
    if record.kind is FeedKind.AUDIT:
        return _sign_in(record) if record.text("what") in _SIGN_INS else _entity(record)
    if record.name in {Verb.DETECTED, Verb.ENDED}:
        return _finding(record)
    if record.device_id is not None:
        return _base(record, DEVICE_STATE, _LOG)
    return _entity(record)


def _base(record: OutboundRecord, class_uid: int, activity: int) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "version": _VERSION, "product": {"name": PRODUCT, "vendor_name": VENDOR}, "uid": record.uid,
        "event_code": record.type,
    }  # fmt: skip
    if record.device_id is not None:
        metadata["profiles"] = ["host"]
    if record.integration_id is not None:
        metadata["tenant_uid"] = str(record.integration_id)
        metadata["labels"] = [f"integration:{record.integration}"]
    found = {
        "metadata": metadata, "category_uid": class_uid // 1000, "class_uid": class_uid,
        "activity_id": activity, "type_uid": class_uid * 100 + activity,
        "severity_id": _SEVERITIES[record.severity], "time": milliseconds(record.at),
        "message": record.message,
    }  # fmt: skip
    if record.device_id is not None:
        found["device"] = _device(record.device or RecordDevice(record.device_id))
    return found


def _finding(record: OutboundRecord) -> dict[str, Any]:
    ended = record.name == Verb.ENDED
    factor = factor_of(record.text("factor"))
    info: dict[str, Any] = {
        "uid": f"{record.device_id}:{factor.code}:{record.text('detail')}"[:256], "title": factor.name,
        "types": [record.text("vector") or factor.vector.value],
    }  # fmt: skip
    if record.text("detail"):
        info["desc"] = record.text("detail")
    found = _base(record, FINDING, _CLOSE if ended else _CREATE)
    return found | {"finding_info": info, "status_id": 4 if ended else 1}


def _entity(record: OutboundRecord) -> dict[str, Any]:
    found = _base(record, ENTITY, _OTHER)
    found["activity_name"] = record.title
    found["entity"] = {"name": record.integration or PRODUCT, "type": "settings"}
    if record.text("detail"):
        found["comment"] = record.text("detail")
    if record.text("who"):
        found["actor"] = {"user": {"name": record.text("who")}}
    return found


def _sign_in(record: OutboundRecord) -> dict[str, Any]:
    what = record.text("what")
    found = _base(record, AUTHENTICATION, _SIGN_INS[what])
    failed = what in {"Sign-in failed", "Sign-in refused"}
    service = {"name": PRODUCT}
    return found | {
        "user": {"name": record.text("who") or "unknown"}, "service": service,
        "status_id": _FAILURE if failed else _SUCCESS,
    }  # fmt: skip


def _run(record: OutboundRecord) -> dict[str, Any]:
    found = _base(record, LIFECYCLE, _OTHER)
    found["activity_name"] = record.title
    found["app"] = {"name": PRODUCT, "vendor_name": VENDOR}
    found["status_id"] = _FAILURE if record.is_failure else _SUCCESS
    found["status_detail"] = record.text("reason") or record.name
    return found


def _device(device: RecordDevice) -> dict[str, Any]:
    found: dict[str, Any] = {"type_id": _MOBILE, "uid": device.uid, "is_managed": bool(device.external_id)}
    texts = {"uid_alt": device.external_id, "model": device.model, "name": device.name, "imei": device.imei,
             "udid": device.udid}  # fmt: skip
    found |= {name: text for name, text in texts.items() if text}
    if device.serial:
        found["hw_info"] = {"serial_number": device.serial}
    if device.platform:
        number, name = _OS.get(device.platform.lower(), (99, device.platform))
        found["os"] = {"type_id": number, "name": name}
        if device.os_version:
            found["os"]["version"] = device.os_version
    if device.risk is not None:
        found["risk_level_id"] = _RISK_LEVELS[device.risk]
    return found | _owner(device)


def _owner(device: RecordDevice) -> dict[str, Any]:
    owner = {"name": device.user_name or device.email, "email_addr": device.email,
             "phone_number": device.phone}  # fmt: skip
    return {"owner": {name: text for name, text in owner.items() if text}} if owner["name"] else {}
