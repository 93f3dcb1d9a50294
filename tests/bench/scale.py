"""A large fleet on each database: time and memory of its syncs beside a tenth of it, and its pages."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from tests.bench import dashboard
from tests.bench.process import Measured, child
from tests.bench.results import Result, percentile
from tests.bench.simulated import Simulated, simulated
from tests.database import INITDB, Server, running_server

# A tenth of the devices takes a tenth of the time, nearly.
BOUNDS = {"first": 12.0, "unchanged": 11.0}
MOST_EXTRA_MIB, MOST_LIST_MS = 30.0, 50.0
SMALL_ROUNDS, PAGE_ROUNDS = 2, 20
SYNCS = ("first", "unchanged")

Samples = dict[str, list[Measured]]


def measure(folder: Path, asked: argparse.Namespace) -> list[Result]:
    """Every line of the table of a large fleet; each database by itself, the large one once."""
    with simulated(asked.scale // 10) as small, simulated(asked.scale) as large:
        results = [*_on("sqlite", folder, small, large, None)]
        if not INITDB:
            sys.stderr.write("There is no PostgreSQL here, so that it was not measured.\n")
            return results
        with running_server() as server:
            return results + _on("postgresql", folder, small, large, server)


def _on(name: str, folder: Path, small: Simulated, large: Simulated, server: Server | None) -> list[Result]:
    found: Samples = defaultdict(list)
    for number in range(SMALL_ROUNDS):
        with _made(folder / f"small-{number}", small, server) as place:
            for kind in SYNCS:
                found[f"small {kind}"].append(_synced(place, f"{name}, small, {kind}"))
    with _made(folder / "large", large, server) as place:
        for kind in SYNCS:
            found[f"large {kind}"].append(_synced(place, f"{name}, large, {kind}"))
        pages = child("tests.bench.one_lists", str(place), str(PAGE_ROUNDS))
    sizes = {"devices": large.devices, "small": small.devices}
    ratios = [_ratio(name, kind, found, sizes) for kind in SYNCS]
    memory = [_memory(name, kind, found, sizes) for kind in SYNCS]
    return [*ratios, *memory, *_pages(name, pages.said["pages"])]


def _synced(place: Path, what: str) -> Measured:
    """Sync, and say so: half an hour without a word is long."""
    found = dashboard.sync(place)
    sys.stderr.write(f"{what}: {found.seconds:.1f} s, {found.rss_mib:.0f} MiB\n")
    return found


@contextmanager
def _made(place: Path, uem: Simulated, server: Server | None) -> Iterator[Path]:
    """A dashboard on a new database, which is gone afterwards."""
    if server is None:
        yield dashboard.make(place, uem, every_group=True)
    else:
        with server.database() as url:
            yield dashboard.make(place, uem, database_url=url, every_group=True)
    shutil.rmtree(place)


def _ratio(name: str, kind: str, found: Samples, sizes: dict[str, int]) -> Result:
    small, large = ([one.seconds for one in found[f"{size} {kind}"]] for size in ("small", "large"))
    detail = {"unit": "x the small fleet", "seconds": large, "small_seconds": small} | sizes
    times = round(median(large) / median(small), 2)
    return Result(f"scale.{name}.{kind}", times, BOUNDS[kind], detail=detail)


def _memory(name: str, kind: str, found: Samples, sizes: dict[str, int]) -> Result:
    small, large = ([one.rss_mib for one in found[f"{size} {kind}"]] for size in ("small", "large"))
    detail = {"unit": "MiB more", "MiB": large, "small_MiB": small} | sizes
    extra = round(median(large) - median(small), 1)
    return Result(f"scale.{name}.memory.{kind}", extra, MOST_EXTRA_MIB, detail=detail)


def _pages(name: str, pages: dict[str, list[float]]) -> list[Result]:
    """The slowest list of all with its name, searches and the overview; lists alone have a bound."""
    groups: dict[str, dict[str, float]] = defaultdict(dict)
    for page, took in pages.items():
        groups[page.partition(".")[0]][page] = percentile(took, 99)
    rows = (("devices", MOST_LIST_MS), ("search", None), ("overview", None), ("partial", None))
    return [
        Result(f"scale.{name}.{group}_p99_ms", round(max(took.values()), 1), bound, detail=took)
        for group, bound in rows
        if (took := groups[group])
    ]
