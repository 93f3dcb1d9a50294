"""A proxy that calls leave through: where it is, and what it is told (CONNECT, RFC 9110 §9.3.6)."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy; an empty `username` is none. What it passes on is encrypted end to end."""

    host: str
    port: int
    username: str = ""
    password: str = field(default="", repr=False)

    @property
    def address(self) -> str:
        """`host:port`, an IPv6 address in brackets."""
        return endpoint(self.host, self.port)

    def request(self, host: str, port: int) -> bytes:
        """Return the bytes that ask it for a connection to this host and port."""
        target = endpoint(host, port)
        lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
        if self.username:
            pair = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
            lines.append(f"Proxy-Authorization: Basic {pair}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode()


def endpoint(host: str, port: int) -> str:
    """Return host and port as they stand in a request."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def status_of(head: bytes) -> int | None:
    """Return the status of a proxy's answer; None when it is no answer of one.

    >>> status_of(b"HTTP/1.1 200 Connection established\\r\\n\\r\\n"), status_of(b"SSH-2.0\\r\\n")
    (200, None)
    """
    parts = head.split(b"\r\n", 1)[0].split(b" ")
    if len(parts) < 2 or not parts[0].startswith(b"HTTP/1.") or not parts[1].isdigit() or len(parts[1]) != 3:
        return None
    return int(parts[1])
