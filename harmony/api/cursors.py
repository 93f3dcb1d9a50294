"""PURE: opaque cursors: a place in a list, good for the filters and the order that it was given for."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping

_LONGEST = 8192
_DIGEST_LENGTH = 12


def digest_of(name: str, query: Mapping[str, str]) -> str:
    """Return what stands for a list with these filters.

    >>> digest_of("devices", {"risk": "high"}) == digest_of("devices", {})
    False
    """
    asked = "\n".join([name, *(f"{part}={value!r}" for part, value in sorted(query.items()))])
    return hashlib.sha256(asked.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST_LENGTH]


def encode(digest: str, place: str) -> str:
    """Return the cursor of a place.

    >>> decode(encode("0123456789ab", "7.bmFtZQ"), "0123456789ab")
    '7.bmFtZQ'
    """
    return base64.urlsafe_b64encode(f"{digest}{place}".encode()).decode().rstrip("=")


def decode(cursor: str, digest: str) -> str | None:
    """Return the place of a cursor; None for one that `encode` did not give for this list."""
    if len(cursor) > _LONGEST or not cursor.isascii():
        return None
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except ValueError:
        return None
    return text.removeprefix(digest) if text.startswith(digest) else None
