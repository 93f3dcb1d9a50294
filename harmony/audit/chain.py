"""PURE: the hash of an audit entry, over what it says and the hash of the entry before it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

# The hash before the first entry.
GENESIS = "0" * 64
# All that an entry says. The text that search compares is derived from these.
HASHED = (
    "id", "at", "who", "severity", "module", "category", "what", "integration_id", "integration_name",
    "detail", "changes", "former_hash",
)  # fmt: skip


def digest(entry: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the entry in its canonical form, as 64 hexadecimal digits."""
    return hashlib.sha256(_canonical(entry).encode()).hexdigest()


def _canonical(entry: Mapping[str, Any]) -> str:
    """Return the one spelling of an entry: JSON with sorted keys, without spaces, ASCII only, times in UTC.

    >>> from datetime import datetime, UTC
    >>> entry = dict.fromkeys(HASHED, "") | {"id": 1, "at": datetime(2026, 1, 2, tzinfo=UTC)}
    >>> _canonical(entry)[:61]
    '{"at":"2026-01-02T00:00:00.000000","category":"","changes":""'
    """
    values = {name: _plain(entry[name]) for name in HASHED}
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
    return value
