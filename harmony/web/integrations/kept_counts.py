"""The numbers of an integration while a sync runs: counted at most every two seconds, however many look."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any, cast

from flask import Flask, current_app

_KEPT_SECONDS = 2.0
_EXTENSION = "harmony.kept_counts"

Numbers = dict[str, Any]


class KeptCounts:
    """The numbers as they were counted for whoever asked last. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: dict[int, tuple[float, Numbers]] = {}

    def of(self, integration_id: int, count: Callable[[int], Numbers], at: float) -> Numbers:
        """Return the numbers, counted by `count` now or at most two seconds ago (monotonic seconds)."""
        # Whoever comes while they are counted waits for that, instead of counting too.
        with self._lock:
            counted = self._kept.get(integration_id)
            if counted is None or not 0 <= at - counted[0] < _KEPT_SECONDS:
                counted = self._kept[integration_id] = (at, count(integration_id))
            return counted[1]


def init_app(app: Flask) -> None:
    """Give the application its kept counts."""
    app.extensions[_EXTENSION] = KeptCounts()


def kept_counts() -> KeptCounts:
    """Return those of the running application."""
    return cast(KeptCounts, current_app.extensions[_EXTENSION])
