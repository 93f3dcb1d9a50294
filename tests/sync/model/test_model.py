"""The engine against an oracle, in whatever order things happen (rung H, on a file SQLite).

`make soak ARGS=tests/sync/model` looks for longer. A failure prints its steps.
"""

from __future__ import annotations

from pathlib import Path

import hypothesis
import pytest
from flask import Flask
from hypothesis import HealthCheck, Phase
from hypothesis.stateful import run_state_machine_as_test

from harmony.config import Settings
from tests.sampling import sample
from tests.sync.model.machine import Machine
from tests.sync.model.stage import Stage

STEPS = 30
EXAMPLES = sample(7, 400)  # each takes about a second


@pytest.fixture
def database() -> str:
    """A file that is copied for each example; that the SQL is portable is shown by the other tests."""
    return "sqlite"


@pytest.mark.soak
@pytest.mark.timeout(0)  # shrinking takes its time
def test_the_engine_knows_what_the_oracle_knows(
    context: Flask, settings: Settings, migrated_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage(settings.data_dir, migrated_file)
    stage.prepare(monkeypatch)
    run_state_machine_as_test(lambda: Machine(stage), settings=of_this_profile())


def of_this_profile() -> hypothesis.settings:
    """The profile that is in force, for a machine."""
    profile = hypothesis.settings()
    return hypothesis.settings(
        profile,
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        phases=set(profile.phases) - {Phase.explain},
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )
