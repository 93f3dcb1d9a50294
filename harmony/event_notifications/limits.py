"""Limit how many events a listener takes and how often a sign-in to it may fail, counted in this process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

from harmony.clock import monotonic

_MOST_KEYS = 10_000


class Pace:
    """`capacity` tries at once for each key, and `per_second` more as time goes by."""

    def __init__(self, capacity: int, per_second: float, seconds: Callable[[], float] = monotonic) -> None:
        self._interval = 1 / per_second
        self._burst = (capacity - 1) * self._interval
        self._seconds = seconds
        self._full_at: dict[str, float] = {}
        self._lock = Lock()

    def wait(self, key: str) -> float:
        """Use one try; return 0 if there was one, else the seconds until there is."""
        with self._lock:
            now = self._seconds()
            full_at = max(self._full_at.get(key, 0.0), now)
            if (wait := full_at - self._burst - now) > 0:
                return wait
            if len(self._full_at) >= _MOST_KEYS:
                self._full_at = {each: at for each, at in self._full_at.items() if at > now}
            self._full_at[key] = full_at + self._interval
            return 0.0


@dataclass(frozen=True, slots=True)
class ListenerLimits:
    """Events by listener, and failed sign-ins by the address that they came from."""

    events: Pace = field(default_factory=lambda: Pace(3000, 100))
    failures: Pace = field(default_factory=lambda: Pace(30, 0.1))
