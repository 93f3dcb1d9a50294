"""PURE: a record as plain JSON: the body of a webhook, and the structured data of the other formats."""

from __future__ import annotations

import json
from typing import Any

from harmony.models.states import FeedKind
from harmony.outbound.record import OutboundRecord, RecordDevice, rfc3339
from harmony.protection.catalogue import factor_of

_PERSONAL = ("name", "serial", "udid", "imei", "user_name", "email", "phone")
_OF_ENTRY = ("who", "what", "detail", "module", "category", "hash")
_RISKS = ("no_risk", "low", "medium", "high")
encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def webhook_body(record: OutboundRecord) -> bytes:
    """Return the body of a webhook: type, timestamp and data, as Standard Webhooks asks for."""
    body = {"type": record.type, "timestamp": rfc3339(record.at), "data": _data_of(record)}
    return encode(body).encode("utf-8", "replace")


def _data_of(record: OutboundRecord) -> dict[str, Any]:
    """Return what a record says, without anything empty."""
    found: dict[str, Any] = {"id": record.uid, "severity": record.severity.value, "message": record.message}
    if record.integration_id is not None:
        found["integration"] = {"id": record.integration_id, "name": record.integration}
    if record.device_id is not None:
        found["device"] = _device(record.device) if record.device else {"id": f"dev_{record.device_id}"}
    found.update(_details(record))
    return found


def _details(record: OutboundRecord) -> dict[str, Any]:
    if record.kind is FeedKind.AUDIT:
        return {name: record.text(name) for name in _OF_ENTRY if record.text(name)}
    if record.kind is FeedKind.RUN:
        run = {"id": record.subject_id, "job": record.text("job"), "state": record.name}
        return {"run": run | ({"reason": record.text("reason")} if record.text("reason") else {})}
    found = {name: record.text(name) for name in ("vector", "detail") if record.text(name)}
    if code := record.text("factor"):
        found["threat_factor"], found["threat_factor_name"] = code, factor_of(code).name
    return found


def _device(device: RecordDevice) -> dict[str, Any]:
    names = ("external_id", "platform", "model", "os_version", "ownership", *_PERSONAL)
    found: dict[str, Any] = {"id": device.uid}
    found.update({name: getattr(device, name) for name in names if getattr(device, name)})
    if device.risk is not None:
        found["risk"] = _RISKS[device.risk]
    return found
