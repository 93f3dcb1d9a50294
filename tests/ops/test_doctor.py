"""`flask doctor` on both databases (rung: shell)."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import text, update

from harmony import create_app
from harmony.clock import now
from harmony.config import Settings
from harmony.db import is_sqlite, sqlite_module, write
from harmony.models import VaultCanary
from harmony.ops.migrate import head
from harmony.setup import secrets
from harmony.worker.process import record_heartbeat
from tests.builders import NOON, an_integration
from tests.database import on_both

database = on_both


@pytest.fixture
def healthy(app: Flask) -> Flask:
    """An application whose worker lives, with an integration that is not due yet."""
    with app.app_context():
        secrets.check()
        record_heartbeat()
        an_integration(due=now() + timedelta(hours=1))
    return app


def doctor(app: Flask) -> Result:
    return app.test_cli_runner().invoke(args=["doctor"])


def test_all_is_well_line_by_line(healthy: Flask) -> None:
    said = doctor(healthy)
    lines = said.output.splitlines()
    assert [line for line in lines if not line.startswith("ok ")] == []
    assert said.exit_code == 0
    assert any("The audit trail verifies" in line for line in lines)
    with healthy.app_context():
        version = sqlite_module().sqlite_version
        queue = f"in the hands of SQLite {version}" if is_sqlite() else "in the database"
        assert any(f"The queue is {queue}" in line for line in lines)
        known = "The database is in the hands of SQLite" if is_sqlite() else "The database is PostgreSQL"
    assert sum(known in line for line in lines) == 1


def test_a_database_that_cannot_have_the_index_of_searches_is_a_warning_with_its_remedy(
    healthy: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harmony.ops.doctor.is_there", lambda _connection: False)
    with healthy.app_context():
        remedy = "SQLite 3.43" if is_sqlite() else "CREATE EXTENSION pg_trgm"
    said = doctor(healthy)
    assert "warning  Devices are searched without a trigram index" in said.output
    assert remedy in said.output
    assert said.exit_code == 0


def test_an_overdue_integration_is_a_warning_with_its_name(healthy: Flask) -> None:
    with healthy.app_context():
        an_integration(due=NOON, name="Head office")
    said = doctor(healthy)
    assert "warning  Overdue by more than 10 minutes: Head office." in said.output
    assert said.exit_code == 0


def test_a_file_that_others_may_read_is_a_problem_with_its_remedy(healthy: Flask, settings: Settings) -> None:
    key = settings.data_dir / "vault.keys"
    os.chmod(key, 0o640)
    said = doctor(healthy)
    assert said.exit_code == 1
    assert f"Run: chmod 600 {key}." in said.output


def test_no_worker_is_a_problem(app: Flask) -> None:
    said = doctor(app)
    assert said.exit_code == 1
    assert "problem  No worker has ever been seen." in said.output


def test_a_key_that_does_not_fit_is_a_problem_and_changes_nothing(healthy: Flask) -> None:
    with healthy.app_context(), write() as session:
        session.execute(update(VaultCanary).values(sealed="v1.00000000.AAAA"))
    assert doctor(healthy).exit_code == 1
    said = doctor(healthy)
    assert "problem  The vault's keys do not fit this database." in said.output


def test_a_database_that_is_not_migrated_is_a_problem_and_nothing_more_is_asked(healthy: Flask) -> None:
    with healthy.app_context(), write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    try:
        said = doctor(healthy)
    finally:
        with healthy.app_context(), write() as session:
            session.execute(text("UPDATE alembic_version SET version_num = :step"), {"step": head()})
    assert said.exit_code == 1
    assert "A newer version of Harmony" in said.output
    assert "worker" not in said.output


def test_a_database_that_does_not_answer_is_a_problem_without_its_password(settings: Settings) -> None:
    url = "postgresql://harmony:canary-password@127.0.0.1:1/harmony"
    said = doctor(create_app(Settings(data_dir=settings.data_dir, database_url=url)))
    assert said.exit_code == 1
    assert "problem  The database does not answer." in said.output
    assert "canary" not in said.output
