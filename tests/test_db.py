"""The database room on a file SQLite and on PostgreSQL, with several real processes (rung M)."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import func, select, text
from sqlalchemy.exc import OperationalError

from harmony import create_app
from harmony.config import Settings
from harmony.db import SAFE_SQLITE, db, is_sqlite, sqlite_module, table_of, upsert, write
from harmony.models import KnownGroup, ThrottleBucket, Worker
from tests import preloaded
from tests.builders import NOON, an_integration
from tests.database import on_both
from tests.waiting import wait_for

database = on_both

ROOT = Path(__file__).resolve().parent.parent
SQLITE = {"journal_mode": "wal", "synchronous": 1, "foreign_keys": 1, "busy_timeout": 30_000}
POSTGRESQL = {"lock_timeout": "30s", "transaction_isolation": "read committed"}

INCREMENT = """
import sys
from pathlib import Path
from harmony import create_app
from harmony.config import Settings
from harmony.db import db, write
from harmony.models import ThrottleBucket
app = create_app(Settings(data_dir=Path(sys.argv[1]), database_url=sys.argv[3]))
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
def test_every_connection_has_our_settings() -> None:
    ask, expected = ("SHOW {}", POSTGRESQL) if not is_sqlite() else ("PRAGMA {}", SQLITE)
    assert {name: db.session.scalar(text(ask.format(name))) for name in expected} == expected


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
def test_write_sees_what_another_connection_committed_after_our_read() -> None:
    a_bucket()
    bucket = db.session.get_one(ThrottleBucket, "count")
    assert bucket.tokens == 0
    with db.engine.connect() as other:
        other.execute(text("UPDATE throttle_bucket SET tokens = 41"))
        other.commit()
    with write():
        bucket.tokens += 1
    assert db.session.get_one(ThrottleBucket, "count").tokens == 42


@pytest.mark.processes
def test_four_processes_lose_no_increment(app: Flask, settings: Settings) -> None:
    with app.app_context():
        a_bucket()
    command = ["-c", INCREMENT, str(settings.data_dir), "50", settings.database_url]
    processes = [preloaded.Piped(*command) for _ in range(4)]
    assert [process.wait(60) for process in processes] == [0, 0, 0, 0]
    for process in processes:
        process.end()
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


def test_a_second_writer_waits_until_the_first_is_done(app: Flask) -> None:
    order: list[str] = []

    def second() -> None:
        with app.app_context(), write():
            order.append("second")

    with app.app_context():
        with write() as session:
            session.execute(text("SELECT 1"))
            thread = threading.Thread(target=second)
            thread.start()
            # Nothing tells that it waits; if it did not wait, this is long enough to see it.
            thread.join(0.3)
            order.append("first")
        thread.join(60)
    assert order == ["first", "second"]


@pytest.mark.usefixtures("context")
def test_a_reader_does_not_wait_for_the_writer(app: Flask) -> None:
    with write() as session:
        session.add(ThrottleBucket(key="count", tokens=0, refilled_at=NOON))
        session.flush()
        with db.engine.connect() as reader:
            assert reader.execute(select(func.count()).select_from(ThrottleBucket)).scalar() == 0


@pytest.mark.usefixtures("context")
def test_a_text_longer_than_its_column_and_a_number_of_64_bits_are_stored_whole() -> None:
    id_ = an_integration()
    group = {"integration_id": id_, "kind": "organization", "external_id": "1", "type": ""}
    with write() as session:
        session.add(KnownGroup(**group, name="ß" * 1000, devices=10**12))
    stored = db.session.scalars(select(KnownGroup)).one()
    assert (len(stored.name), stored.devices) == (1000, 10**12)


@pytest.mark.usefixtures("context")
def test_a_nul_character_breaks_neither_a_write_nor_a_search() -> None:
    with write() as session:
        session.add(ThrottleBucket(key="a\x00b", tokens=0, refilled_at=NOON))
    assert db.session.scalar(select(ThrottleBucket.key).where(ThrottleBucket.key == "a\x00b")) is not None


@pytest.mark.usefixtures("context")
def test_an_instant_comes_back_as_it_went_in_whatever_the_zone_of_the_server() -> None:
    moment = datetime(2026, 3, 29, 2, 30, 0, 123456, tzinfo=timezone(timedelta(hours=2)))
    with write() as session:
        session.add(ThrottleBucket(key="count", tokens=0, refilled_at=moment))
    db.session.expire_all()
    assert db.session.get_one(ThrottleBucket, "count").refilled_at == moment
    assert db.session.scalar(text("SELECT CAST(refilled_at AS TEXT) FROM throttle_bucket")) == (
        "2026-03-29 00:30:00.123456"
    )


def test_the_password_of_the_database_is_not_in_the_configuration_as_it_is_printed(tmp_path: Path) -> None:
    url = "postgresql://harmony:canary-password@127.0.0.1:1/harmony"
    app = create_app(Settings(data_dir=tmp_path, database_url=url))
    assert "canary" not in repr(app.config)
    with app.app_context():
        assert "canary" not in repr(db.engine)
        with pytest.raises(OperationalError) as refused:
            db.session.execute(text("SELECT 1"))
        db.engine.dispose()
    assert "canary" not in str(refused.value)


@pytest.mark.usefixtures("context")
def test_integrations_are_written_at_once_on_a_server_and_everything_else_one_after_the_other(
    app: Flask,
) -> None:
    entered = {name: threading.Event() for name in ("other", "same", "whole")}

    def enter(name: str, of: int | None) -> None:
        with app.app_context(), write(of):
            entered[name].set()

    threads = [
        threading.Thread(target=enter, args=one) for one in (("other", 2), ("same", 1), ("whole", None))
    ]
    with write(1):
        threads[0].start()
        assert entered["other"].wait(0 if is_sqlite() else 30) is not is_sqlite()
        for thread in threads[1:]:
            thread.start()
        wait_for(lambda: is_sqlite() or waiting() == 2, "both to wait")
        assert not entered["same"].is_set()
        assert not entered["whole"].is_set()
    for thread in threads:
        thread.join(30)
    assert all(event.is_set() for event in entered.values())


def waiting() -> int:
    """How many sessions of the server wait for an advisory lock, asked over another connection."""
    with db.engine.connect() as connection:
        return int(connection.exec_driver_sql("SELECT count(*) FROM pg_locks WHERE NOT granted").scalar_one())


def test_a_write_that_has_little_time_gives_up_and_the_next_has_as_much_as_ever(app: Flask) -> None:
    is_held, is_over = threading.Event(), threading.Event()

    def hold() -> None:
        with app.app_context(), write():
            is_held.set()
            assert is_over.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    assert is_held.wait(60)
    with app.app_context():
        with pytest.raises(OperationalError), write(within_seconds=0.05):
            pytest.fail("the lock was not free")
        is_over.set()
        with write() as session:
            if not is_sqlite():
                assert session.scalar(text("SHOW lock_timeout")) == POSTGRESQL["lock_timeout"]
    thread.join()
