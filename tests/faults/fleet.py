"""A UEM of nine devices on three pages, each of whose answers a test may spoil; speaks over raw sockets."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.faults.faulty import http

# Bytes to send, something to do with the socket, or None for the healthy answer.
Piece = bytes | Callable[[socket.socket], None] | None
Faults = Mapping[str, Sequence[Piece]]

ROWS_ON_A_PAGE, PAGES = 3, 3
ALL = ROWS_ON_A_PAGE * PAGES
GROUP = {"Id": {"Value": 570}, "Name": "Acme", "LocationGroupType": "Customer", "Devices": ALL}
NOTHING = b"HTTP/1.1 204 No Content\r\n\r\n"


def row(number: int, **changes: Any) -> dict[str, Any]:
    """One device as the UEM writes it."""
    own = {
        "Id": {"Value": number},
        "Udid": f"udid-{number}",
        "SerialNumber": f"S{number}",
        "DeviceFriendlyName": f"device {number}",
        "LocationGroupId": {"Id": {"Value": 570}, "Name": "Acme"},
    }
    return own | changes


def page(*listed: Any, total: Any = ALL) -> bytes:
    """An answer of the device search."""
    return http(json.dumps({"Devices": list(listed), "Page": 0, "PageSize": 500, "Total": total}).encode())


def groups(*listed: Any) -> bytes:
    """An answer of the search for organization groups."""
    return http(json.dumps({"OrganizationGroups": list(listed), "Total": len(listed)}).encode())


def full(number: int) -> list[dict[str, Any]]:
    """The rows of a healthy page, counted from 0."""
    first = 1 + number * ROWS_ON_A_PAGE
    return [row(one) for one in range(first, first + ROWS_ON_A_PAGE)]


def refusal(status: str, code: int, *headers: str) -> bytes:
    """An error as the API words it; the message must never be shown."""
    body = json.dumps({"errorCode": code, "message": "remote words"}).encode()
    return http(body, status, "Content-Type: application/json", *headers)


def token(text: str = "bearer-of-the-test", **more: Any) -> bytes:
    """An answer of the token service."""
    return http(json.dumps({"access_token": text, "token_type": "Bearer", **more}).encode())


def hang_up(connection: socket.socket) -> None:
    """Close without a word."""
    socket.socket.shutdown(connection, socket.SHUT_RDWR)


def reset(connection: socket.socket) -> None:
    """End the connection with RST, as a firewall does."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    socket.close(connection.detach())
    raise ConnectionResetError


def silence(connection: socket.socket) -> None:
    """Say nothing until the other side gives up."""
    connection.recv(1)


def then_hang_up(sent: bytes) -> Callable[[socket.socket], None]:
    """Send only this much, then close."""

    def act(connection: socket.socket) -> None:
        connection.sendall(sent)
        hang_up(connection)

    return act


def then_reset(sent: bytes) -> Callable[[socket.socket], None]:
    """Send only this much, then RST."""

    def act(connection: socket.socket) -> None:
        connection.sendall(sent)
        reset(connection)

    return act


def trickle(start: bytes, drop: bytes) -> Callable[[socket.socket], None]:
    """Send `start`, then drop after drop, for as long as anybody listens."""

    def act(connection: socket.socket) -> None:
        connection.sendall(start)
        pause = threading.Event()
        while not pause.wait(0.05):
            connection.sendall(drop)

    return act


class Fleet:
    """The handler of a `FaultyServer`.

    `faults` maps a call ("token", "groups 0", "page 1", "any") to its answers, which come in turn; the last
    one stays for ever. `calls` remembers what was asked.
    """

    def __init__(self) -> None:
        self.faults: Faults = {}
        self.calls: list[str] = []
        self._given: dict[str, int] = {}
        self._lock = threading.Lock()

    def break_with(self, faults: Faults) -> None:
        """From now on these answers; `{}` heals everything."""
        with self._lock:
            self.faults, self.calls, self._given = faults, [], {}

    def __call__(self, connection: socket.socket, head: bytes, number: int) -> None:
        name = name_of(head)
        piece = self._next(name)
        if piece is None:
            connection.sendall(healthy(name))
        elif isinstance(piece, bytes):
            connection.sendall(piece)
        else:
            piece(connection)

    def _next(self, name: str) -> Piece:
        with self._lock:
            self.calls.append(name)
            key = name if name in self.faults else "any"
            answers = self.faults.get(key, (None,))
            given = self._given[key] = self._given.get(key, 0) + 1
        return answers[min(given, len(answers)) - 1]


def name_of(head: bytes) -> str:
    """Which call this is."""
    target = urlsplit(head.split(b" ", 2)[1].decode())
    if target.path == "/connect/token":
        return "token"
    number = parse_qs(target.query).get("page", ["0"])[0]
    if "/groups/" in target.path:
        return "children" if target.path.endswith("/children") else f"groups {number}"
    return f"smart groups {number}" if "/smartgroups/" in target.path else f"page {number}"


def healthy(name: str) -> bytes:
    """The answer of a UEM in good health."""
    if name == "token":
        return token(expires_in=3600)
    if name == "groups 0":
        return groups(GROUP)
    if name == "children":
        return http(json.dumps([GROUP]).encode())
    kind, _, number = name.rpartition(" ")
    return page(*full(int(number))) if kind == "page" and int(number) < PAGES else NOTHING
