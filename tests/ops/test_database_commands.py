"""The commands of `flask db` that PostgreSQL has too, and those that it has not (rung: shell)."""

from __future__ import annotations

import os

import pytest
from flask import Flask

from harmony.models import Absence
from tests.builders import an_integration
from tests.database import on_both
from tests.ops.test_restore import names, run

database = on_both


def test_a_database_restored_by_other_means_can_be_marked(app: Flask) -> None:
    with app.app_context():
        an_integration(name="one")
        an_integration(name="two", suspect=Absence.EDITED)
    said = run(app, "mark-restored")
    assert (said.exit_code, said.output.startswith("Marked 2.")) == (0, True)
    assert names(app) == {"one": Absence.RESTORED, "two": Absence.RESTORED}


@pytest.mark.parametrize("command", ["backup", "restore", "check-file"])
def test_postgresql_is_left_to_its_own_programs(app: Flask, database: str, command: str) -> None:
    said = run(app, command, *([os.devnull] if command == "restore" else []))
    assert ("pg_restore" in said.output) is (database == "postgresql")
