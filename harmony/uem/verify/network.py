"""The network checks: address, name, connection and TLS, each building on the one before."""

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
from harmony.uem.verify.checks import Check, Observation, warning

STEP_SECONDS = 5.0
NETWORK_NAMES = ("Address", "Name", "Connection", "TLS")


class NetworkChecks:
    """One try at reaching the server of a connection; close it afterwards."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now
        self._address: Address | None = None
        self._socket: socket.socket | None = None

    @property
    def address(self) -> Address:
        """Parse the address once. Raises BlockedByPolicy."""
        if self._address is None:
            self._address = parse_server(self._connection.server_url, self._connection.policy)
        return self._address

    def checks(self) -> list[Check]:
        """Return the checks in their order, named by NETWORK_NAMES."""
        actions = (self.check_address, self.find_name, self.connect, self.speak_tls)
        checks = [Check(name, action) for name, action in zip(NETWORK_NAMES, actions, strict=True)]
        if self._connection.policy.proxy is not None:
            checks.insert(1, Check("Proxy", self.reach_proxy))
        return checks

    def check_address(self) -> Observation:
        """Check that the outbound policy allows the address."""
        return Observation(f"{self.address.url} is allowed by the outbound policy.")

    def reach_proxy(self) -> Observation:
        """Have the proxy connect to the server."""
        proxy = self._connection.policy.proxy
        self.connect()
        return Observation(f"{proxy.address if proxy else ''} connects to {self.address.host}.")

    def find_name(self) -> Observation:
        """Resolve the name and check that the outbound policy allows its addresses."""
        host = self.address.host
        if self._connection.policy.proxy is not None:
            return Observation("The proxy looks the name up.", tried=False)
        endpoints = resolve(host, self.address.port)
        refuse_forbidden(host, endpoints, self._connection.policy)
        return Observation(f"{host} is at {', '.join(ip for _, ip, _ in endpoints[:8])}.")

    def connect(self) -> Observation:
        """Connect to the port."""
        self.close()
        with Deadline(STEP_SECONDS) as deadline:
            self._socket = open_socket(
                self.address.host, self.address.port, self._connection.policy, deadline
            )
        if proxy := self._connection.policy.proxy:
            return Observation(f"Connected through {proxy.address}.")
        return Observation(f"Connected to {self._socket.getpeername()[0]}, port {self.address.port}.")

    def speak_tls(self) -> Observation:
        """Complete the TLS handshake with a trusted certificate."""
        if self.address.scheme == "http":
            return warning("The connection is not encrypted.", "Use https:// outside a demonstration.")
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

    def _handshake(self, plain: socket.socket, deadline: Deadline) -> Observation:
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

    def _shown(self, version: str, der: bytes | None) -> Observation:
        summary = summary_of(der, self._now) if der else None
        if summary is None:
            return Observation(f"{version}.")
        sentence = f"{version}. {describe(summary)}"
        if summary.days_left < WARN_DAYS:
            return warning(sentence, f"Renew it on the server within {summary.days_left} days.")
        return Observation(sentence)
