"""The pool of connections while a run writes (rung: shell on a file)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import pytest
from flask import Flask
from sqlalchemy import create_engine, text

from harmony.db import db, write
from harmony.db.pool import KeepingPool
from harmony.db.wal_mover import write_hooks

pytestmark = pytest.mark.usefixtures("context")


def written_by() -> int:
    """Write with a connection of the pool; return which one it was."""
    with write() as session:
        session.execute(text("DELETE FROM worker"))
        return id(session.connection().connection.dbapi_connection)


def used_elsewhere(app: Flask, threads: ThreadPoolExecutor) -> int:
    def read() -> int:
        with app.app_context():
            connection = db.session.connection().connection.dbapi_connection
            db.session.remove()
            return id(connection)

    return threads.submit(read).result()


def test_a_run_writes_through_one_connection_whoever_reads_meanwhile(app: Flask) -> None:
    with ThreadPoolExecutor(1) as threads, write_hooks() as hooks:
        first = written_by()
        for _ in range(3):
            assert used_elsewhere(app, threads) != first
            hooks.after()
            hooks.before()
            assert written_by() == first


def test_after_a_run_its_connection_is_free_for_all(app: Flask) -> None:
    pool = cast(KeepingPool, db.engine.pool)
    with ThreadPoolExecutor(1) as threads:
        with write_hooks():
            own = written_by()
        assert pool.checkedout() == 0
        assert used_elsewhere(app, threads) == own


def test_after_a_run_that_failed_its_connection_is_free_for_all() -> None:
    with pytest.raises(KeyError), write_hooks():  # noqa: PT012 - the run wrote before it failed
        written_by()
        raise KeyError
    assert cast(KeepingPool, db.engine.pool).checkedout() == 0


def test_what_a_run_keeps_is_never_of_another_database(tmp_path: Path) -> None:
    ours, other = (
        create_engine(f"sqlite:///{tmp_path / name}", poolclass=KeepingPool) for name in ("ours", "other")
    )
    with cast(KeepingPool, ours.pool).keep():
        with other.begin() as connection:
            connection.execute(text("CREATE TABLE theirs (id)"))
        with ours.connect() as connection:
            assert connection.execute(text("SELECT count(*) FROM sqlite_master")).scalar() == 0
    ours.dispose()
    other.dispose()
