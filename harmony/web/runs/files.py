"""Runs as lines of a file: the counts of every kind of job in columns of their own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import Row

from harmony.jobs.kinds import KINDS

_READ = ("pages_read", "devices_read")
# Each name once, in the order of the kinds.
_COUNTS = tuple(dict.fromkeys([*_READ, *(name for spec in KINDS.values() for name in spec.words.counts)]))
_FIRST = ("state", "started_by", "started_at", "finished_at")
_LAST = ("calls", "quota_left", "quota_limit", "version", "reason", "advice")
HEADER = ("id", "job", "kind", *_FIRST, *_COUNTS, *_LAST)


def lines(rows: Iterable[Row[Any]]) -> Iterator[tuple[object, ...]]:
    """Yield a line for each run, in the columns of `HEADER`."""
    for row in rows:
        first, last = (getattr(row, name) for name in _FIRST), (getattr(row, name) for name in _LAST)
        counts = (row.counts.get(name, 0) for name in _COUNTS)
        yield (row.id, row.kind, row.sync_kind, *first, *counts, *last)
