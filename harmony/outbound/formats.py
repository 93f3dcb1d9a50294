"""PURE: a record in the format of its destination: a line, and the same line as a syslog message."""

from __future__ import annotations

from collections.abc import Callable

from harmony.models.states import DestinationKind, RecordFormat
from harmony.outbound.cef import cef_line
from harmony.outbound.ocsf import ocsf_line
from harmony.outbound.record import OutboundRecord
from harmony.outbound.syslog import SyslogHeader, syslog_message

FORMATS = {
    DestinationKind.WEBHOOK: (RecordFormat.WEBHOOK,),
    DestinationKind.SYSLOG: (RecordFormat.SYSLOG, RecordFormat.CEF, RecordFormat.OCSF),
    DestinationKind.HTTP: (RecordFormat.OCSF,),
    DestinationKind.FILE: (RecordFormat.OCSF, RecordFormat.CEF, RecordFormat.SYSLOG),
}
_TEXTS: dict[str, Callable[[OutboundRecord], str]] = {
    RecordFormat.SYSLOG: lambda record: record.message,
    RecordFormat.CEF: cef_line,
    RecordFormat.OCSF: ocsf_line,
}


def as_syslog(record: OutboundRecord, form: str, header: SyslogHeader) -> bytes:
    """Return a record as a syslog message; CEF and OCSF are its text."""
    return syslog_message(record, header, _TEXTS[form](record), structured=form == RecordFormat.SYSLOG)


def as_line(record: OutboundRecord, form: str, header: SyslogHeader) -> bytes:
    """Return a record as a line of a file or of newline-delimited JSON, with its line break."""
    if form == RecordFormat.SYSLOG:
        return as_syslog(record, form, header) + b"\n"
    return _TEXTS[form](record).encode("utf-8", "replace") + b"\n"
