"""The engine against an oracle, in whatever order things happen (rung H, on a file SQLite).

`pytest --hypothesis-profile=deep` looks for longer. A failure prints its steps and a blob to repeat it with.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from harmony.config import Settings
from tests.sync.model.machine import Machine
from tests.sync.model.stage import Stage


@pytest.fixture
def database() -> str:
    """A file that is copied for each example; that the SQL is portable is shown by the other tests."""
    return "sqlite"


@pytest.mark.timeout(0)
def test_the_engine_knows_what_the_oracle_knows(
    context: Flask, settings: Settings, migrated_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage(settings.data_dir, migrated_file)
    stage.prepare(monkeypatch)
    run_state_machine_as_test(lambda: Machine(stage), settings=how())


def how() -> settings:
    import os

    n = os.environ.get("EXAMPLES")
    return settings(
        max_examples=int(n or 100),
        phases=[Phase.reuse, Phase.generate, *([Phase.shrink] if os.environ.get("SHRINK") else [])],
        stateful_step_count=30,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
        deadline=None,
    )
