"""Commits of other processes, noticed by the file of the WAL. Rung: a file, and a clock set by hand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine

from harmony import clock
from harmony.relay import changes
from harmony.relay.changes import CALM_SECONDS, QUICK_SECONDS, Changes

TICK_NS = 1_700_000_000_000_000_000


class Machine:
    """A WAL whose time moves by ticks, and a clock that only moves while somebody sleeps."""

    def __init__(self, folder: Path) -> None:
        self.at, self.wal = 0.0, folder / "harmony.db-wal"
        self.engine: Engine = create_engine(f"sqlite:///{folder / 'harmony.db'}")
        self.commit(TICK_NS)

    def sleep(self, seconds: float) -> None:
        self.at += seconds

    def commit(self, time_ns: int) -> None:
        """Write a frame over an old one, as SQLite does in a WAL that began anew: its size stays."""
        self.wal.write_bytes(b"frame")
        os.utime(self.wal, ns=(time_ns, time_ns))

    def wait(self, found: Changes, seconds: float = 20.0, *, quick: bool = True) -> float:
        """Return how long this took."""
        began = self.at
        found.wait(seconds, quick=quick)
        return self.at - began


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    found = Machine(tmp_path)
    monkeypatch.setattr(clock, "monotonic", lambda: found.at)
    monkeypatch.setattr(changes.time, "sleep", found.sleep)
    return found


def settled(machine: Machine) -> Changes:
    """One that has nothing left to look at."""
    found = Changes(machine.engine)
    machine.wait(found)
    return found


@pytest.mark.parametrize("quick", [True, False])
def test_a_commit_is_noticed_at_the_next_look(machine: Machine, quick: bool) -> None:
    found = settled(machine)
    machine.commit(TICK_NS + 4_000_000)
    assert machine.wait(found, quick=quick) == 0


@pytest.mark.parametrize(("quick", "within"), [(True, 0.01 + QUICK_SECONDS), (False, CALM_SECONDS)])
def test_a_commit_within_the_tick_of_the_one_before_is_not_missed(
    machine: Machine, quick: bool, within: float
) -> None:
    found = settled(machine)
    machine.commit(TICK_NS + 4_000_000)
    machine.wait(found, quick=quick)
    machine.commit(TICK_NS + 4_000_000)  # after the database was asked
    assert machine.wait(found, quick=quick) <= within + 1e-6


def test_a_commit_within_the_tick_of_the_first_look_is_not_missed(machine: Machine) -> None:
    found = Changes(machine.engine)
    machine.commit(TICK_NS)
    assert machine.wait(found) <= 0.01 + QUICK_SECONDS + 1e-6


def test_without_a_commit_the_database_is_asked_twice_a_second_at_most(machine: Machine) -> None:
    found = settled(machine)
    assert machine.wait(found) >= 0.5
    assert machine.wait(found, quick=False) >= 2
    assert 0.3 <= machine.wait(found, 0.3) < 0.31


def test_a_wal_that_is_not_there_is_no_error_and_its_first_commit_is_noticed(machine: Machine) -> None:
    machine.wal.unlink()
    found = settled(machine)
    assert machine.wait(found) >= 0.5
    machine.commit(TICK_NS)
    assert machine.wait(found) == 0
