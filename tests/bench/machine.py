"""The machine that measures: its name as a hash, its speed as R, and whether anything else keeps it busy."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from statistics import median

from harmony.db import sqlite_module
from tests.bench import dashboard
from tests.bench.process import child
from tests.bench.simulated import simulated

# Of all cores together: an editor and a clock are less, somebody's tests are more.
MOST_BUSY = 0.1
MOST_SPREAD = 0.25
ROUNDS = 3
_SECONDS_WATCHED = 3.0


@dataclass(frozen=True, slots=True)
class Machine:
    """`name` tells machines apart and says nothing of them; `busy` is what others used of it, from 0 to 1."""

    name: str
    r_seconds: tuple[float, ...]
    busy: float

    @property
    def r(self) -> float:
        """R in seconds, the median."""
        return round(median(self.r_seconds), 2)

    @property
    def doubt(self) -> str:
        """Return why nothing that was measured here tells whether a bound holds; "" when it does."""
        spread = (max(self.r_seconds) - min(self.r_seconds)) / median(self.r_seconds)
        if self.busy > MOST_BUSY:
            return f"others used {self.busy:.0%} of the machine, more than {MOST_BUSY:.0%}"
        if spread > MOST_SPREAD:
            return f"R differed by {spread:.0%} between rounds, more than {MOST_SPREAD:.0%}"
        return ""

    def described(self) -> str:
        """Return a line for above the table."""
        low, high = min(self.r_seconds), max(self.r_seconds)
        versions = f"Python {platform.python_version()}, SQLite {sqlite_module().sqlite_version}"
        return (
            f"Machine {self.name}, {os.cpu_count()} cores, {versions}. "
            f"R = {self.r:.2f} s ({low:.2f} to {high:.2f}), others used {self.busy:.0%}.\n"
        )


def measure(folder: Path, devices: int) -> Machine:
    """Measure R in a simulated world of its own, and watch what others use while nothing of ours runs."""
    busy = watched(_stat(), _SECONDS_WATCHED)
    with simulated(devices) as uem:
        uem.gather()
        said = folder / "yardstick.json"
        said.write_text(json.dumps(uem.said), encoding="utf-8")
        template = dashboard.make(folder / "yardstick", uem)
        place = folder / "yardstick-round"
        seconds = tuple(_round(template, place, said) for _ in range(ROUNDS))
    return Machine(name(_facts()), seconds, max(busy, watched(_stat(), _SECONDS_WATCHED)))


def name(facts: Mapping[str, str]) -> str:
    """Return twelve digits that differ between machines."""
    return sha256(json.dumps(dict(facts), sort_keys=True).encode()).hexdigest()[:12]


def busy_share(before: Sequence[int], after: Sequence[int]) -> float:
    """Return what was used between two readings of the first line of /proc/stat, stolen time included."""
    passed = [late - early for early, late in zip(before, after, strict=True)]
    idle, total = passed[3] + passed[4], sum(passed[:8])
    return round(1 - idle / total, 3) if total else 0.0


def watched(before: Sequence[int], seconds: float) -> float:
    """Return the share of all cores that is used while this process waits."""
    time.sleep(seconds)
    return busy_share(before, _stat())


def _round(template: Path, place: Path, said: Path) -> float:
    dashboard.copy(template, place)
    return child("tests.bench.yardstick", str(place), str(said)).seconds


def _stat() -> list[int]:
    first = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0]
    return [int(ticks) for ticks in first.split()[1:9]]


def _facts() -> dict[str, str]:
    machine_id, model = Path("/etc/machine-id"), Path("/proc/cpuinfo")
    lines = model.read_text(encoding="utf-8").splitlines() if model.exists() else []
    return {
        "id": machine_id.read_text(encoding="utf-8").strip() if machine_id.exists() else platform.node(),
        "model": next((line for line in lines if line.startswith("model name")), platform.machine()),
        "cores": str(os.cpu_count()),
        "memory": str(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 30),
    }
