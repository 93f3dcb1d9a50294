"""PURE: RFC 5424 messages with structured data, and the octet counting of RFC 6587 that TLS asks for."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harmony.models.states import FeedKind, Severity
from harmony.outbound.record import PRODUCT, OutboundRecord, rfc3339

# The audit facility for audit entries; the one for everything else is a setting.
_AUDIT_FACILITY = 13
LOCAL0 = 16
# The number that RFC 5612 reserves for documentation: for who has none of their own at IANA.
DOCUMENTATION_NUMBER = 32473
_SEVERITIES = {Severity.CRITICAL: 2, Severity.WARNING: 4, Severity.INFORMATION: 6}
_OF_DEVICE = (
    "platform", "model", "os_version", "name", "serial", "udid", "imei", "user_name", "email", "phone",
)  # fmt: skip
_UNPRINTABLE = re.compile(r"[^!-~]")
_ESCAPED = re.compile(r'(["\\\]])')
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class SyslogHeader:
    """The parts of the head that are the same for every message of a destination."""

    host: str
    facility: int = LOCAL0
    enterprise: int = DOCUMENTATION_NUMBER


def syslog_message(
    record: OutboundRecord, header: SyslogHeader, text: str, *, structured: bool = True
) -> bytes:
    """Return one message; `text` is its MSG, with a BOM as UTF-8."""
    facility = _AUDIT_FACILITY if record.kind is FeedKind.AUDIT else header.facility
    priority = facility * 8 + _SEVERITIES[record.severity]
    names = f"{_name(header.host, 255)} {PRODUCT} - {_name(record.type, 32)}"
    # The BOM is what RFC 5424 marks UTF-8 with; CEF and JSON stand without, for who looks at the first sign.
    data, bom = _element("harmony", header.enterprise, {"id": record.uid}), ""
    if structured:
        data, bom = _structured_data(record, header.enterprise), "\ufeff"
    message = f"<{priority}>1 {rfc3339(record.at)} {names} {data} {bom}{_CONTROL.sub(' ', text)}"
    return message.encode("utf-8", "replace")


def _structured_data(record: OutboundRecord, enterprise: int) -> str:
    """Return the SD-ELEMENTs: the record, and its device."""
    about = {
        "id": record.uid,
        "integration": record.integration,
        "factor": record.text("factor"),
        "vector": record.text("vector"),
        "who": record.text("who"),
        "what": record.text("what"),
        "job": record.text("job"),
    }
    elements = _element("harmony", enterprise, about)
    if record.device is None:
        return elements
    device = record.device
    values = {"id": device.uid, "uem_id": device.external_id}
    values |= {name: getattr(device, name) for name in _OF_DEVICE}
    return elements + _element("device", enterprise, values)


def octet_counted(message: bytes) -> bytes:
    """Return a message as it stands in a stream.

    >>> octet_counted(b"<14>1 ...")
    b'9 <14>1 ...'
    """
    return b"%d %s" % (len(message), message)


def _sd_value(text: str) -> str:
    r"""Escape what a value may not have.

    >>> print(_sd_value('say "hi" [a\\b]'))
    say \"hi\" [a\\b\]
    """
    return _ESCAPED.sub(r"\\\1", _CONTROL.sub(" ", text))


def _element(name: str, enterprise: int, values: dict[str, str]) -> str:
    pairs = [f'{key}="{_sd_value(value)}"' for key, value in values.items() if value]
    return f"[{' '.join([f'{name}@{enterprise}', *pairs])}]"


def _name(text: str, longest: int) -> str:
    return _UNPRINTABLE.sub("_", text)[:longest] or "-"
