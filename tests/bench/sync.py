"""The sync against the yardstick R, both in fresh processes, interleaved; memory at a tenth of the size."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import timedelta
from pathlib import Path
from typing import Any

from harmony.clock import now
from tests.bench import dashboard, one_preview
from tests.bench.process import Measured, child
from tests.bench.results import Result, middle
from tests.bench.simulated import FIRST_DEVICE_ID, TOP_ID, Simulated, simulated

# At most so many times R.
BOUNDS = {"first": 0.7, "unchanged": 0.4, "one_percent": 0.45, "last_seen": 0.65}
MOST_OF_AN_UNCHANGED_SYNC = 1.0
MOST_EXTRA_MIB = 30.0
GONE = NEW = 50

Samples = dict[str, list[Measured]]


def measure(uem: Simulated, folder: Path, repeats: int) -> list[Result]:
    """Every line of the sync's table."""
    every_group = _every_group(uem, folder)
    # From here on one group lists everything, in exactly as many pages as R reads.
    uem.gather()
    said = folder / "simulator.json"
    said.write_text(json.dumps(uem.said), encoding="utf-8")
    template = dashboard.make(folder / "template", uem)
    found: Samples = defaultdict(list)
    with simulated(uem.devices // 10) as small:
        small.gather()
        small_template = dashboard.make(folder / "small", small)
        for number in range(repeats):
            _round(uem, template, folder / "round", number, found)
            place = dashboard.copy(small_template, folder / "small-round")
            found["small_first"].append(dashboard.sync(place))
            found["small_unchanged"].append(dashboard.sync(place))
    ratios = [_ratio(name, found) for name in BOUNDS]
    return [*ratios, *_preview(found), *_memory(found), *_compared(every_group, found)]


def _round(uem: Simulated, template: Path, place: Path, number: int, found: Samples) -> None:
    """R and the four kinds of sync, in the order of a fleet's life."""
    dashboard.copy(template, place)
    announcement = str(template.parent / "simulator.json")
    found["R"].append(child("tests.bench.yardstick", str(place), announcement))
    dashboard.copy(template, place)
    found["first"].append(dashboard.sync(place))
    found["unchanged"].append(dashboard.sync(place))
    if one_preview.is_there():
        found["preview"].append(child(one_preview.__name__, str(place)))
    _change_a_little(uem, number)
    found["one_percent"].append(dashboard.sync(place))
    uem.do("devices/touch", at=(now() + timedelta(minutes=number)).isoformat())
    found["last_seen"].append(dashboard.sync(place))


def _change_a_little(uem: Simulated, number: int) -> None:
    """1 % changed, 50 gone, 50 new, spread over all pages and other ones each time."""
    last = FIRST_DEVICE_ID + uem.devices
    changed = list(range(FIRST_DEVICE_ID + 2 * number, last, 100))
    gone = list(range(FIRST_DEVICE_ID + 2 * number + 1, last, max(1, uem.devices // GONE)))[:GONE]
    uem.do("devices/edit", ids=changed, set={"OperatingSystem": f"99.{number}"})
    uem.do("devices/remove", ids=gone)
    uem.do("devices/add", count=NEW, group=TOP_ID)


def _every_group(uem: Simulated, folder: Path) -> list[Measured]:
    """A first and an unchanged sync with every organization group chosen, the devices where they are."""
    place = dashboard.make(folder / "every-group", uem, every_group=True)
    return [dashboard.sync(place), dashboard.sync(place)]


def _ratio(name: str, found: Samples) -> Result:
    pairs = zip(found[name], found["R"], strict=True)
    value = middle([one.seconds / yard.seconds for one, yard in pairs])
    return Result(f"sync.{name}", value, BOUNDS[name], detail=_detail(name, found))


def _detail(name: str, found: Samples) -> dict[str, Any]:
    return {
        "unit": "x R",
        "seconds": [round(one.seconds, 3) for one in found[name]],
        "R_seconds": [round(one.seconds, 3) for one in found["R"]],
        "cpu_seconds": [one.said["cpu_seconds"] for one in found[name]],
        "R_cpu_seconds": [one.said["cpu_seconds"] for one in found["R"]],
        "said": found[name][-1].said,
    }


def _preview(found: Samples) -> list[Result]:
    """No row while the engine has no preview."""
    if not found["preview"]:
        return []
    pairs = zip(found["preview"], found["unchanged"], strict=True)
    value = middle([one.seconds / synced.seconds for one, synced in pairs])
    seconds, said = [one.seconds for one in found["preview"]], found["preview"][-1].said
    detail = {"unit": "x the unchanged re-sync", "seconds": seconds, "said": said}
    return [Result("sync.preview", value, MOST_OF_AN_UNCHANGED_SYNC, detail=detail)]


def _memory(found: Samples) -> list[Result]:
    results = []
    for name in ("first", "unchanged"):
        large = [one.rss_mib for one in found[name]]
        small = [one.rss_mib for one in found[f"small_{name}"]]
        extra = middle([a - b for a, b in zip(large, small, strict=True)])
        detail = {"unit": "MiB more than at a tenth", "MiB": large, "MiB_at_a_tenth": small}
        results.append(Result(f"sync.memory.{name}", extra, MOST_EXTRA_MIB, detail=detail))
    return results


def _compared(every_group: list[Measured], found: Samples) -> list[Result]:
    """For information: the same fleet with all groups chosen; the bound is that of one group."""
    yard = middle([one.seconds for one in found["R"]])
    return [
        Result(
            f"sync.every_group.{name}",
            round(one.seconds / yard, 3),
            BOUNDS[name],
            detail={"unit": "x R", "seconds": [one.seconds], "said": one.said},
        )
        for name, one in zip(("first", "unchanged"), every_group, strict=True)
    ]
