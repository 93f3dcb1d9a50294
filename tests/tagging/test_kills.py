"""Kills between a change and the UEM: at statements, commits, calls and their answers (rung K).

A few of them while the UEM answers wrongly.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sampling import sample, seed

pytestmark = [pytest.mark.processes, pytest.mark.soak]

ROOT = Path(__file__).resolve().parents[2]
KILLS = sample(20, 400)
SEED = seed(20261126)


@pytest.fixture
def database() -> str:
    """A file of its own, in a process of its own."""
    return "sqlite"


@pytest.mark.timeout(300 + KILLS)
def test_tagging_may_die_anywhere_and_ends_as_if_it_had_not(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    command = [sys.executable, "-m", "tests.tagging.kills", str(folder), str(KILLS), str(SEED)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads(done.stdout)
    assert not report["failures"], "\n\n".join(report["failures"][:3])
    assert sum(report["kills"].values()) == KILLS
    assert set(report["kills"]) == {"statement", "commit", "committed", "asked", "answered"}
    assert sum(report["lies"].values()) - report["lies"][""] >= KILLS // 10
