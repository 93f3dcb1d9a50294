"""What one server allows, shared by every client of this process: calls a minute, and those left today.

The UEM counts for the whole tenant (facts/ws1-api.md §2.3): two jobs that each kept to the pace would
together break it, and one that is told there are no calls left must not learn it anew by calling.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from harmony.uem import retry
from harmony.uem.errors import RateLimited
from harmony.uem.pace import Pace
from harmony.uem.records import Quota

Server = tuple[str, int]

# Somebody may have raised the quota meanwhile: an older word that nothing is left is worth one call.
LOOK_AGAIN = timedelta(minutes=10)


class Allowance:
    """The pace towards one server and what it last said of its daily quota; for many threads at once."""

    def __init__(self, calls_per_minute: int, now: Callable[[], float]) -> None:
        self.pace = Pace(calls_per_minute, now)
        self.quota: Quota | None = None
        self._told_at: datetime | None = None

    def told(self, quota: Quota, at: datetime) -> None:
        """Keep what an answer said."""
        self.quota, self._told_at = quota, at

    def refusal(self, now: datetime) -> RateLimited | None:
        """Why no call may leave now, as far as is known."""
        if self.quota is None or self._told_at is None or now - self._told_at > LOOK_AGAIN:
            return None
        return retry.quota_error(self.quota, now)


_shared: dict[tuple[Server, int, Callable[[], float]], Allowance] = {}
_lock = threading.Lock()


def shared(server: Server, calls_per_minute: int, now: Callable[[], float]) -> Allowance:
    """The one allowance of this process for `server` (host and port), at this pace and on this clock."""
    with _lock:
        key = (server, calls_per_minute, now)
        if key not in _shared:
            _shared[key] = Allowance(calls_per_minute, now)
        return _shared[key]


def forget() -> None:
    """Begin anew with every server, as a process that has just started does."""
    with _lock:
        _shared.clear()
