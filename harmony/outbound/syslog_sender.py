"""A syslog server over TCP or TLS: each batch is a connection of its own, whose clean end is the receipt.

Syslog answers nothing. A server that closes without a reset after it was told that no more comes has read all
that was sent; one that dies before leaves a reset, and the batch is sent again.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field

from harmony.outbound.errors import SendError
from harmony.outbound.formats import as_syslog
from harmony.outbound.record import OutboundRecord
from harmony.outbound.schedule import CALL_SECONDS
from harmony.outbound.syslog import SyslogHeader, octet_counted
from harmony.uem.errors import TimedOut, UemError
from harmony.uem.http.deadline import Deadline
from harmony.uem.http.sockets import open_socket
from harmony.uem.trust.address import Address
from harmony.uem.trust.outbound import OutboundPolicy
from harmony.uem.trust.tls import handshake, handshake_error

_GOES_ON = "It is tried again by itself."
# A server that keeps its side open has had this long to read; what its kernel took counts then.
_RECEIPT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class SyslogServer:
    """The address of a server; `certificate` is PEM of its authority, "" for the public store."""

    host: str
    port: int
    is_tls: bool
    certificate: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class SyslogSender:
    """Sends batches of records to a syslog server."""

    server: SyslogServer
    policy: OutboundPolicy
    format: str
    header: SyslogHeader

    def send(self, records: Sequence[OutboundRecord]) -> str:
        """Send the records and return how their receipt is known. Raises SendError."""
        data = b"".join(octet_counted(as_syslog(record, self.format, self.header)) for record in records)
        deadline = Deadline(CALL_SECONDS)
        try:
            with deadline:
                receipt = self._exchange(data, deadline)
            if deadline.expired:  # the cut looks like a clean end
                raise TimeoutError
            return receipt
        except (OSError, UemError, ValueError) as error:
            raise self._meaning(error, deadline) from None

    def _exchange(self, data: bytes, deadline: Deadline) -> str:
        plain = open_socket(self.server.host, self.server.port, self.policy, deadline)
        connection: socket.socket = plain
        try:
            plain.settimeout(CALL_SECONDS)
            if self.server.is_tls:
                connection = handshake(plain, self._address(), self.server.certificate or None)
            connection.sendall(data)
            return _receipt(connection)
        finally:
            connection.close()

    def _meaning(self, error: Exception, deadline: Deadline) -> SendError:
        where = f"{self.server.host}:{self.server.port}"
        if deadline.expired:
            error = TimedOut(f"{where} did not take the records within {deadline.seconds:.0f} seconds.")
        if isinstance(error, ssl.SSLError):
            error = handshake_error(error, self._address(), self.server.certificate or None, None)
        if isinstance(error, UemError):
            return SendError(error.sentence, error.advice)
        return SendError(f"The connection to {where} broke before all was read.", _GOES_ON)

    def _address(self) -> Address:
        return Address("https", self.server.host, self.server.port, "")


def _receipt(connection: socket.socket) -> str:
    """Say that no more comes and wait until the server closes. Raises OSError for a reset."""
    connection.settimeout(_RECEIPT_SECONDS)
    try:
        if isinstance(connection, ssl.SSLSocket):
            _end_tls(connection)
        else:
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                pass
    except TimeoutError:
        return "Sent; the server kept the connection open."
    return "Sent; the server read all of it."


def _end_tls(connection: ssl.SSLSocket) -> None:
    try:
        rest = connection.unwrap()
    except ssl.SSLError:
        # It closed without a TLS goodbye, as some servers do: an end of the stream, and no reset.
        return
    rest.settimeout(_RECEIPT_SECONDS)
    rest.shutdown(socket.SHUT_WR)
    while rest.recv(4096):
        pass
