"""Never more than so many calls in any sixty seconds, whichever threads make them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

_SPAN = 60.0


class Pace:
    """A sliding window; the UEM itself throttles at 5,000 calls a minute, counted over all integrations."""

    def __init__(self, calls_per_minute: int, now: Callable[[], float]) -> None:
        if calls_per_minute < 1:
            raise ValueError("calls_per_minute is at least 1")
        self._most = calls_per_minute
        self._now = now
        self._booked: deque[float] = deque(maxlen=calls_per_minute)
        self._lock = threading.Lock()

    def book(self) -> float:
        """Reserve the next call; the answer is the number of seconds to wait before making it."""
        with self._lock:
            now = self._now()
            start = now
            if len(self._booked) == self._most:
                start = max(now, self._booked[0] + _SPAN)
            self._booked.append(start)
            return start - now


class Spread:
    """Calls spread evenly over a minute, after a few at once: work that may take its time leaves room.

    Where `Pace` says how many there may be at most, this keeps long work from taking all of them.
    """

    def __init__(self, calls_per_minute: float, at_once: int, now: Callable[[], float]) -> None:
        self._gap = _SPAN / calls_per_minute
        self._at_once = at_once
        self._now = now
        self._free_at = now() - at_once * self._gap

    def book(self) -> float:
        """Reserve the next call; the answer is the number of seconds to wait before making it."""
        now = self._now()
        self._free_at = max(self._free_at, now - self._at_once * self._gap) + self._gap
        return max(0.0, self._free_at - now)
