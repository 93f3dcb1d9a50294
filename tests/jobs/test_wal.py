"""The worker's beat and SQLite's WAL (rung: shell on a file)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event, Thread, current_thread
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from harmony.clock import monotonic, now
from harmony.db import BUSY_TIMEOUT_MS, LARGEST_WAL_BYTES, bulk, db, sqlite_module, write
from harmony.db.engine import _AUTOMATIC_CHECKPOINT_PAGES
from harmony.db.wal_mover import (
    LONGEST_WAL_PAGES,
    PAGES_PER_FURTHER_MOVE,
    PAGES_PER_MOVE,
    WalMover,
)
from harmony.models import Worker
from harmony.worker.process import _live
from tests.waiting import wait_for


class OneBeat(Event):
    """Lets the worker's watch beat once."""

    def wait(self, timeout: float | None = None) -> bool:
        beaten = self.is_set()
        self.set()
        return beaten


def test_with_each_sign_of_life_the_worker_moves_what_was_written_into_the_file(app: Flask) -> None:
    said = "said by a device, written by the dashboard"
    with app.app_context():
        with write() as session:
            session.add(Worker(identity=said, started_at=now(), seen_at=now()))
        db.session.remove()
        file = Path(str(db.engine.url.database))
        assert said.encode() not in file.read_bytes()
        _live(app, OneBeat())
        assert said.encode() in file.read_bytes()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> int:
    """A WAL of more than 64 KiB counts as large."""
    monkeypatch.setattr(bulk, "LARGEST_WAL_BYTES", 64 * 1024)
    monkeypatch.setattr(bulk._truncation, "not_before", 0.0)
    return 64 * 1024


def write_pages(count: int) -> None:
    """Rewrite about as many pages of 4 KiB."""
    for _ in range(count):
        with write() as session:
            session.execute(text("DELETE FROM worker"))
            session.add(Worker(identity="x" * 3000, started_at=now(), seen_at=now()))


def wal() -> int:
    return os.stat(f"{db.engine.url.database}-wal").st_size


@contextmanager
def reading() -> Iterator[Any]:
    """Somebody who reads the present state until told to end."""
    with closing(sqlite_module().connect(str(db.engine.url.database), isolation_level=None)) as other:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM worker").fetchone()
        yield other


def read_on(file: str, stop: Event) -> None:
    """Read in one short transaction after the other, as open pages do."""
    with closing(sqlite_module().connect(file, isolation_level=None, timeout=30)) as other:
        while not stop.is_set():
            other.execute("SELECT count(*) FROM worker").fetchone()


@pytest.mark.usefixtures("context")
def test_a_large_wal_is_emptied_though_there_is_always_somebody_who_reads(
    small: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "TRUNCATE_PAUSE_SECONDS", 0.0)
    write_pages(40)
    assert wal() > small
    stop, file = Event(), str(db.engine.url.database)
    readers = [Thread(target=read_on, args=(file, stop)) for _ in range(3)]
    for reader in readers:
        reader.start()
    try:
        wait_for(lambda: [bulk.checkpoint(), wal() <= small][1], "a small WAL")
    finally:
        stop.set()
        for reader in readers:
            reader.join()
    assert db.session.execute(text("PRAGMA busy_timeout")).scalar_one() == BUSY_TIMEOUT_MS


@pytest.mark.usefixtures("context")
def test_a_long_reader_makes_writers_wait_once_and_not_at_every_page(small: int) -> None:
    with reading():
        write_pages(40)
        before = monotonic()
        bulk.checkpoint()
        again = bulk._truncation.not_before
        assert again > before
        bulk.checkpoint()
        assert bulk._truncation.not_before == again
        assert wal() > small
    bulk._truncation.not_before = 0.0
    bulk.checkpoint()
    assert wal() == 0


@pytest.mark.usefixtures("context")
def test_a_wal_that_begins_anew_is_cut_to_its_bound() -> None:
    assert db.session.execute(text("PRAGMA journal_size_limit")).scalar_one() == LARGEST_WAL_BYTES


class Wal:
    """A WAL that has so many pages, and what moves it."""

    def __init__(self, pages: int = 0, error: str = "") -> None:
        self.now, self.error = (pages, 0), error
        self.movers: list[str] = []

    def pages(self) -> tuple[int, int]:
        return self.now

    def checkpoint(self) -> None:
        self.movers.append(current_thread().name)
        if self.error:
            raise OSError(self.error)


def write_beside(mover: WalMover, wal: Wal, pages: int, moved: int) -> None:
    """A write of a run, after which the WAL is such; then the thread has time to end."""
    mover.before_write()
    wal.now = (pages, moved)
    mover.after_write()
    wait_for(mover.is_idle, "the thread to be done")


def test_a_run_does_not_move_the_wal_itself_while_it_grows() -> None:
    wal = Wal()
    mover = WalMover(wal.checkpoint, wal.pages)
    write_beside(mover, wal, PAGES_PER_MOVE - 1, 0)
    assert wal.movers == []
    write_beside(mover, wal, PAGES_PER_MOVE, 0)
    write_beside(mover, wal, LONGEST_WAL_PAGES - 1, LONGEST_WAL_PAGES - PAGES_PER_FURTHER_MOVE)
    assert len(wal.movers) == 1, "what was moved already is not moved again"
    write_beside(mover, wal, LONGEST_WAL_PAGES - 1, LONGEST_WAL_PAGES - 1 - PAGES_PER_FURTHER_MOVE)
    mover.before_write()
    mover.close()
    assert [name.startswith("wal") for name in wal.movers] == [True, True]


@pytest.mark.parametrize("left", [0, 1])
def test_before_a_run_writes_on_a_long_wal_is_moved_to_its_end(left: int) -> None:
    wal = Wal()
    mover = WalMover(wal.checkpoint, wal.pages)
    write_beside(mover, wal, LONGEST_WAL_PAGES, LONGEST_WAL_PAGES - 1)
    wal.now = (LONGEST_WAL_PAGES, LONGEST_WAL_PAGES - left)
    mover.before_write()
    mover.before_write()
    mover.close()
    assert [name.startswith("wal") for name in wal.movers] == [True, *[False] * left]


@pytest.mark.parametrize("pages", [PAGES_PER_MOVE, LONGEST_WAL_PAGES])
def test_what_goes_wrong_while_the_wal_is_moved_ends_the_run(pages: int) -> None:
    wal = Wal(error="disk I/O error")
    mover = WalMover(wal.checkpoint, wal.pages)
    write_beside(mover, wal, pages, 0)
    with pytest.raises(OSError, match="disk"):
        write_beside(mover, wal, pages + 1, 0)
    mover.close()


@pytest.mark.usefixtures("context")
def test_the_pages_of_the_wal_are_counted_without_moving_them() -> None:
    write_pages(20)
    pages, moved = bulk.wal_pages()
    assert pages > 20
    assert moved == 0
    assert bulk.wal_pages() == (pages, 0)
    bulk.checkpoint()
    assert bulk.wal_pages() == (pages, pages)


def test_no_commit_moves_the_wal_of_a_run() -> None:
    """A write adds 3,000 pages at most; two of them fit between the run's own look and SQLite's."""
    assert LONGEST_WAL_PAGES + 4000 <= _AUTOMATIC_CHECKPOINT_PAGES
