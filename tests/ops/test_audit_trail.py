"""The chain of audit entries on both databases: what shows, what is refused, what stays (rung: shell)."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask_migrate import downgrade, upgrade
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from harmony import create_app
from harmony.audit import audit, verify
from harmony.clock import now
from harmony.config import Settings
from harmony.db import db, is_sqlite, write
from harmony.models import AuditChain, AuditEntry, Integration
from harmony.ops import migrate
from harmony.worker import tasks
from tests.builders import NOON, an_integration
from tests.database import on_both
from tests.ops.test_migrate import empty_url, insert_rows

database = on_both

DAY = timedelta(days=1)
__all__ = ["empty_url"]


def note(*whats: str) -> None:
    with write() as session:
        for number, what in enumerate(whats):
            audit(session, "kim", what, NOON + number * DAY, detail="Zürich \x00", changes=[("a", "1", "2")])


@pytest.fixture
def chained(context: Flask) -> Callable[[str], None]:
    """Five entries of an own chain, and a way past the triggers for whoever owns the database."""
    note("One", "Two", "Three", "Four", "Five")

    def tamper(statement: str) -> None:
        with write() as session:
            if is_sqlite():
                for name in ("audit_entry_changed", "audit_entry_removed", "audit_chain_changed"):
                    session.execute(text(f"DROP TRIGGER IF EXISTS {name}"))
            else:
                session.execute(text("SET LOCAL session_replication_role = replica"))
            session.execute(text(statement))

    return tamper


def test_entries_that_nobody_touched_verify(chained: object) -> None:
    report = verify.verify()
    assert (report.entries, report.problem) == (5, "")
    ids = db.session.scalars(select(AuditEntry.id).order_by(AuditEntry.id)).all()
    assert list(ids) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE audit_entry SET who = 'lee' WHERE id = 3", "Entry 3 was changed after it was written."),
        ("UPDATE audit_entry SET at = '2020-01-01 00:00:00' WHERE id = 1", "Entry 1 was changed"),
        ("UPDATE audit_entry SET changes = '' WHERE id = 5", "Entry 5 was changed"),
        ("UPDATE audit_entry SET integration_id = 7 WHERE id = 5", "Entry 5 was changed"),
        ("DELETE FROM audit_entry WHERE id = 1", "An entry before 2 was removed"),
        ("DELETE FROM audit_entry WHERE id = 3", "An entry before 4 was removed"),
        ("DELETE FROM audit_entry WHERE id = 5", "The entries after 4 are missing."),
        ("DELETE FROM audit_entry", "The entries after 0 are missing."),
        ("UPDATE audit_entry SET id = 9 WHERE id = 5", "The entries after 4 are missing."),
        ("UPDATE audit_chain SET anchor_id = 2", "Entry 1 is of a part that was removed."),
    ],
)
def test_each_kind_of_tampering_shows(
    chained: Callable[[str], None], app: Flask, statement: str, problem: str
) -> None:
    chained(statement)
    said = app.test_cli_runner().invoke(args=["audit", "verify"])
    assert said.exit_code == 1
    assert problem in said.output
    assert "The audit trail does not verify" in app.test_cli_runner().invoke(args=["doctor"]).output


def test_an_entry_behind_the_end_of_the_chain_shows(chained: Callable[[str], None]) -> None:
    chained(
        "INSERT INTO audit_entry (id, at, who, what, integration_name, detail) "
        "SELECT 6, at, who, what, integration_name, detail FROM audit_entry WHERE id = 5"
    )
    assert verify.verify().problem == "There are entries after 5 that are not of the chain."


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entry SET who = 'lee' WHERE id = 1",
        "DELETE FROM audit_entry WHERE id = 5",
        "DELETE FROM audit_chain",
        "UPDATE audit_chain SET head_id = 4",
        "UPDATE audit_chain SET anchor_id = 6",
    ],
)
def test_the_database_refuses_to_change_or_remove(chained: object, statement: str) -> None:
    with pytest.raises(DBAPIError, match="audit entries"), write() as session:
        session.execute(text(statement))
    assert verify.verify().problem == ""


def test_postgresql_refuses_to_empty_the_table_too(chained: object) -> None:
    if is_sqlite():  # which has no such statement
        return
    with pytest.raises(DBAPIError, match="audit entries"), write() as session:
        session.execute(text("TRUNCATE audit_entry"))


def test_retention_removes_the_oldest_and_the_rest_verifies(
    chained: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "BATCH", 2)
    assert [verify.forget(NOON + 3 * DAY) for _ in range(3)] == [2, 1, 0]
    assert verify.verify() == verify.ChainReport(2, verify.verify().last_hash)
    with pytest.raises(DBAPIError), write() as session:
        session.execute(text("UPDATE audit_chain SET anchor_id = 1"))
    note("Six")
    assert verify.verify().entries == 3
    chained("DELETE FROM audit_entry WHERE id = 4")
    assert verify.verify().problem == "An entry before 5 was removed or replaced."


def test_what_is_rolled_back_leaves_no_gap(chained: object) -> None:
    def fail() -> None:
        with write() as session:
            audit(session, "kim", "Six", NOON)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    note("Six")
    assert (verify.verify().entries, verify.verify().problem) == (6, "")


def test_writers_at_once_make_one_chain(app: Flask, context: Flask) -> None:
    def act(number: int) -> None:
        with app.app_context():
            note(*[f"Act {number}"] * 3)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(act, range(12)))
    assert (verify.verify().entries, verify.verify().problem) == (36, "")


def test_the_worker_verifies_once_a_day_and_records_the_first_failure(chained: Callable[[str], None]) -> None:
    tasks.sweep()
    first = db.session.scalars(select(AuditChain.verified_at)).one()
    tasks.sweep()
    assert db.session.scalars(select(AuditChain.verified_at)).one() == first
    chained("UPDATE audit_entry SET who = 'lee' WHERE id = 4")
    for _ in range(2):
        verify.verify_and_store(now())
    failures = select(AuditEntry.severity).where(AuditEntry.what == "Audit trail does not verify")
    assert db.session.scalars(failures).all() == ["critical"]


def test_the_entries_of_a_former_version_are_chained_by_the_upgrade(tmp_path: Path, empty_url: str) -> None:
    app = create_app(Settings(data_dir=tmp_path, database_url=empty_url))
    row = {"who": "Ada", "integration_name": "", "detail": "", "at": "2026-01-15 12:00:00.123456"}
    with app.app_context():
        upgrade(directory=str(migrate.SCRIPTS), revision="0031")
        whats = ("Signed in", "Asked for tagging", "Asked for a sync", "Something of ours")
        insert_rows("audit_entry", [row | {"what": what, "id": 2 * n + 1} for n, what in enumerate(whats)])
        for step, way in (("0032", upgrade), ("0031", downgrade)):
            way(directory=str(migrate.SCRIPTS), revision=step)
        assert db.session.execute(text("SELECT count(*) FROM audit_entry")).scalar() == 4
        db.session.rollback()
        migrate.migrate(NOON)
        assert (verify.verify().entries, verify.verify().problem) == (4, "")
        modules = db.session.scalars(select(AuditEntry.module).order_by(AuditEntry.id)).all()
        assert list(modules) == ["Accounts", "Tagging", "Synchronization", "Other"]
        note("Paused")
        assert verify.verify().entries == 5
        db.session.remove()
        db.engine.dispose()


def test_the_name_of_an_integration_is_part_of_what_is_hashed(context: Flask) -> None:
    id_ = an_integration()
    with write() as session:
        audit(session, "kim", "Paused", NOON, session.get_one(Integration, id_))
    assert verify.verify().problem == ""
