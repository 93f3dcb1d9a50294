"""Device sync, app sync and tagging against a UEM that lies, and then tells the truth (rung H, on a file).

A failure prints its steps. `make soak ARGS=tests/lying` looks for longer, and for the shortest way there.
"""

from __future__ import annotations

from pathlib import Path

import hypothesis
import pytest
from flask import Flask
from hypothesis import HealthCheck, Phase
from hypothesis.stateful import run_state_machine_as_test

from harmony.config import Settings
from tests.lying.machine import Machine
from tests.lying.wire import Wire
from tests.sampling import sample, soaking
from tests.sync.model.stage import Stage

STEPS = 8
EXAMPLES = sample(8, 80)  # each takes about a second


@pytest.fixture
def database() -> str:
    """A file that is copied for each example; that the SQL is portable is shown by the other tests."""
    return "sqlite"


@pytest.mark.soak
@pytest.mark.timeout(0)  # shrinking takes its time
def test_no_lie_costs_a_device_a_tag_or_an_app_and_the_truth_mends_everything(
    context: Flask, settings: Settings, migrated_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, wire = Stage(settings.data_dir, migrated_file), Wire()
    stage.prepare(monkeypatch)
    wire.prepare(monkeypatch)
    run_state_machine_as_test(lambda: Machine(stage, wire), settings=of_this_profile())


def of_this_profile() -> hypothesis.settings:
    """The profile that is in force, for this machine; the small sample is the same in every run."""
    profile = hypothesis.settings()
    return hypothesis.settings(
        profile,
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        phases=set(profile.phases) - {Phase.explain} - (set() if soaking() else {Phase.shrink}),
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
