"""The network rungs of the ladder: address, name, connection and TLS, each building on the one before."""

from __future__ import annotations

import socket
import ssl
from datetime import datetime

from harmony.uem.connection import Connection
from harmony.uem.errors import ConnectionLost, TimedOut
from harmony.uem.http.deadline import Deadline
from harmony.uem.http.sockets import open_socket, refuse_forbidden, resolve
from harmony.uem.trust.address import Address, parse_server
from harmony.uem.trust.certificates import WARN_DAYS
from harmony.uem.trust.tls import describe, handshake, handshake_error, presented_certificate, summary_of
from harmony.uem.verify.checks import Finding

STEP_SECONDS = 5.0


class NetworkSteps:
    """One try at reaching the server of a connection; close it afterwards."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now
        self._address: Address | None = None
        self._socket: socket.socket | None = None

    @property
    def address(self) -> Address:
        """The parsed address; the first step makes it."""
        if self._address is None:
            self._address = parse_server(self._connection.server_url, self._connection.policy)
        return self._address

    def check_address(self) -> Finding:
        """Is this an address that may be called at all?"""
        return Finding(f"{self.address.url} is an address that may be called.")

    def find_name(self) -> Finding:
        """Which addresses does the name have, and may they be called?"""
        host = self.address.host
        endpoints = resolve(host, self.address.port)
        refuse_forbidden(host, endpoints, self._connection.policy)
        return Finding(f"{host} is at {', '.join(ip for _, ip, _ in endpoints[:8])}.")

    def connect(self) -> Finding:
        """Does anything listen there?"""
        with Deadline(STEP_SECONDS) as deadline:
            self._socket = open_socket(
                self.address.host, self.address.port, self._connection.policy, deadline
            )
        return Finding(f"Connected to {self._socket.getpeername()[0]}, port {self.address.port}.")

    def speak_tls(self) -> Finding:
        """Is the connection encrypted, by a certificate we trust?"""
        if self.address.scheme == "http":
            return Finding("The connection is not encrypted.", "Use https:// outside a demonstration.", True)
        plain, self._socket = self._socket, None
        if plain is None:
            raise ConnectionLost("There is no connection.")
        with plain, Deadline(STEP_SECONDS) as deadline:
            deadline.watch(plain)
            return self._handshake(plain, deadline)

    def close(self) -> None:
        """Drop a connection that no later step took over."""
        if self._socket is not None:
            self._socket.close()

    def _handshake(self, plain: socket.socket, deadline: Deadline) -> Finding:
        address, trusted = self.address, self._connection.ca_pem
        try:
            with handshake(plain, address, trusted) as secure:
                return self._shown(secure.version() or "TLS", secure.getpeercert(binary_form=True))
        except (ssl.SSLError, OSError) as error:
            trouble = error
        if deadline.expired or isinstance(trouble, TimeoutError):
            raise TimedOut(f"{address.host} did not finish the TLS handshake in time.")
        if not isinstance(trouble, ssl.SSLError):
            raise ConnectionLost(f"{address.host} closed the connection during the TLS handshake.")
        shown = None
        if isinstance(trouble, ssl.SSLCertVerificationError):
            shown = presented_certificate(address, self._connection.policy, self._now)
        raise handshake_error(trouble, address, trusted, shown)

    def _shown(self, version: str, der: bytes | None) -> Finding:
        summary = summary_of(der, self._now) if der else None
        if summary is None:
            return Finding(f"{version}.")
        sentence = f"{version}. {describe(summary)}"
        if summary.days_left < WARN_DAYS:
            return Finding(sentence, f"Renew it on the server within {summary.days_left} days.", True)
        return Finding(sentence)
