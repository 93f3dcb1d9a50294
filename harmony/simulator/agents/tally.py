"""What a fleet of simulated Protect apps went through: calls, refusals, how long the answers took."""

from __future__ import annotations

import threading
from collections import Counter

# Longer answers are counted as this long; nobody waits longer for one.
LONGEST_MS = 60_000
WORTH_SAYING_SECONDS = 2.0


class Tally:
    """Counts for many threads; `errors` has the dashboard's code, or "unreachable", of every failed call."""

    def __init__(self) -> None:
        self.registered = self.checked_in = 0
        self.errors: Counter[str] = Counter()
        self.risks: Counter[str] = Counter()
        self.latest_error = ""
        self.latest_by = 0.0
        self._took: Counter[int] = Counter()
        self._lock = threading.Lock()

    def answered(self, seconds: float, *, registered: bool = False) -> None:
        """One call that went well."""
        with self._lock:
            self._took[min(int(seconds * 1000), LONGEST_MS)] += 1
            if registered:
                self.registered += 1
            else:
                self.checked_in += 1

    def failed(self, code: str, sentence: str) -> None:
        """One call that did not."""
        with self._lock:
            self.errors[code] += 1
            self.latest_error = sentence

    def told(self, risk: str, before: str) -> None:
        """The risk a device was told; "" before it was told any."""
        with self._lock:
            self.risks[risk] += 1
            if before:
                self.risks[before] -= 1

    def late(self, seconds: float) -> None:
        """How long after it was due a turn began."""
        with self._lock:
            self.latest_by = max(self.latest_by, seconds)

    def percentile(self, percent: float) -> int:
        """Milliseconds within which so many percent of the answers came; 0 when there was none."""
        wanted, seen = sum(self._took.values()) * percent / 100, 0
        for milliseconds in sorted(self._took):
            seen += self._took[milliseconds]
            if seen >= wanted:
                return milliseconds
        return 0

    def summary(self, seconds: float) -> list[str]:
        """What a person wants to know after so many seconds, a line each."""
        lines = [f"{_many(self.registered, 'device')} registered."]
        rate = self.checked_in / seconds if seconds else 0.0
        took = f"99 % answered within {self.percentile(99)} ms"
        lines.append(f"{_many(self.checked_in, 'check-in')} in {seconds:.0f} s, {rate:.1f} a second; {took}.")
        levels = ("high", "medium", "low", "none")
        risks = [f"{level} {self.risks[level]}" for level in levels if self.risks[level]]
        lines.append(f"Risk they were told last: {', '.join(risks) or 'none was told'}.")
        if self.latest_by >= WORTH_SAYING_SECONDS:
            lines.append(f"It did not keep up: a turn began {self.latest_by:.0f} s after it was due.")
        if self.errors:
            found = ", ".join(f"{code} {count:,}" for code, count in self.errors.most_common())
            lines.append(f"Failed calls: {found}. The latest: {self.latest_error}")
        return lines


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
