"""The only source of time: UTC, and a monotonic stopwatch for spans."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

_UPTIME = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
_BEGAN_AT = datetime.now(UTC)
_BEGAN = time.clock_gettime(_UPTIME)


def now() -> datetime:
    """Return the current instant, aware, in UTC."""
    return datetime.now(UTC)


def monotonic() -> float:
    """Seconds on a clock that never jumps; only differences mean anything."""
    return time.monotonic()


def steady() -> datetime:
    """Return the instant at the start of this process plus the time since then; no clock setting moves it.

    For what must neither end nor live on because the clock jumped. Time asleep counts where the system
    can tell it.
    """
    return _BEGAN_AT + timedelta(seconds=time.clock_gettime(_UPTIME) - _BEGAN)


def within(at: datetime, span: timedelta, now: datetime) -> bool:
    """Tell whether `at` is less than `span` away from `now`, on either side.

    A stored time lies in the future when the clock was ahead as it was written: it must not count for ever.
    """
    return abs(now - at) < span
