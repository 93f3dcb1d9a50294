"""The database room on a file SQLite, with several real processes (rung M)."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select, text

from harmony.config import Settings
from harmony.db import SAFE_SQLITE, db, sqlite_module, table_of, upsert, write
from harmony.models import ThrottleBucket, Worker
from tests.builders import NOON

ROOT = Path(__file__).resolve().parent.parent

INCREMENT = """
import sys
from pathlib import Path
from harmony import create_app
from harmony.config import Settings
from harmony.db import db, write
from harmony.models import ThrottleBucket
app = create_app(Settings(data_dir=Path(sys.argv[1])))
with app.app_context():
    for _ in range(int(sys.argv[2])):
        with write() as session:
            session.get_one(ThrottleBucket, "count").tokens += 1
"""


def a_bucket() -> None:
    with write() as session:
        session.add(ThrottleBucket(key="count", tokens=0, refilled_at=NOON))


def test_it_uses_a_sqlite_that_two_processes_may_share() -> None:
    assert sqlite_module().sqlite_version_info >= SAFE_SQLITE


@pytest.mark.usefixtures("context")
def test_every_connection_has_our_pragmas() -> None:
    values = {
        name: db.session.scalar(text(f"PRAGMA {name}"))
        for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
    }
    assert values == {"journal_mode": "wal", "synchronous": 1, "foreign_keys": 1, "busy_timeout": 30_000}


@pytest.mark.usefixtures("context")
def test_a_failing_write_leaves_nothing() -> None:

    def fail_half_way() -> None:
        with write() as session:
            session.add(ThrottleBucket(key="count", tokens=0, refilled_at=NOON))
            session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    assert db.session.scalar(select(ThrottleBucket)) is None


@pytest.mark.usefixtures("context")
def test_write_refuses_to_be_nested_and_to_swallow_changes_made_outside() -> None:
    with pytest.raises(RuntimeError), write(), write():
        pytest.fail("it was nested")
    db.session.add(ThrottleBucket(key="outside", tokens=0, refilled_at=NOON))
    with pytest.raises(RuntimeError), write():
        pytest.fail("the change was swallowed")
    db.session.rollback()
    a_bucket()
    assert db.session.get(ThrottleBucket, "count") is not None


@pytest.mark.usefixtures("context")
def test_write_sees_what_another_connection_committed_after_our_read(settings: Settings) -> None:
    a_bucket()
    bucket = db.session.get_one(ThrottleBucket, "count")
    assert bucket.tokens == 0
    other = sqlite_module().connect(settings.database_file, isolation_level=None)
    other.execute("UPDATE throttle_bucket SET tokens = 41")
    other.close()
    with write():
        bucket.tokens += 1
    assert db.session.get_one(ThrottleBucket, "count").tokens == 42


def test_four_processes_lose_no_increment(app: Flask, settings: Settings) -> None:
    with app.app_context():
        a_bucket()
    command = [sys.executable, "-c", INCREMENT, str(settings.data_dir), "50"]
    processes = [subprocess.Popen(command, cwd=ROOT) for _ in range(4)]
    assert [process.wait(60) for process in processes] == [0, 0, 0, 0]
    with app.app_context():
        assert db.session.get_one(ThrottleBucket, "count").tokens == 200


@pytest.mark.usefixtures("context")
def test_upsert_inserts_and_updates_only_the_named_columns() -> None:
    later = datetime(2026, 1, 15, 13, 0, tzinfo=UTC)
    for moment in (NOON, later):
        with write():
            row = {"identity": "a", "started_at": moment, "seen_at": moment}
            upsert(table_of(Worker), [row], ["identity"], ["seen_at"])
    worker = db.session.get_one(Worker, "a")
    assert (worker.started_at, worker.seen_at) == (NOON, later)


@pytest.mark.usefixtures("context")
def test_a_time_without_a_zone_is_refused() -> None:
    naive = NOON.replace(tzinfo=None)
    with pytest.raises(Exception, match="without its zone"), write() as session:
        session.add(Worker(identity="a", started_at=naive, seen_at=NOON))
