"""The only source of time: UTC, and a monotonic stopwatch for spans.

Where several machines share a database, its clock counts for all of them: `follow_database` is given
its time, and the uptime of this machine, which no setting moves, carries it on.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

_UPTIME = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def uptime() -> timedelta:
    """Return how long this machine is up, also while it sleeps where the system can tell."""
    return timedelta(seconds=time.clock_gettime(_UPTIME))


class _DatabaseClock:
    """When this machine came up, by the clock of the database; None: its own clock counts."""

    zero: datetime | None = None
    # The same for `steady`, which stays as it was first. Children of the supervisor have this one in common,
    # also when they are started again: what one writes with its steady time, the others must find in time.
    steady_zero: datetime = datetime.now(UTC) - uptime()


def now() -> datetime:
    """Return the current instant, aware, in UTC."""
    return datetime.now(UTC) if _DatabaseClock.zero is None else _DatabaseClock.zero + uptime()


def follow_database(database_time: datetime, before: timedelta, after: timedelta) -> None:
    """Follow the clock of the database, which said this between these two uptimes of ours."""
    utc = database_time.astimezone(UTC)
    if _DatabaseClock.zero is None:
        _DatabaseClock.zero = _DatabaseClock.steady_zero = utc - (before + after) / 2
    _DatabaseClock.zero = _corrected(_DatabaseClock.zero, utc - after, utc - before)


def follow_machine() -> None:
    """Let the clock of this machine count again."""
    _DatabaseClock.zero = None


def _corrected(zero: datetime, earliest: datetime, latest: datetime) -> datetime:
    """Return `zero`, moved as little as puts it between the two: what a slow answer cannot tell, stays.

    >>> first, last = datetime(2026, 1, 3), datetime(2026, 1, 5)
    >>> [_corrected(datetime(2026, 1, day), first, last).day for day in (1, 4, 9)]
    [3, 4, 5]
    """
    return min(max(zero, earliest), latest)


def monotonic() -> float:
    """Seconds on a clock that never jumps; only differences mean anything."""
    return time.monotonic()


def steady() -> datetime:
    """Return the instant at the start of Harmony plus the time since then; no clock setting moves it.

    For what must neither end nor live on because the clock jumped. Time asleep counts where the system
    can tell it.
    """
    return _DatabaseClock.steady_zero + uptime()


def within(at: datetime, span: timedelta, now: datetime) -> bool:
    """Tell whether `at` is less than `span` away from `now`, on either side.

    A stored time lies in the future when the clock was ahead as it was written: it must not count for ever.
    """
    return abs(now - at) < span
