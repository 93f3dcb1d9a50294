"""Migrations on a real file (rung F without faults): fresh, again, newer, backed up, two at once, killed."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from flask import Flask
from sqlalchemy import text

from harmony.config import Settings
from harmony.db import Base, db, sqlite_module, write
from harmony.models import Worker
from harmony.ops import migrate
from tests.builders import NOON

ROOT = Path(__file__).resolve().parent.parent.parent

PROGRAM = """
import sys
from pathlib import Path
from harmony import create_app
from harmony.clock import now
from harmony.config import Settings
from harmony.ops.migrate import migrate
app = create_app(Settings(data_dir=Path(sys.argv[1])))
with app.app_context():
    migrate(now())
"""


def test_the_steps_lead_to_exactly_the_tables_of_the_models(context: Flask) -> None:
    with db.engine.connect() as connection:
        made = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(made, Base.metadata) == []


def test_migrating_again_changes_nothing_and_makes_no_backup(context: Flask, settings: Settings) -> None:
    migrate.migrate(NOON)
    assert list(settings.data_dir.glob("*.backup.db")) == []


def test_a_database_of_a_newer_version_is_refused_untouched(context: Flask, settings: Settings) -> None:
    with write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(migrate.DatabaseTooNew, match="newer version"):
        migrate.migrate(NOON)
    assert list(settings.data_dir.glob("*.backup.db")) == []


def test_a_backup_is_whole_and_for_its_owner_only(context: Flask, settings: Settings) -> None:
    with write() as session:
        session.add(Worker(identity="a", started_at=NOON, seen_at=NOON))
    backup = migrate.back_up(NOON)
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    copy = sqlite_module().connect(backup)
    assert copy.execute("SELECT identity FROM worker").fetchall() == [("a",)]
    assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    copy.close()


def test_three_processes_may_migrate_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    processes = [subprocess.Popen(command, cwd=ROOT) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]


def test_the_files_of_a_first_start_are_for_their_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    subprocess.run([sys.executable, "-c", PROGRAM, str(folder)], cwd=ROOT, check=True)
    modes = {file.name: oct(stat.S_IMODE(os.stat(file).st_mode)) for file in folder.iterdir()}
    assert set(modes.values()) == {"0o600"}, modes
    assert {"harmony.db", "queue.db", "secret.key", "vault.keys"} <= set(modes)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
