"""Destinations: a sync beside 1,000 events a second for three of them, and how fast a backlog leaves."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.bench import dashboard, send_records
from tests.bench.process import ROOT
from tests.bench.results import Result, middle
from tests.bench.simulated import Simulated

MOST_OF_A_SYNC_ALONE, LEAST_DRAINED_A_SECOND = 1.15, 5000


def measure(uem: Simulated, folder: Path, repeats: int) -> list[Result]:
    """The lines of the table of destinations; alone and beside take turns on the same machine."""
    uem.gather()
    template = dashboard.make(folder / "destinations", uem)
    alone, beside, drained = [], [], []
    said: dict[str, Any] = {}
    for _ in range(repeats):
        place = dashboard.copy(template, folder / "destinations-round")
        alone.append(dashboard.sync(place).seconds)
        place = dashboard.copy(template, folder / "destinations-round")
        seconds, said = _beside_events(place)
        beside.append(seconds)
        drained.append(3 * send_records.BACKLOG / said["drain_seconds"])
        if {said["recorded"]} != {said["in_file"], *said["taken"]}:
            raise RuntimeError(f"not everything arrived everywhere once: {said}")
    ratio = middle(beside) / middle(alone)
    detail = {"alone": alone, "beside": beside, **said}
    return [
        Result("destinations.sync_beside", round(ratio, 3), MOST_OF_A_SYNC_ALONE, detail=detail),
        Result("destinations.drained_a_second", middle(drained), LEAST_DRAINED_A_SECOND, at_least=True),
    ]


def _beside_events(place: Path) -> tuple[float, dict[str, Any]]:
    command = [sys.executable, "-m", send_records.__name__, str(place)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            if process.stdout is None or process.stdout.readline() != "ready\n":
                raise RuntimeError("the destinations were not there")
            seconds = dashboard.sync(place).seconds
            return seconds, json.loads(process.communicate()[0])
        finally:
            process.kill()
