"""From 10,000 devices to many: whether time grows as the fleet does, and memory hardly at all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from statistics import median

from tests.bench import dashboard
from tests.bench.process import Measured
from tests.bench.results import Result, middle
from tests.bench.simulated import Simulated, simulated

SMALL = 10_000
# Times linear growth. Less than linear is no miss; a start costs the same at every size.
BOUNDS = {"first": 1.7, "unchanged": 1.25}
MOST_EXTRA_MIB = 30.0
# A larger fleet is measured fewer times; a million, once.
AS_OFTEN_UP_TO = 100_000

Samples = dict[str, list[Measured]]


def measure(folder: Path, devices: int, repeats: int) -> list[Result]:
    """Every line of the growth's table. Every group is chosen, and the devices stay in theirs.

    Moving them would double the memory of the simulator, which holds about 3.4 KB for each.
    """
    small_size = min(SMALL, devices // 10)
    with simulated(small_size) as small, simulated(devices) as large:
        samples = _rounds(small, large, folder, repeats)
        held = large.rss_mib()
    times = devices / small_size
    detail = {"devices": devices, "small": small_size, "simulator_MiB": held}
    return [
        *(_time(name, samples, times, detail) for name in BOUNDS),
        *(_memory(name, samples, detail) for name in BOUNDS),
    ]


def _rounds(small: Simulated, large: Simulated, folder: Path, repeats: int) -> Samples:
    """So many of the small one, and of the large one as its size allows; in turns."""
    templates = {
        size: dashboard.make(folder / f"growth-{size}", uem, every_group=True)
        for size, uem in (("small", small), ("large", large))
    }
    found: Samples = defaultdict(list)
    for number in range(repeats):
        is_due = number < max(1, repeats * AS_OFTEN_UP_TO // large.devices)
        for size in ("small", "large") if is_due else ("small",):
            place = dashboard.copy(templates[size], folder / "growth")
            found[f"{size} first"].append(dashboard.sync(place))
            found[f"{size} unchanged"].append(dashboard.sync(place))
    return found


def _time(name: str, found: Samples, times: float, detail: dict[str, float]) -> Result:
    small, large = _seconds(found[f"small {name}"]), _seconds(found[f"large {name}"])
    value = round(median(large) / median(small) / times, 3)
    told = {"unit": "x linear growth", "seconds": large, "small_seconds": small}
    return Result(f"growth.{name}", value, BOUNDS[name], detail=told | detail)


def _memory(name: str, found: Samples, detail: dict[str, float]) -> Result:
    small = [one.rss_mib for one in found[f"small {name}"]]
    large = [one.rss_mib for one in found[f"large {name}"]]
    told = {"unit": "MiB more", "MiB": large, "small_MiB": small}
    extra = middle([median(large) - median(small)])
    return Result(f"growth.memory.{name}", extra, MOST_EXTRA_MIB, detail=told | detail)


def _seconds(found: Iterable[Measured]) -> list[float]:
    return [one.seconds for one in found]
