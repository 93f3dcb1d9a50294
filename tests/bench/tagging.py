"""Tagging: what the plan of a fleet costs, how many calls it makes, its first push against latency."""

from __future__ import annotations

import argparse
from pathlib import Path

from harmony.config import Settings
from harmony.tagging.plan import PER_CALL
from tests.bench import dashboard
from tests.bench.process import Measured, child
from tests.bench.results import Result, middle
from tests.bench.simulated import Simulated, simulated

CALL_MS = 100
# A fresh simulated UEM for each round, because tags that are there are no first-time tagging.
MOST_ROUNDS = 3
PLAN_SECONDS, MOST_OF_THE_FLOOR, LONGEST_COMMIT_MS = 1.0, 1.3, 100.0


def measure(folder: Path, asked: argparse.Namespace) -> list[Result]:
    """Every line of the table of tagging."""
    plans, pushes, again = [], [], []
    for number in range(min(asked.repeats, MOST_ROUNDS)):
        with simulated(asked.devices) as uem:
            plan, first, second = _round(uem, folder / f"tagging-{number}")
        plans.append(plan)
        pushes.append(first)
        again.append(second)
    return _results(asked.devices, plans, pushes, again)


def _round(uem: Simulated, place: Path) -> tuple[Measured, Measured, Measured]:
    """The plan of a fleet of which nothing is tagged, its first push, and a run with nothing to do."""
    uem.gather()
    dashboard.make(place, uem)
    dashboard.sync(place)
    planned = dashboard.copy(place, place.with_name("planned"))
    plan = child("tests.bench.one_plan", str(planned))
    uem.do("latency", ms=CALL_MS)
    first, second = (child("tests.bench.one_tagging", str(place)) for _ in range(2))
    for run in (first, second):
        if run.said["state"] != "ok" or run.said["counts"]["waiting"]:
            raise RuntimeError(f"the measured tagging ended {run.said}")
    if first.said["counts"]["added"] != uem.devices:
        raise RuntimeError(f"not every device was tagged: {first.said}")
    return plan, first, second


def _results(
    devices: int, plans: list[Measured], pushes: list[Measured], again: list[Measured]
) -> list[Result]:
    """A device gets one tag here, so that there are as many calls as full lists of devices."""
    lanes, pushed = Settings.__dataclass_fields__["fetchers"].default, -(-devices // PER_CALL)
    floor = pushed / lanes * CALL_MS / 1000
    detail = {
        "unit": "x (calls / lanes x latency)",
        "lanes": lanes,
        "call_ms": CALL_MS,
        "floor_seconds": floor,
    }
    longest = max(run.said["longest_commit_ms"] for run in (*plans, *pushes))
    return [
        Result(
            "tagging.plan_seconds", middle([one.seconds for one in plans]), PLAN_SECONDS, detail=_said(plans)
        ),
        Result("tagging.calls_planned", middle([one.said["calls"] for one in plans]), pushed),
        Result("tagging.first", middle([one.seconds / floor for one in pushes]), MOST_OF_THE_FLOOR,
               detail=detail | _said(pushes)),
        Result("tagging.calls_of_nothing", middle([one.said["calls"] for one in again]), 0),
        Result("tagging.nothing_seconds", middle([one.seconds for one in again]), detail=_said(again)),
        Result("tagging.longest_commit_ms", longest, LONGEST_COMMIT_MS),
    ]  # fmt: skip


def _said(runs: list[Measured]) -> dict[str, object]:
    return {
        "seconds": [run.seconds for run in runs],
        "MiB": [run.rss_mib for run in runs],
        "said": runs[-1].said,
    }
