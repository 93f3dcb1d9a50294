"""A database that is gone is never taken for a new installation (rung F: real files)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import func, select

from harmony import create_app
from harmony.config import Settings
from harmony.db import db, sqlite_module
from harmony.models import SetupCode
from harmony.ops import first_start, start
from harmony.ops.integrity_check import DatabaseUnfit
from tests.database import Server


@contextmanager
def opened(settings: Settings) -> Iterator[Flask]:
    app = create_app(settings)
    try:
        yield app
    finally:
        with app.app_context():
            db.session.remove()
            db.engine.dispose()


def prepared(settings: Settings) -> None:
    """Prepare a start, as `python app.py` does before it serves."""
    with opened(settings) as app:
        start.prepare(app)


def refused(settings: Settings) -> str:
    with pytest.raises(DatabaseUnfit) as caught:
        prepared(settings)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert "move these files away" in sentence
    return sentence


@pytest.fixture
def installed(tmp_path: Path) -> Settings:
    """A data folder whose first start went well; Harmony is stopped."""
    settings = Settings(data_dir=tmp_path / "data")
    prepared(settings)
    assert not (settings.data_dir / first_start.MARK).exists()
    return settings


def gone(file: Path) -> None:
    file.unlink()


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def of_something_else(file: Path) -> None:
    file.unlink()
    with closing(sqlite_module().connect(file)) as connection:
        connection.execute("CREATE TABLE song (title TEXT)")


def without_tables(file: Path) -> None:
    file.unlink()
    with closing(sqlite_module().connect(file)) as connection:
        connection.execute("PRAGMA user_version=1")


@pytest.mark.parametrize(
    ("lose", "says"),
    [
        (gone, "harmony.db is missing"),
        (emptied, "harmony.db is empty"),
        (of_something_else, "harmony.db is no database of Harmony"),
        (without_tables, "harmony.db is no database of Harmony"),
    ],
)
def test_a_lost_database_beside_keys_is_refused(
    installed: Settings, lose: Callable[[Path], None], says: str
) -> None:
    file = installed.data_dir / "harmony.db"
    lose(file)
    before = file.read_bytes() if file.exists() else None
    for _ in range(2):
        sentence = refused(installed)
        assert says in sentence
        assert "(vault.keys, secret.key)" in sentence
        assert "db restore FILE" in sentence
    assert (file.read_bytes() if file.exists() else None) == before


def test_the_wal_of_an_emptied_file_is_left_for_whoever_can_use_it(installed: Settings) -> None:
    (installed.data_dir / "harmony.db").write_bytes(b"")
    wal = installed.data_dir / "harmony.db-wal"
    wal.write_bytes(b"what had not come into the file")
    refused(installed)
    assert wal.read_bytes() == b"what had not come into the file"


@pytest.mark.parametrize(
    "name", ["vault.keys", "secret.key", "newest.json", "harmony-1.backup.db", "harmony-1.replaced.db"]
)
def test_each_thing_that_an_installation_leaves_tells_of_it(tmp_path: Path, name: str) -> None:
    settings = Settings(data_dir=tmp_path, secret_key="k" * 40)
    prepared(settings)
    keys = (tmp_path / "vault.keys").read_bytes()
    for file in tmp_path.iterdir():
        file.unlink()
    (tmp_path / name).write_bytes(keys)
    assert name in refused(settings)


def test_the_database_elsewhere_is_missed_as_well(installed: Settings, tmp_path: Path) -> None:
    elsewhere = tmp_path / "disk" / "other.db"
    elsewhere.parent.mkdir()
    moved = Settings(data_dir=installed.data_dir, database_url=f"sqlite:///{elsewhere}")
    assert f"{elsewhere} is missing" in refused(moved)
    assert not elsewhere.exists()


def test_with_these_files_moved_away_a_new_installation_begins(installed: Settings) -> None:
    for file in installed.data_dir.glob("harmony.db*"):
        file.unlink()
    for name in ("vault.keys", "secret.key"):
        (installed.data_dir / name).unlink()
    prepared(installed)


@pytest.mark.parametrize("left", ["keys", "an empty database", "a database without tables"])
def test_a_first_start_that_died_can_be_tried_again(tmp_path: Path, left: str) -> None:
    settings = Settings(data_dir=tmp_path)
    with opened(settings) as app:  # the keys are there now
        assert (tmp_path / "vault.keys").exists()
        if left == "a database without tables":
            with app.app_context():
                db.session.execute(db.text("SELECT 1"))
    if left == "an empty database":
        (tmp_path / "harmony.db").touch()
    with opened(settings) as app:
        start.prepare(app)
        with app.app_context():
            assert db.session.scalar(select(func.count()).select_from(SetupCode)) == 1
    assert not (tmp_path / first_start.MARK).exists()


def test_an_upgrade_from_the_command_line_is_refused_likewise(installed: Settings) -> None:
    (installed.data_dir / "harmony.db").unlink()
    with opened(installed) as app:
        answer = app.test_cli_runner().invoke(args=["db", "upgrade"])
    assert answer.exit_code == 1
    assert "harmony.db is missing, but" in answer.output
    assert not (installed.data_dir / "harmony.db").exists()


def test_an_upgrade_from_the_command_line_may_be_the_first_start(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    with opened(settings) as app:
        answer = app.test_cli_runner().invoke(args=["db", "upgrade"])
    assert answer.exit_code == 0, answer.output
    assert not (tmp_path / first_start.MARK).exists()
    prepared(settings)


def test_an_empty_postgresql_database_beside_keys_is_refused(server: Server, tmp_path: Path) -> None:
    for name in ("first", "second"):
        server.execute(f"CREATE DATABASE {name}")
    try:
        prepared(Settings(data_dir=tmp_path, database_url=server.url("first")))
        other = Settings(data_dir=tmp_path, database_url=server.url("second"))
        assert "The PostgreSQL database is empty, but" in refused(other)
    finally:
        for name in ("first", "second"):
            server.execute(f"DROP DATABASE {name}")


@pytest.mark.parametrize("content", [b"", b"x", b"not a database" * 500])
def test_a_queue_that_is_lost_or_damaged_stops_no_start(installed: Settings, content: bytes) -> None:
    queue = installed.data_dir / "queue.db"
    queue.write_bytes(content)
    prepared(installed)
    assert queue.read_bytes().startswith(b"SQLite format 3")
