"""Device sync, app sync and tagging against a UEM that lies, and then tells the truth (rung H, on a file).

A failure prints its steps. `make soak ARGS=tests/lying` looks for longer, and for the shortest way there.
"""

from __future__ import annotations

from pathlib import Path

import hypothesis
import pytest
from flask import Flask
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

from harmony.config import Settings
from tests.lying import judge
from tests.lying.lies import DEVICES, MAKE, Lie
from tests.lying.machine import Machine
from tests.lying.wire import Wire
from tests.sampling import sample, soaking
from tests.sync.model.stage import Stage

STEPS = 8
EXAMPLES = sample(6, 80)  # each takes about a second


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


@pytest.mark.timeout(0)
def test_ids_swapped_with_devices_outside_the_choice_move_no_tag_and_no_device(
    context: Flask, settings: Settings, migrated_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, wire = Stage(settings.data_dir, migrated_file), Wire()
    stage.prepare(monkeypatch)
    wire.prepare(monkeypatch)

    @hypothesis.settings(
        max_examples=4,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
    )
    @hypothesis.example(1, 1, ["Id", "Uuid"])  # both chosen devices are listed under ids of others
    @hypothesis.example(1, 2, ["Id", "Uuid"])  # only devices outside the choice exchange their ids
    @hypothesis.given(st.integers(1, 9), st.sampled_from([1, 2]), st.sampled_from([["Id"], ["Id", "Uuid"]]))
    def swap(seed: int, every: int, fields: list[str]) -> None:
        machine = Machine(stage, wire)
        machine.a_fleet(devices=20, seed=seed, scope="few devices", after=1, tagged=True, switches={})
        machine.protect(0, 3)
        before = judge.stored(machine.id)
        machine.lie([Lie("swapped_field", DEVICES, field, every=every) for field in fields], ["sync", "tags"])
        swapped = judge.misnamed(machine.world, machine.wire.listed) & machine.in_scope()
        ended = f"sync: {'warning' if swapped else 'ok'}, 0 missing, 0 deleted, {len(swapped)} skipped"
        assert machine.said().startswith(ended), machine.said()
        assert judge.stored(machine.id) == before
        machine.nothing_is_lost()
        machine.tags_are_true()
        assert tagged(machine) == machine.in_scope(), "a device outside the choice got a tag"
        machine.teardown()

    swap()


@pytest.mark.timeout(0)
def test_a_tag_that_is_said_to_be_made_under_the_id_of_another_touches_nothing_foreign(
    context: Flask, settings: Settings, migrated_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, wire = Stage(settings.data_dir, migrated_file), Wire()
    stage.prepare(monkeypatch)
    wire.prepare(monkeypatch)

    @hypothesis.settings(
        max_examples=3, derandomize=True, database=None, deadline=None, phases=[Phase.generate]
    )
    @hypothesis.given(st.sampled_from([10001, 10002, 2**63]))
    def make(claimed: int) -> None:
        machine = Machine(stage, wire)
        machine.a_fleet(devices=8, seed=1, scope="everything", after=1, tagged=False, switches={})
        machine.protect(0, 3)
        machine.lie([Lie("other_id", MAKE, value=claimed)], ["tags"])
        machine.nothing_is_lost()
        machine.tell_the_truth()
        machine.tags_are_true()
        machine.teardown()

    make()


@pytest.mark.timeout(0)
def test_after_a_move_no_device_is_tagged_by_the_id_of_another_though_the_new_uem_lies(
    context: Flask, settings: Settings, migrated_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, wire = Stage(settings.data_dir, migrated_file), Wire()
    stage.prepare(monkeypatch)
    wire.prepare(monkeypatch)

    @hypothesis.settings(
        max_examples=3, derandomize=True, database=None, deadline=None, phases=[Phase.generate]
    )
    @hypothesis.given(st.integers(1, 9), st.integers(3, 5), st.sampled_from(["null_field", "drop_field"]))
    def move(seed: int, every: int, kind: str) -> None:
        """Whoever cannot be read has the former id of another one that cannot be read."""
        machine = Machine(stage, wire)
        machine.a_fleet(devices=20, seed=seed, scope="everything", after=1, tagged=True, switches={})
        for number in range(12):
            machine.protect(number, number % 4)
        machine.move(every)
        machine.lie([Lie(kind, DEVICES, "Id", every=every)], ["sync", "tags", "apps"])
        assert machine.said().startswith("sync: warning, 0 missing"), machine.said()
        assert "Not tagged, and no apps read" in machine.said()
        assert set() < tagged(machine) <= judge.rightly_named(machine.world, machine.id)
        machine.tell_the_truth()
        assert tagged(machine) == machine.in_scope()
        machine.teardown()

    move()


def tagged(machine: Machine) -> set[int]:
    """The devices that carry a tag of ours in the UEM."""
    return {ident for tag in machine.world.tags.values() if is_ours(tag.name) for ident in tag.devices}


def is_ours(tag: str) -> bool:
    return tag.startswith("CHKP_")


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
