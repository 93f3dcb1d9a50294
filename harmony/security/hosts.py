"""PURE: names of hosts as clients write them, in one spelling: lower case, no final dot, no default port."""

from __future__ import annotations

import re
from ipaddress import IPv6Address
from urllib.parse import urlsplit

DEFAULT_PORTS = {"http": 80, "https": 443}
_LONGEST_NAME = 253
_LARGEST_PORT = 65535
_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9_-]+(\.[a-z0-9_-]+)*)\.?(:(?P<port>[0-9]{0,5}))?", re.I)


def normal_host(text: str, scheme: str) -> str | None:
    """Return host and port of a Host header in their one spelling; None when it is malformed.

    >>> [normal_host(host, "https") for host in ("Harmony.Example.:443", "[0:0::1]:8000", "a b")]
    ['harmony.example', '[::1]:8000', None]
    """
    found = _HOST.fullmatch(text)
    if found is None or len(found["name"]) > _LONGEST_NAME:
        return None
    name, port = _normal_name(found["name"].lower()), int(found["port"] or 0)
    if name is None or port > _LARGEST_PORT:
        return None
    return name if port in {0, DEFAULT_PORTS.get(scheme)} else f"{name}:{port}"


def normal_origin(text: str) -> str | None:
    """Return an Origin header as `scheme://host`; None when it is malformed or `null`."""
    scheme, _, rest = text.partition("://")
    scheme = scheme.lower()
    host = normal_host(rest, scheme)
    return f"{scheme}://{host}" if host else None


def host_of(url: str) -> str | None:
    """Return the name in an address as browsers send it (names in other scripts as `xn--…`), without port."""
    name = urlsplit(url).hostname or ""
    if ":" in name:
        return normal_host(f"[{name}]", "")
    try:
        return normal_host(name.encode("idna").decode("ascii"), "")
    except UnicodeError:
        return normal_host(name, "")


def is_https(url: str) -> bool:
    """Return whether an address is opened by https; "" is none.

    >>> [is_https(url) for url in ("HTTPS://harmony.example", "http://harmony.example", "")]
    [True, False, False]
    """
    return urlsplit(url).scheme == "https"


def name_of(host: str) -> str:
    """Return a normal host without its port."""
    return host if host.endswith("]") else host.rpartition(":")[0] or host


def _normal_name(name: str) -> str | None:
    if not name.startswith("["):
        return name
    try:
        return f"[{IPv6Address(name[1:-1])}]"
    except ValueError:
        return None
