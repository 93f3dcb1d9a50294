"""The write lock in SQLite: taken when it is free, given up in time (rung F)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from harmony.config import Settings
from harmony.db import db, sqlite_module, write, write_lock

pytestmark = pytest.mark.usefixtures("context")


@pytest.fixture
def holder(settings: Settings) -> Iterator[Any]:
    """Somebody else who has the database's only write lock."""
    other = sqlite_module().connect(settings.database_file, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    yield other
    other.close()


def patience() -> int:
    """Of the connection of this thread, in milliseconds."""
    return int(db.session.execute(text("PRAGMA busy_timeout")).scalar_one())


def test_whoever_waits_in_vain_is_told_and_waits_as_long_the_next_time(holder: Any) -> None:
    db.session.execute(text("PRAGMA busy_timeout=50"))
    with pytest.raises(OperationalError, match="locked"), write():
        pytest.fail("the lock was not free")
    assert patience() == 50
    holder.execute("ROLLBACK")
    with write() as session:
        session.execute(text("SELECT 1"))
    assert patience() == 50


def test_a_turn_is_taken_in_a_gap_however_long_was_waited_before(
    app: Flask, holder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = threading.Semaphore(0)
    plain = write_lock.sleep
    monkeypatch.setattr(write_lock, "sleep", lambda seconds: (looked.release(), plain(seconds)))
    done = threading.Event()

    def wait() -> None:
        with app.app_context(), write():
            done.set()

    thread = threading.Thread(target=wait)
    thread.start()
    for _ in range(200):  # SQLite's own waiting would look seldom by now
        assert looked.acquire(timeout=30)
    assert not done.is_set()
    holder.execute("ROLLBACK")
    assert done.wait(30)
    thread.join(30)


def test_another_error_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_lock, "sleep", lambda _seconds: pytest.fail("it waited"))
    with db.engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1")  # a transaction is open: a second BEGIN is an error of its own
        with pytest.raises(OperationalError, match="within a transaction"):
            write_lock.begin_immediate(connection)
