"""Limit the rate of requests, counted in this process; of several dashboards each allows its share.

Buckets in the database would cost each check-in a write of their own (docs/decisions/0011).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from threading import Lock

from harmony.device_api.errors import ApiError

MOST_KEYS = 100_000
_ROUNDING = 1e-6


class Buckets:
    """`capacity` tries at once for each key, and `per_second` more as time goes by.

    `allowed` is the share of `capacity` that this process allows.
    Of each key it keeps when its bucket will be full again; a key whose bucket is full needs no memory.
    """

    def __init__(self, capacity: int, per_second: float) -> None:
        self._capacity, self._per_second = capacity, per_second
        self._full_at: dict[str, float] = {}
        self._lock = Lock()
        self.share(1)

    def share(self, processes: int) -> None:
        """Allow the part of one of so many processes, so that all together allow no more than one would."""
        with self._lock:
            self._interval = processes / self._per_second
            self.allowed = max(1, self._capacity // processes)
            self._burst = (self.allowed - 1) * self._interval

    def take(self, key: str, at: float) -> None:
        """Use one try of `key` at that second of a clock that never jumps. Raises ApiError: too many."""
        if wait := self.wait(key, at):
            raise ApiError("too_many", retry_after=math.ceil(wait))

    def wait(self, key: str, at: float) -> float:
        """Use one try of `key`. Return 0 when there was one, else the seconds until there is."""
        with self._lock:
            full_at = max(self._full_at.get(key, 0.0), at)
            if (wait := full_at - self._burst - at) > _ROUNDING:
                return wait
            if len(self._full_at) >= MOST_KEYS and key not in self._full_at:
                self._forget(at)
            self._full_at[key] = full_at + self._interval
            return 0.0

    def left(self, key: str, at: float) -> tuple[int, float]:
        """Return how many tries `key` has left, and in how many seconds it has all of them again."""
        seconds = max(self._full_at.get(key, 0.0) - at, 0.0)
        return max(0, math.floor((self._burst - seconds) / self._interval + _ROUNDING) + 1), seconds

    def _forget(self, at: float) -> None:
        """Drop the full buckets, and the oldest half when that is not enough."""
        kept = {key: full_at for key, full_at in self._full_at.items() if full_at > at}
        surplus = max(0, len(kept) - MOST_KEYS // 2)
        self._full_at = dict(list(kept.items())[surplus:])


@dataclass(frozen=True, slots=True)
class Limits:
    """Requests to register by address, registrations by device, reports by key; wrong secrets by address.

    Nothing is counted against a device but what it did itself: anybody can say its UDID. Many devices share
    one address, so a right token, code or key is heard even where wrong ones have used up the limit: what
    keeps a code from being guessed are its 80 bits, its one day, and the limit of requests of an address.
    """

    addresses: Buckets = field(default_factory=lambda: Buckets(600, 100))
    wrong: Buckets = field(default_factory=lambda: Buckets(60, 0.2))
    registrations: Buckets = field(default_factory=lambda: Buckets(20, 1 / 30))
    check_ins: Buckets = field(default_factory=lambda: Buckets(20, 0.5))

    def share(self, processes: int) -> None:
        """Divide every limit among so many dashboards."""
        for buckets in (self.addresses, self.wrong, self.registrations, self.check_ins):
            buckets.share(max(1, processes))
