"""The limits of one server, shared by every client of this process: calls a minute, and calls left today.

The UEM counts for the whole tenant: two jobs that each kept to the limit would together break it, and a job
must not have to call to learn what another was told, that no calls are left.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from datetime import datetime

from harmony.uem.errors import RateLimited
from harmony.uem.http import retry
from harmony.uem.http.server_wait import LOOK_AGAIN, ServerWait, asked_for
from harmony.uem.http.shared_state import SharedState
from harmony.uem.records import Quota

_Server = tuple[str, int]
_SPAN_SECONDS = 60.0


class SlidingWindow:
    """At most so many calls in any sixty seconds, whichever threads make them.

    The UEM itself throttles at 5,000 calls a minute, counted over all integrations.
    """

    def __init__(self, calls_per_minute: int, now: Callable[[], float]) -> None:
        if calls_per_minute < 1:
            raise ValueError("calls_per_minute is at least 1")
        self._most = calls_per_minute
        self._now = now
        self._booked: deque[float] = deque(maxlen=calls_per_minute)
        self._lock = threading.Lock()

    def book(self) -> float:
        """Reserve the next call. Return the seconds to wait before making it."""
        with self._lock:
            now = self._now()
            start = now
            if len(self._booked) == self._most:
                start = max(now, self._booked[0] + _SPAN_SECONDS)
            self._booked.append(start)
            return start - now


class LeakyBucket:
    """Calls spread evenly over a minute, after a few at once: work that may take its time leaves room.

    Where `SlidingWindow` says how many there may be at most, this keeps long work from taking all of them.
    """

    def __init__(self, calls_per_minute: float, at_once: int, now: Callable[[], float]) -> None:
        self._gap = _SPAN_SECONDS / calls_per_minute
        self._at_once = at_once
        self._now = now
        self._free_at = now() - at_once * self._gap

    def book(self) -> float:
        """Reserve the next call. Return the seconds to wait before making it."""
        now = self._now()
        self._free_at = max(self._free_at, now - self._at_once * self._gap) + self._gap
        return max(0.0, self._free_at - now)


class ServerLimits:
    """The calls a minute to one server, its daily quota and the wait it asked for; for many threads."""

    def __init__(self, calls_per_minute: int, now: Callable[[], float]) -> None:
        self.window = SlidingWindow(calls_per_minute, now)
        self.quota: Quota | None = None
        self.wait: ServerWait | None = None
        self._quota_at: datetime | None = None

    def record_quota(self, quota: Quota, at: datetime) -> None:
        """Keep the quota that an answer stated."""
        self.quota, self._quota_at = quota, at

    def refusal(self, now: datetime) -> RateLimited | None:
        """Return the error if no call may leave now, as far as is known."""
        if self.quota is None or self._quota_at is None or now - self._quota_at > LOOK_AGAIN:
            return None
        return retry.quota_error(self.quota, now)


class ServerWaits:
    """The waits that one server asks for, known to every thread and process."""

    def __init__(
        self, origin: str, limits: ServerLimits, shared: SharedState, now: Callable[[], datetime]
    ) -> None:
        self._origin = origin
        self._limits = limits
        self._shared = shared
        self._now = now

    @property
    def until(self) -> datetime | None:
        """The end of the wait that was last asked for."""
        wait = self._limits.wait
        return None if wait is None else wait.until

    def binding(self) -> ServerWait | None:
        """Return the wait during which no call may leave."""
        now = self._now()
        known = (self._limits.wait, self._shared.wait(self._origin))
        lasting = [wait for wait in known if wait is not None and wait.lasts(now)]
        wait = max(lasting, key=lambda wait: wait.until, default=None)
        self._limits.wait = wait
        return wait if wait is not None and wait.binds(now) else None

    def start(self, seconds: float, *, quota: bool) -> None:
        """Let every thread and process keep to the wait that the server has just asked for."""
        wait = asked_for(self._origin, seconds, self._now(), quota=quota)
        self._limits.wait = wait
        self._shared.keep_wait(wait)

    def record_quota(self, quota: Quota) -> None:
        """Wait from the last call of the day on; end that wait when there are calls again."""
        now, known = self._now(), self._limits.wait
        used_up = known is not None and known.quota and known.binds(now)
        refusal = retry.quota_error(quota, now)
        if refusal is not None and refusal.asked is not None and not used_up:
            self.start(refusal.asked, quota=True)
        elif quota.remaining > 0 and known is not None and known.quota:
            self._limits.wait = None
            self._shared.end_wait(self._origin)


_of_servers: dict[tuple[_Server, int, Callable[[], float]], ServerLimits] = {}
_lock = threading.Lock()


def limits_of(server: _Server, calls_per_minute: int, now: Callable[[], float]) -> ServerLimits:
    """Return the limits of this process for `server` (host and port), at this rate and on this clock."""
    with _lock:
        key = (server, calls_per_minute, now)
        if key not in _of_servers:
            _of_servers[key] = ServerLimits(calls_per_minute, now)
        return _of_servers[key]


def reset() -> None:
    """Begin anew with every server, as a process that has just started does."""
    with _lock:
        _of_servers.clear()
