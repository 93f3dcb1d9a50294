"""Whatever administrators do by hand, the UEM ends as it should be and foreign tags are untouched (rung H).

`make soak ARGS=tests/tagging` looks for longer, and for the shortest way. A failure prints its steps.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from harmony.config import Settings
from harmony.tagging import links, plan, read_back
from tests.sampling import sample, soaking
from tests.sync.model.stage import Stage
from tests.tagging.machine import Machine

# Small: their borders are met by a handful of devices.
SMALL = {(links, "DEVICES_PER_WRITE"): 2, (read_back, "ROWS_PER_WRITE"): 2, (plan, "PER_CALL"): 2}


@pytest.fixture
def database() -> str:
    """A file that is copied for each example; that the SQL is portable is shown by the other tests."""
    return "sqlite"


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_the_uem_ends_as_it_should_be_and_nothing_but_ours_is_touched(
    context: Flask, settings_of_the_app: Settings, migrated_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage(settings_of_the_app.data_dir, migrated_file)
    stage.prepare(monkeypatch)
    for (module, name), size in SMALL.items():
        monkeypatch.setattr(module, name, size)
    how = settings(
        max_examples=sample(8, 300),
        stateful_step_count=20,
        phases=[Phase.generate, *([Phase.shrink] if soaking() else [])],
        print_blob=True,
        suppress_health_check=list(HealthCheck),
        deadline=None,
    )
    run_state_machine_as_test(lambda: Machine(stage), settings=how)


@pytest.fixture(name="settings_of_the_app")
def _settings_of_the_app(settings: Settings) -> Settings:
    return settings
