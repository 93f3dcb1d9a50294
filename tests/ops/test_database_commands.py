"""The commands of `flask db` that PostgreSQL has too, and those that it has not (rung: shell)."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask

from harmony.backup import schedule
from harmony.config import Settings
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


@pytest.mark.parametrize("command", ["restore", "check-file"])
def test_postgresql_is_left_to_its_own_programs(app: Flask, database: str, command: str) -> None:
    said = run(app, command, *([os.devnull] if command == "restore" else []))
    assert ("pg_restore" in said.output) is (database == "postgresql")


@pytest.fixture
def sealing(app: Flask, settings: Settings) -> Settings:
    app.extensions["harmony.settings"] = replace(settings, backup_passphrase="plum otter sings at noon")
    return settings


def test_a_backup_by_command_is_for_its_owner_and_passes_the_drill(
    app: Flask, settings: Settings, database: str
) -> None:
    with app.app_context():
        an_integration(name="one")
    said = run(app, "backup")
    assert (said.exit_code, "Keep vault.keys apart" in said.output) == (0, True), said.output
    (made,) = settings.data_dir.glob("harmony-*.backup.*")
    assert made.suffix == (".dump" if database == "postgresql" else ".db")
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    assert "integration 1" in run(app, "restore", "--check", str(made)).output
    assert run(app, "check-file", str(made)).exit_code == 0
    with app.app_context():
        assert schedule.made_at(settings.data_dir) is None, "the schedule removes its own backups alone"


def test_a_backup_by_command_seals_the_keys_beside_it(app: Flask, sealing: Settings, tmp_path: Path) -> None:
    """Whatever the file is called: what it is shows in how it begins."""
    said = run(app, "backup", str(tmp_path / "saved.whole"))
    assert (said.exit_code, f"keys are in {tmp_path / 'saved.whole.keys'}" in said.output) == (0, True), (
        said.output
    )
    assert "integration 0" in run(app, "restore", "--check", str(tmp_path / "saved.whole")).output
    (tmp_path / "saved.whole.keys").write_text("no keys")
    said = run(app, "restore", "--check", str(tmp_path / "saved.whole"))
    assert (said.exit_code, "does not open saved.whole.keys" in said.output) == (1, True)


@pytest.mark.parametrize("name", ["saved.keys", "other.backup", "saved"])
def test_a_backup_by_command_replaces_no_file(
    app: Flask, sealing: Settings, tmp_path: Path, name: str
) -> None:
    (tmp_path / "other.backup").write_text("of somebody else")
    (tmp_path / "saved.keys").write_text("of somebody else")
    said = run(app, "backup", str(tmp_path / name))
    assert (said.exit_code, "is there already" in said.output) == (1, True), said.output
    assert {file.name: file.read_text() for file in tmp_path.glob("*.*") if file.is_file()} == {
        "other.backup": "of somebody else", "saved.keys": "of somebody else",
    }  # fmt: skip


def test_backups_of_two_nights_with_a_dot_before_the_date_have_keys_of_their_own(
    app: Flask, sealing: Settings, tmp_path: Path
) -> None:
    nights = ["harmony.2026-11-29", "harmony.2026-11-30"]
    for night in nights:
        assert run(app, "backup", str(tmp_path / night)).exit_code == 0
        assert (tmp_path / f"{night}.keys").is_file()


@pytest.mark.parametrize("error", [OSError("no space left"), KeyboardInterrupt()])
def test_a_backup_stays_when_its_keys_cannot_be_sealed(
    app: Flask, sealing: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def fail(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr("harmony.atomic_file.replace", fail)
        said = run(app, "backup", str(tmp_path / "saved.db"))
    reason = str(error) or "interrupted"
    assert (said.exit_code, f"sealed keys are missing ({reason})" in said.output) == (1, True), said.output
    assert run(app, "restore", "--check", str(tmp_path / "saved.db")).exit_code == 0
    assert not (tmp_path / "saved.keys").exists()


def test_a_connection_that_the_server_refuses_leaves_no_dump(
    app: Flask, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("PGOPTIONS", "-c no_such_parameter=1")
        said = run(app, "backup", str(tmp_path / "saved"))
    assert (said.exit_code, "no_such_parameter" in said.output) == (
        (1, True) if database == "postgresql" else (0, False)
    ), said.output
    assert (tmp_path / "saved").exists() is (database == "sqlite")


@pytest.mark.parametrize("command", ["check-file", "restore --check"])
def test_a_dump_that_is_cut_short_is_no_backup(
    app: Flask, database: str, tmp_path: Path, command: str
) -> None:
    assert run(app, "backup", str(tmp_path / "saved")).exit_code == 0
    os.truncate(tmp_path / "saved", (tmp_path / "saved").stat().st_size // 2)
    assert run(app, *command.split(), str(tmp_path / "saved")).exit_code == 1


def test_a_backup_of_postgresql_needs_its_program(
    app: Flask, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda _name: None)
    said = run(app, "backup", str(tmp_path / "saved"))
    assert ("pg_dump is not installed" in said.output) is (database == "postgresql")
    assert (tmp_path / "saved").exists() is (database == "sqlite")
