"""Which SQLite Huey works with (rung: shell): the safe one, not the standard library's."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from flask import Flask

from harmony import create_app
from harmony.config import Settings
from harmony.db import SAFE_SQLITE, engine, sqlite_module
from harmony.jobs import shared_queue
from harmony.jobs.queue import queue_of
from harmony.ops.doctor import queue_sqlite
from tests.database import INITDB, Server


def test_the_queues_file_is_in_the_hands_of_the_safe_sqlite(context: Flask) -> None:
    assert isinstance(queue_of(context).storage.conn, sqlite_module().Connection)
    used = queue_sqlite()
    assert used.version >= SAFE_SQLITE
    assert (used.module, used.journal) == (sqlite_module().__name__.partition(".")[0], "wal")


def test_where_no_sqlite_is_safe_the_queue_does_without_a_wal(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "SAFE_SQLITE", (99, 0, 0))
    app = create_app(settings)
    with app.app_context():
        assert queue_sqlite().journal == "delete"
        queue_of(app).storage.close()


@pytest.mark.skipif(not INITDB, reason="needs PostgreSQL: apt-get install postgresql")
def test_a_process_at_work_leaves_the_next_message_to_others_for_a_moment(
    server: Server, migrated_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(data_dir=tmp_path, database_url=server.url(migrated_database))
    paused: list[float] = []
    monkeypatch.setattr(shared_queue.time, "sleep", paused.append)
    storage = shared_queue.shared_queue(settings, {"results": False}).storage
    for message in (b"first", b"second"):
        storage.enqueue(message)
    assert (storage.dequeue(), paused) == (b"first", [])
    taken: list[bytes] = []
    other = threading.Thread(target=lambda: (taken.append(storage.dequeue()), storage.close()))
    other.start()
    other.join(30)
    assert (taken, len(paused)) == ([b"second"], 1), "its first thread is at work"
    storage.close()
