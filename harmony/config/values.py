"""What a value may be: each function reads one sort, or raises ValueError with what it should be."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import urlsplit

Network = IPv4Network | IPv6Network

SQLITE = "sqlite:///"
POSTGRESQL = "postgresql://"
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


def directory(text: str) -> Path:
    return Path(text).expanduser().resolve()


def bind(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65535:
        raise ValueError("an address and a port, such as 127.0.0.1:8000")
    return host, int(port)


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
    if text.upper() not in LOG_LEVELS:
        raise ValueError(f"one of {', '.join(LOG_LEVELS)}")
    return text.upper()


def public_url(text: str) -> str:
    parts = urlsplit(text)
    if text and (parts.scheme not in {"http", "https"} or not parts.hostname or parts.path not in {"", "/"}):
        raise ValueError("an address without a path, such as https://harmony.example.com")
    return text.rstrip("/")


def switch(text: str) -> bool:
    if text not in {"0", "1"}:
        raise ValueError("0 or 1")
    return text == "1"


def secret(text: str) -> str:
    if text and len(text) < 32:
        raise ValueError("at least 32 characters")
    return text


def networks(text: str) -> tuple[Network, ...]:
    try:
        return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError:
        raise ValueError("networks with commas between, such as 10.0.0.0/8,fd00::/8") from None


def keys(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
