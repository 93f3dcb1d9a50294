"""Kills between a change and the UEM: at statements, commits, calls and their answers (rung K).

A few of them while the UEM answers wrongly.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.preloaded import Piped
from tests.sampling import sample, seed

pytestmark = [pytest.mark.processes, pytest.mark.soak]

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
    loop = Piped("-m", "tests.tagging.kills", str(folder), str(KILLS), str(SEED))
    output = loop.rest()
    assert loop.poll() == 0
    report = json.loads(output)
    assert not report["failures"], "\n\n".join(report["failures"][:3])
    assert sum(report["kills"].values()) == KILLS
    assert set(report["kills"]) == {"statement", "commit", "committed", "asked", "answered"}
    assert sum(report["lies"].values()) - report["lies"][""] >= KILLS // 10
