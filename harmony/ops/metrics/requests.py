"""Counts the requests of this web process, which is the only one: by endpoint and class, and how long."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator

from flask import Flask, Response, current_app, g, request

from harmony.clock import monotonic
from harmony.ops.metrics.exposition import Family, Sample

# Upper ends in seconds; what takes longer is in the last one, which has none.
_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_NAME = "harmony.requests"


class RequestCounts:
    """The answers since the process started. Threads may count at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: Counter[tuple[str, str]] = Counter()
        self._buckets: Counter[tuple[str, float]] = Counter()
        self._seconds: dict[str, float] = {}

    def add(self, endpoint: str, status: int, took: float) -> None:
        """Count one answer."""
        part = "device_api" if endpoint.startswith("protect.") else "pages"
        bound = next((bound for bound in _BOUNDS if took <= bound), float("inf"))
        with self._lock:
            self._answers[endpoint, f"{status // 100}xx"] += 1
            self._buckets[part, bound] += 1
            self._seconds[part] = self._seconds.get(part, 0.0) + took

    def families(self) -> Iterator[Family]:
        """Return what was counted."""
        with self._lock:
            answers, buckets, took = dict(self._answers), dict(self._buckets), dict(self._seconds)
        counted = [
            Sample(count, {"endpoint": endpoint, "class": class_})
            for (endpoint, class_), count in answers.items()
        ]
        yield Family("http_requests_total", "Requests that were answered.", counted, "counter")
        parts = [sample for part in sorted(took) for sample in _histogram(part, buckets, took[part])]
        yield Family("http_request_seconds", "How long answers took.", parts, "histogram")


def _histogram(part: str, buckets: dict[tuple[str, float], int], took: float) -> Iterator[Sample]:
    total = 0
    for bound in (*_BOUNDS, float("inf")):
        total += buckets.get((part, bound), 0)
        end = "+Inf" if bound == float("inf") else repr(bound)
        yield Sample(total, {"part": part, "le": end}, "_bucket")
    yield Sample(took, {"part": part}, "_sum")
    yield Sample(total, {"part": part}, "_count")


def init_app(app: Flask) -> None:
    """Count every request of the application."""
    app.extensions[_NAME] = RequestCounts()
    app.before_request(_begin)
    app.after_request(_end)


def counts_of(app: Flask) -> RequestCounts:
    """Return what was counted for the application."""
    counts: RequestCounts = app.extensions[_NAME]
    return counts


def _begin() -> None:
    g.began_at = monotonic()


def _end(response: Response) -> Response:
    if (began := g.get("began_at")) is not None:
        counts_of(current_app).add(request.endpoint or "none", response.status_code, monotonic() - began)
    return response
