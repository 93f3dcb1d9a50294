"""What a value may be: each function reads one sort, or raises ValueError with what it should be."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import urlsplit

Network = IPv4Network | IPv6Network

# Python's white space (no-break spaces among it), and the invisible marks that it does not count as such.
_AROUND = "".join(character for character in map(chr, range(0x3001)) if character.isspace())
_AROUND += "\u200b\u200c\u200d\u2060\ufeff"
SQLITE = "sqlite:///"
POSTGRESQL = "postgresql://"
# The path below which a reverse proxy serves the dashboard.
PREFIX = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")
_LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


def trimmed(text: str) -> str:
    """Cut what a file, a form or an editor leaves around a value: spaces, line ends, a byte order mark.

    >>> trimmed("\\ufeff 127.0.0.1:8000\\r\\n")
    '127.0.0.1:8000'
    """
    return text.strip(_AROUND)


def directory(text: str) -> Path:
    try:
        return Path(text).expanduser().resolve()
    except (RuntimeError, OSError):
        raise ValueError("a folder, such as /var/lib/harmony") from None


def bind(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    numbered = port.isascii() and port.isdigit() and int(port) <= 65535
    if not (colon and numbered and _is_host(host)):
        raise ValueError("an address and a port, such as 127.0.0.1:8000, 0.0.0.0:8000 or [::1]:8000")
    return host.strip("[]"), int(port)


def _is_host(text: str) -> bool:
    """Accept a name, IPv4, or IPv6 in brackets: without them the end of it could be the port."""
    if not text.startswith("["):
        return bool(text) and not set(text) & set(":/[] ")
    try:
        return text.endswith("]") and bool(IPv6Address(text[1:-1]))
    except ValueError:
        return False


def node_name(text: str) -> str:
    if len(text) > 64 or not text.isprintable():
        raise ValueError("a name of at most 64 characters")
    return text


def sqlite_url(text: str) -> str:
    if text and not text.startswith(SQLITE):
        raise ValueError("a SQLite file, such as sqlite:////var/lib/harmony/harmony.db")
    return text


def database_url(text: str) -> str:
    if text and not (text.startswith(SQLITE) or _names_a_postgresql_database(text)):
        raise ValueError(
            "a SQLite file, such as sqlite:////var/lib/harmony/harmony.db, "
            "or a PostgreSQL database, such as postgresql://user:password@host/name"
        )
    return text


def _names_a_postgresql_database(text: str) -> bool:
    try:
        parts = urlsplit(text)
        port_is_a_number = parts.port is None or parts.port > 0
    except ValueError:
        return False
    named = parts.path.strip("/") and "/" not in parts.path[1:]
    return text.startswith(POSTGRESQL) and port_is_a_number and bool(named) and not parts.fragment


def between(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
            raise ValueError(f"a whole number from {low} to {high}")
        return int(text)

    return parse


def log_level(text: str) -> str:
    if text.upper() not in _LOG_LEVELS:
        raise ValueError(f"one of {', '.join(_LOG_LEVELS)}")
    return text.upper()


def log_format(text: str) -> str:
    if text not in {"text", "json"}:
        raise ValueError("text or json")
    return text


def public_url(text: str) -> str:
    parts = urlsplit(text)
    is_address = parts.scheme in {"http", "https"} and bool(parts.hostname) and not set("?#") & set(text)
    if text and not (is_address and (not parts.path.rstrip("/") or PREFIX.fullmatch(parts.path.rstrip("/")))):
        raise ValueError(
            "an address, such as https://harmony.example.com or, below a prefix, https://example.com/harmony"
        )
    return text.rstrip("/")


def switch(text: str) -> bool:
    if text not in {"0", "1"}:
        raise ValueError("0 or 1")
    return text == "1"


def secret(text: str) -> str:
    if text and len(text) < 32:
        raise ValueError("at least 32 characters")
    return text


def passphrase(text: str) -> str:
    if text and len(text) < 12:
        raise ValueError("at least 12 characters")
    return text


def optional_directory(text: str) -> Path | None:
    return directory(text) if text else None


def networks(text: str) -> tuple[Network, ...]:
    try:
        return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError:
        raise ValueError("networks with commas between, such as 10.0.0.0/8,fd00::/8") from None


def keys(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
