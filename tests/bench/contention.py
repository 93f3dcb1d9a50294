"""Web writes while devices sync: whether anybody is refused, how long they wait, and who holds the lock."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from harmony.clock import now
from tests.bench import dashboard, web_writes
from tests.bench.process import ROOT, Measured
from tests.bench.results import Result, percentile
from tests.bench.simulated import Simulated

MOST_P99_MS = 40.0
MOST_LONGEST_COMMITS = 2.0
MOST_COMMIT_MS = 60.0
KINDS = ("first", "last_seen")

Write = tuple[float, float, str]
Found = dict[str, list[tuple[Measured, list[Write]]]]


def measure(uem: Simulated, folder: Path, repeats: int) -> list[Result]:
    """Every line of the contention's table: of both kinds of sync, the one that is worse."""
    uem.gather()
    template = dashboard.make(folder / "contention", uem)
    found: Found = defaultdict(list)
    for number in range(repeats):
        place = dashboard.copy(template, folder / "contention-round")
        found["first"].append(_beside_writes(place))
        uem.do("devices/touch", at=(now() + timedelta(hours=1, minutes=number)).isoformat())
        found["last_seen"].append(_beside_writes(place))
    kinds = {kind: _summary(found[kind]) for kind in KINDS}
    return [
        _worst("contention.errors", "errors", 0, kinds),
        _worst("contention.p99_ms", "p99_ms", MOST_P99_MS, kinds),
        _worst("contention.worst_by_commit", "worst_by_commit", MOST_LONGEST_COMMITS, kinds),
        _worst("contention.longest_commit_ms", "longest_commit_ms", MOST_COMMIT_MS, kinds),
    ]


def _beside_writes(place: Path) -> tuple[Measured, list[Write]]:
    """One sync, and the writes that were due while it ran; both processes read the same clock."""
    with _writing(place) as writes:
        synced = dashboard.sync(place)
        began, ended = synced.said["began"], synced.said["ended"]
        return synced, [one for one in writes() if began <= one[0] <= ended]


@contextmanager
def _writing(place: Path) -> Iterator[Callable[[], list[Write]]]:
    """A process that writes; calling what this gives ends it and returns its writes."""
    command = [sys.executable, "-m", web_writes.__name__, str(place)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            if process.stdout is None or process.stdout.readline() != "ready\n":
                raise RuntimeError("the web writes did not start")
            yield lambda: json.loads(process.communicate()[0])
        finally:
            process.kill()


def _summary(rounds: list[tuple[Measured, list[Write]]]) -> dict[str, Any]:
    """All rounds of one kind as one."""
    waited = [ms for _, writes in rounds for _, ms, _ in writes]
    longest = max(synced.said["longest_commit_ms"] for synced, _ in rounds)
    return {
        "errors": sum(1 for _, writes in rounds for *_, error in writes if error),
        "p50_ms": round(percentile(waited, 50), 2),
        "p99_ms": round(percentile(waited, 99), 2),
        "worst_ms": round(max(waited), 2),
        "longest_commit_ms": longest,
        "median_commit_ms": [synced.said["median_commit_ms"] for synced, _ in rounds],
        "worst_by_commit": round(max(waited) / longest, 3),
        "writes": len(waited),
        "sync_seconds": [synced.seconds for synced, _ in rounds],
    }


def _worst(name: str, key: str, bound: float, kinds: dict[str, dict[str, Any]]) -> Result:
    return Result(name, max(kind[key] for kind in kinds.values()), bound, detail=dict(kinds))
