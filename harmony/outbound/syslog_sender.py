"""A syslog server over TCP or TLS: each batch is a connection of its own, whose clean end is the receipt.

A batch whose connection did not end cleanly is sent again (`uem/http/byte_stream.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harmony.outbound.errors import SendError
from harmony.outbound.formats import as_syslog
from harmony.outbound.record import OutboundRecord
from harmony.outbound.schedule import CALL_SECONDS
from harmony.outbound.syslog import SyslogHeader, octet_counted
from harmony.uem.errors import UemError
from harmony.uem.http.byte_stream import StreamServer, send_stream
from harmony.uem.trust.outbound import OutboundPolicy

# Send bytes to a server, from here or through a Connector; return how their receipt is known.
SendStream = Callable[[StreamServer, bytes], str]


@dataclass(frozen=True, slots=True)
class SyslogSender:
    """Sends batches of records to a syslog server."""

    server: StreamServer
    stream: SendStream
    format: str
    header: SyslogHeader

    def send(self, records: Sequence[OutboundRecord]) -> str:
        """Send the records and return how their receipt is known. Raises SendError."""
        data = b"".join(octet_counted(as_syslog(record, self.format, self.header)) for record in records)
        try:
            return self.stream(self.server, data)
        except UemError as error:
            raise SendError(error.sentence, error.advice) from None


def directly(policy: OutboundPolicy) -> SendStream:
    """Return the way to syslog servers from this process."""
    return lambda server, data: send_stream(server, data, policy, CALL_SECONDS)
