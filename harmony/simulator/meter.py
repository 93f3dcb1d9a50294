"""Counts the calls: the daily quota its headers tell of (facts 2.3), and what was called how often."""

from __future__ import annotations

import threading
from collections import Counter, deque
from dataclasses import dataclass
from datetime import timedelta

from harmony import clock

_WINDOW = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Standing:
    """The three numbers of the rate limit headers, after one more call."""

    limit: int
    remaining: int
    reset: int
    exhausted: bool

    def headers(self) -> dict[str, str]:
        """As facts 1.3 lists them; the reset is in epoch seconds."""
        return {
            "x-ratelimit-limit": str(self.limit),
            "x-ratelimit-remaining": str(self.remaining),
            "x-ratelimit-reset": str(self.reset),
        }


class Meter:
    """A fixed window of 24 hours, shared by all callers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._used = 0
        self._reset = int((clock.now() + _WINDOW).timestamp())
        self.calls: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()
        self.traps = 0
        self.recent: deque[str] = deque(maxlen=200)

    def count(self, limit: int) -> Standing:
        """One more call."""
        with self._lock:
            now = int(clock.now().timestamp())
            if now >= self._reset:
                self._used, self._reset = 0, now + int(_WINDOW.total_seconds())
            exhausted = self._used >= limit
            self._used = min(limit, self._used + 1)
            return Standing(limit, limit - self._used, self._reset, exhausted)

    def leave(self, limit: int, remaining: int, reset_in: int | None) -> None:
        """Set what is left of the quota and, if given, in how many seconds it is whole again."""
        with self._lock:
            self._used = max(0, limit - remaining)
            if reset_in is not None:
                self._reset = int(clock.now().timestamp()) + reset_in

    def note(self, name: str, line: str, status: int) -> None:
        """Remember what was called and how it ended."""
        with self._lock:
            self.calls[name] += 1
            self.statuses[str(status)] += 1
            self.recent.append(f"{line} -> {status}")

    def trap(self) -> None:
        """Somebody called what deletes devices."""
        with self._lock:
            self.traps += 1

    def forget(self) -> None:
        """Counters back to nothing; the quota stays."""
        with self._lock:
            self.calls.clear()
            self.statuses.clear()
            self.recent.clear()
            self.traps = 0
