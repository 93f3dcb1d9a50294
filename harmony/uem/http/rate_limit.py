"""What one server allows, shared by every client of this process: calls a minute, and those left today.

The UEM counts for the whole tenant (facts/ws1-api.md §2.3): two jobs that each kept to the pace would
together break it, and one that is told there are no calls left must not learn it anew by calling.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime

from harmony.uem.errors import RateLimited
from harmony.uem.http import retry
from harmony.uem.http.pace import Pace
from harmony.uem.http.server_wait import LOOK_AGAIN, ServerWait, asked_for
from harmony.uem.http.shared_state import SharedState
from harmony.uem.records import Quota

Server = tuple[str, int]


class Allowance:
    """The pace towards one server, its daily quota and the wait it asked for; for many threads at once."""

    def __init__(self, calls_per_minute: int, now: Callable[[], float]) -> None:
        self.pace = Pace(calls_per_minute, now)
        self.quota: Quota | None = None
        self.wait: ServerWait | None = None
        self._told_at: datetime | None = None

    def told(self, quota: Quota, at: datetime) -> None:
        """Keep what an answer said."""
        self.quota, self._told_at = quota, at

    def refusal(self, now: datetime) -> RateLimited | None:
        """Why no call may leave now, as far as is known."""
        if self.quota is None or self._told_at is None or now - self._told_at > LOOK_AGAIN:
            return None
        return retry.quota_error(self.quota, now)


class Waits:
    """The waits that one server asks for, known to every thread and process."""

    def __init__(
        self, origin: str, allowance: Allowance, shared: SharedState, now: Callable[[], datetime]
    ) -> None:
        self._origin = origin
        self._allowance = allowance
        self._shared = shared
        self._now = now

    @property
    def until(self) -> datetime | None:
        """When the wait that was last asked for ends."""
        wait = self._allowance.wait
        return None if wait is None else wait.until

    def binding(self) -> ServerWait | None:
        """Return the wait during which no call may leave."""
        now = self._now()
        known = (self._allowance.wait, self._shared.wait(self._origin))
        lasting = [wait for wait in known if wait is not None and wait.lasts(now)]
        wait = max(lasting, key=lambda wait: wait.until, default=None)
        self._allowance.wait = wait
        return wait if wait is not None and wait.binds(now) else None

    def keep(self, seconds: float, *, quota: bool) -> None:
        """Let every thread and process keep to what the server has just asked for."""
        wait = asked_for(self._origin, seconds, self._now(), quota=quota)
        self._allowance.wait = wait
        self._shared.keep_wait(wait)

    def note(self, quota: Quota) -> None:
        """Wait from the last call of the day on; end that wait when there are calls again."""
        now, known = self._now(), self._allowance.wait
        used_up = known is not None and known.quota and known.binds(now)
        refusal = retry.quota_error(quota, now)
        if refusal is not None and refusal.asked is not None and not used_up:
            self.keep(refusal.asked, quota=True)
        elif quota.remaining > 0 and known is not None and known.quota:
            self._allowance.wait = None
            self._shared.end_wait(self._origin)


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
