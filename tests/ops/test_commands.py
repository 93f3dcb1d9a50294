"""Commands before the first start, and on a newer database (rung: shell): a sentence, never a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import text

from harmony import create_app
from harmony.config import Settings
from harmony.db import db, write

COMMANDS = (
    "users add ann",
    "users reset ann",
    "users invite ann",
    "users disable ann",
    "users enable ann",
    "users list",
    "integrations list",
    "sync preview 1",
    "sync run 1",
    "secrets rotate",
    "protect simulate --once",
    "db mark-restored",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_before_the_first_start_a_command_says_what_to_do(command: str, tmp_path: Path) -> None:
    app = create_app(Settings(data_dir=tmp_path))
    said = app.test_cli_runner().invoke(args=command.split())
    with app.app_context():
        db.engine.dispose()
    assert said.exit_code == 1
    assert "The database is at migration step none" in said.output
    assert "Start Harmony: it upgrades the database first." in said.output


def test_a_newer_database_is_left_alone(app: Flask) -> None:
    with app.app_context(), write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    said = app.test_cli_runner().invoke(args=["users", "add", "ann"], input="a long enough phrase\n")
    assert (said.exit_code, "Start that version" in said.output) == (1, True)
    with app.app_context():
        assert db.session.scalar(text('SELECT count(*) FROM "user"')) == 0
