"""Kills by the thousand (rung K): at every statement, commit, page, step and byte of a sync, and at random.

Ten days of one integration (`story.py`) are lived on a real file, with every kill followed by a recovery that
must end in exactly what an unbroken life ends in. `make test` kills at a sample that has every kind of point;
`make soak` kills at all of them, and at other random times.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.preloaded import Piped
from tests.sampling import sample, seed
from tests.summary_lines import summary_lines

pytestmark = [pytest.mark.processes, pytest.mark.soak]

KILLS = sample(60, 5000)
SEED = seed(20261124)
PROCESSES = sample(1, 2)


@pytest.mark.timeout(120 + KILLS)
def test_a_sync_may_die_anywhere_and_ends_as_if_it_had_not(
    tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    loops = [start(tmp_path / str(part), part) for part in range(PROCESSES)]
    reports = [report_of(loop) for loop in loops]
    done: Counter[str] = Counter()
    for report in reports:
        done.update(report["done"])
    lost = sum(report["lost"] for report in reports)
    seconds = max(report["seconds"] for report in reports)
    points = sum(report["points"] for report in reports)
    summary_lines(pytestconfig).append(
        f"Sudden death: {done['kills']:,} kills at {done['points']:,} of {points:,} points and "
        f"{done['kills at random']:,} random times, {done['recoveries']:,} recoveries, "
        f"{lost} lost commits, {seconds:.0f} s"
    )
    failures = [failure for report in reports for failure in report["failures"]]
    assert not failures, "\n\n".join([f"{len(failures)} of {done['recoveries']}", *failures[:5]])
    assert lost == 0
    assert done["kills"] >= KILLS


def start(folder: Path, part: int) -> Piped:
    """One loop with its share of the points, on data of its own."""
    folder.mkdir(mode=0o700)
    share = [-(-KILLS // PROCESSES), SEED, part, PROCESSES]
    return Piped("-m", "tests.durability.loop", str(folder), *map(str, share))


def report_of(loop: Piped) -> dict[str, Any]:
    """Return what it found; it ends by itself, and its errors are on ours."""
    output = loop.rest()
    assert loop.poll() == 0
    report: dict[str, Any] = json.loads(output)
    return report
