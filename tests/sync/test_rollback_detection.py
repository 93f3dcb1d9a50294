"""The file that tells a restored database from a current one (rung F without faults; processes: M)."""

from __future__ import annotations

import json
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import update

from harmony.clock import now
from harmony.config import Settings
from harmony.db import write
from harmony.models import WebProcess, Worker
from harmony.sync import rollback_detection
from harmony.sync.rollback_detection import HighWaterMark
from tests import preloaded

ROOT = Path(__file__).resolve().parent.parent.parent

NOTES = """
import sys
from pathlib import Path
from harmony import create_app
from harmony.config import Settings
from harmony.sync import rollback_detection
app = create_app(Settings(data_dir=Path(sys.argv[1])))
with app.app_context():
    for fence in range(1, 101):
        rollback_detection.note(int(sys.argv[2]), rollback_detection.HighWaterMark(fence, fence))
"""


@pytest.fixture
def database() -> str:
    """The file is the same beside every database."""
    return "sqlite"


@pytest.fixture
def file(context: Flask, settings: Settings) -> Path:
    return settings.data_dir / "newest.json"


def is_behind(integration_id: int, fence: int, snapshots: int, timeline: int = 0) -> bool:
    known = rollback_detection.remembered()
    return rollback_detection.is_behind(known, integration_id, HighWaterMark(fence, snapshots, timeline))


def test_a_database_as_far_as_the_file_or_farther_is_not_behind(file: Path) -> None:
    rollback_detection.note(1, HighWaterMark(7, 5))
    assert not is_behind(1, fence=7, snapshots=5)
    assert not is_behind(1, fence=9, snapshots=5)


@pytest.mark.parametrize(("fence", "snapshots"), [(6, 5), (7, 4), (1, 0), (8, 4)])
def test_an_older_database_is_behind(file: Path, fence: int, snapshots: int) -> None:
    rollback_detection.note(1, HighWaterMark(7, 5))
    assert is_behind(1, fence, snapshots)


def test_noting_an_older_database_makes_it_the_current_one(file: Path) -> None:
    rollback_detection.note(1, HighWaterMark(7, 5))
    rollback_detection.note(1, HighWaterMark(3, 2))
    assert not is_behind(1, fence=3, snapshots=2)


def test_without_the_file_only_an_integration_without_snapshots_is_not_behind(file: Path) -> None:
    assert not file.exists()
    assert not is_behind(1, fence=0, snapshots=0)
    assert not is_behind(1, fence=2, snapshots=0)
    assert is_behind(1, fence=2, snapshots=1)


def test_a_machine_that_never_ran_an_integration_trusts_a_database_that_others_work_on(file: Path) -> None:
    with write() as session:
        session.add(Worker(identity="elsewhere/x:1:1", started_at=now(), seen_at=now() - timedelta(hours=1)))
    assert is_behind(1, fence=7, snapshots=5)
    with write() as session:
        session.execute(update(Worker).values(seen_at=now()))
    assert not is_behind(1, fence=7, snapshots=5)
    rollback_detection.note(1, HighWaterMark(8, 6))
    assert is_behind(1, fence=7, snapshots=5), "what it remembers counts more"


def test_a_dashboard_that_is_up_already_does_not_make_an_old_database_trusted(file: Path) -> None:
    at = now()
    with write() as session:
        session.add(WebProcess(identity="elsewhere/x:1:1", node="", version="", started_at=at, seen_at=at))
    assert is_behind(1, fence=7, snapshots=5)


def test_an_integration_that_is_not_in_the_file_is_behind_once_it_has_a_snapshot(file: Path) -> None:
    rollback_detection.note(1, HighWaterMark(7, 5))
    assert is_behind(2, fence=3, snapshots=1)
    assert not is_behind(2, fence=3, snapshots=0)


def test_a_new_integration_that_got_a_removed_ones_number_is_not_behind(file: Path) -> None:
    rollback_detection.note(1, HighWaterMark(7, 5))
    assert not is_behind(1, fence=0, snapshots=0)


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"1": 7}', '{"1": ["a", 1]}', '{"1": [1]}', "\x00"])
def test_a_file_that_makes_no_sense_counts_as_behind_until_it_is_written_again(file: Path, text: str) -> None:
    file.write_text(text)
    assert is_behind(1, fence=7, snapshots=5)
    assert is_behind(1, fence=7, snapshots=0)
    rollback_detection.note(1, HighWaterMark(7, 5))
    assert not is_behind(1, fence=7, snapshots=5)


def test_a_file_that_cannot_be_read_counts_as_behind(file: Path) -> None:
    file.mkdir()
    assert is_behind(1, fence=7, snapshots=5)


def test_a_file_that_cannot_be_written_breaks_nothing_and_is_said(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file.mkdir()
    rollback_detection.note(1, HighWaterMark(7, 5))
    assert "newest.json could not be written" in caplog.text
    assert sorted(path.name for path in file.parent.glob("*newest*")) == ["newest.json", "newest.lock"]


def test_the_file_holds_numbers_only_and_is_its_owners_only(file: Path) -> None:
    rollback_detection.note(1, HighWaterMark(7, 5))
    rollback_detection.note(2, HighWaterMark(1, 0))
    assert json.loads(file.read_text()) == {"1": [7, 5], "2": [1, 0]}
    for path in file.parent.glob("newest.*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_four_processes_lose_no_entry(file: Path, settings: Settings) -> None:
    data = str(settings.data_dir)
    processes = [preloaded.Piped("-c", NOTES, data, str(number)) for number in range(1, 5)]
    assert [process.wait(60) for process in processes] == [0, 0, 0, 0]
    for process in processes:
        process.end()
    assert json.loads(file.read_text()) == {str(number): [100, 100] for number in range(1, 5)}
