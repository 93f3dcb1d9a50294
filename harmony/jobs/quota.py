"""PURE: how many of the UEM's daily calls a purpose may use, and when used ones are its own again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

# What the UEM allows a day unless it says otherwise (facts/ws1-api.md §2.3).
_USUAL_LIMIT = 50_000
# A little less than a day: a run that starts a minute earlier than yesterday's must not wait for that minute.
DAY = timedelta(hours=23, minutes=50)
# This share of a day's calls is left to the device sync and to other programs, whoever used the rest.
_LEFT_TO_OTHERS = 5


@dataclass(frozen=True, slots=True)
class Spent:
    """Calls of one earlier run and when it started; none takes longer than minutes for its share."""

    at: datetime
    calls: int


@dataclass(frozen=True, slots=True)
class Share:
    """Calls a day: `allowed` of `limit`, `used` so far; `frees_at` is when the oldest no longer count.

    While nothing was used that is when those of a run that starts now no longer do.
    """

    allowed: int
    limit: int
    used: int
    frees_at: datetime

    @property
    def left(self) -> int:
        """Calls that may still be made now."""
        return max(0, self.allowed - self.used)


def share(limit: int | None, percent: int, spent: Sequence[Spent], now: datetime) -> Share:
    """Return the share of a purpose; `limit` is the daily quota as last told, None when it never was.

    >>> from datetime import UTC
    >>> noon = datetime(2026, 1, 15, 12, tzinfo=UTC)
    >>> share(None, 20, [Spent(noon, 9_000), Spent(noon - DAY, 500)], noon).left
    1000
    """
    total = limit or _USUAL_LIMIT
    recent = [run for run in spent if abs(now - run.at) < DAY and run.calls]
    return Share(
        max(1, total * percent // 100),
        total,
        sum(run.calls for run in recent),
        min((run.at for run in recent), default=now) + DAY,
    )


def is_scarce(remaining: int, limit: int) -> bool:
    """Return True if so few calls are left today that they are left to others."""
    return remaining * _LEFT_TO_OTHERS < limit
