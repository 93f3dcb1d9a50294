"""Bytes handed to a server over a connection of their own, whose clean end is the receipt.

Such a server answers nothing. One that closes without a reset after it was told that no more comes has read
all that was sent; one that dies before leaves a reset.
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass, field

from harmony.uem.errors import ConnectionLost, TimedOut, UemError
from harmony.uem.http.deadline import Deadline
from harmony.uem.http.sockets import open_socket
from harmony.uem.trust.address import Address
from harmony.uem.trust.outbound import OutboundPolicy
from harmony.uem.trust.tls import handshake, handshake_error

_GOES_ON = "It is tried again by itself."
# A server that keeps its side open has had this long to read; what its kernel took counts then.
_RECEIPT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class StreamServer:
    """The address of a server; `certificate` is PEM of its authority, "" for the public store."""

    host: str
    port: int
    is_tls: bool
    certificate: str = field(default="", repr=False)

    @property
    def address(self) -> Address:
        """The address, for what is said of its certificate."""
        return Address("https", self.host, self.port, "")


def send_stream(server: StreamServer, data: bytes, policy: OutboundPolicy, seconds: float) -> str:
    """Send the bytes and return how their receipt is known. Raises UemError."""
    deadline = Deadline(seconds)
    try:
        with deadline:
            receipt = _exchange(server, data, policy, deadline)
        if deadline.expired:  # the cut looks like a clean end
            raise TimeoutError
        return receipt
    except (OSError, UemError, ValueError) as error:
        raise _meaning(server, error, deadline) from None


def _exchange(server: StreamServer, data: bytes, policy: OutboundPolicy, deadline: Deadline) -> str:
    plain = open_socket(server.host, server.port, policy, deadline)
    connection: socket.socket = plain
    try:
        plain.settimeout(deadline.seconds)
        if server.is_tls:
            connection = handshake(plain, server.address, server.certificate or None)
        connection.sendall(data)
        return _receipt(connection)
    finally:
        connection.close()


def _meaning(server: StreamServer, error: Exception, deadline: Deadline) -> UemError:
    where = f"{server.host}:{server.port}"
    if deadline.expired:
        return TimedOut(f"{where} did not take the records within {deadline.seconds:.0f} seconds.")
    if isinstance(error, ssl.SSLError):
        return handshake_error(error, server.address, server.certificate or None, None)
    if isinstance(error, UemError):
        return error
    return ConnectionLost(f"The connection to {where} broke before all was read.", _GOES_ON)


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
