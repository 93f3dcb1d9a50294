"""PURE: CEF with the extension keys of the vendor's guide, under Harmony's own vendor and product."""

from __future__ import annotations

import re

from harmony.models.states import FeedKind, Severity, Verb
from harmony.outbound.record import PRODUCT, PRODUCT_VERSION, VENDOR, OutboundRecord, milliseconds

# The vendor's numbers for its three severities.
_SEVERITIES = {Severity.CRITICAL: 10, Severity.WARNING: 7, Severity.INFORMATION: 3}
_RISKS = ("No Risk", "Low", "Medium", "High")
_HEAD = re.compile(r"([\\|])")
_VALUE = re.compile(r"([\\=])")
_BREAK = re.compile(r"\r\n|[\r\n]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_ACTIONS = {Verb.DETECTED: "Detected", Verb.ENDED: "Removed"}


def cef_line(record: OutboundRecord) -> str:
    """Return the line, without a line break."""
    signature = record.text("factor") or record.type
    head = (VENDOR, PRODUCT, PRODUCT_VERSION, signature, record.title, str(_SEVERITIES[record.severity]))
    values = " ".join(f"{key}={_cef_value(value)}" for key, value in _extension(record).items() if value)
    return f"CEF:0|{'|'.join(map(_cef_head, head))}|{values}"


def _extension(record: OutboundRecord) -> dict[str, str]:
    """Return the keys and values; those that are "" are left out."""
    found = {
        "rt": str(milliseconds(record.at)),
        "start": str(milliseconds(record.at)),
        "cat": "Alert" if record.kind is FeedKind.EVENT else record.kind.value.title(),
        "act": _action(record),
        "externalId": record.uid,
        "dvchost": record.integration,
        "msg": record.message,
        "suser": record.text("who"),
        "alert_details": record.text("detail") or record.text("reason"),
    }
    if record.text("vector") == "Application" and record.text("detail"):
        found["app_name"] = record.text("detail")
    return found | _device(record)


def _cef_head(text: str) -> str:
    r"""Escape a value of the head.

    >>> print(_cef_head("a|b\\c"))
    a\|b\\c
    """
    return _HEAD.sub(r"\\\1", _CONTROL.sub(" ", text))


def _cef_value(text: str) -> str:
    r"""Escape a value of the extension.

    >>> print(_cef_value("a=b|c\nd"))
    a\=b|c\nd
    """
    return _CONTROL.sub(" ", _BREAK.sub(r"\\n", _VALUE.sub(r"\\\1", text)))


def _action(record: OutboundRecord) -> str:
    if record.kind is FeedKind.AUDIT:
        return record.text("what")
    if record.kind is FeedKind.EVENT and record.name:
        return _ACTIONS.get(Verb(record.name), record.type)
    return record.type


def _device(record: OutboundRecord) -> dict[str, str]:
    device = record.device
    if device is None:
        return {"deviceExternalId": f"dev_{record.device_id}" if record.device_id is not None else ""}
    risk = "" if device.risk is None else _RISKS[device.risk]
    labelled = {"DeviceType": device.platform, "Phone": device.phone, "OSLevel": device.os_version,
                "DeviceDetails": device.model, "Current Device Risk": risk}  # fmt: skip
    found = {"deviceExternalId": device.uid, "duid": device.external_id, "duser": device.email,
             "suid": device.user_name, "uuid": device.udid}  # fmt: skip
    # The guide's numbers of these; cs5, the certificate of a network, is not known here.
    for number, (label, value) in zip((1, 2, 3, 4, 6), labelled.items(), strict=True):
        if value:
            found |= {f"cs{number}Label": label, f"cs{number}": value}
    return found
