"""Backups by schedule, their keys, their number and the drill, on each database (rung: shell)."""

from __future__ import annotations

import doctest
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import psycopg
import pytest
from flask import Flask
from psycopg.conninfo import conninfo_to_dict

from harmony import create_app
from harmony.backup import copies, drill, lock, postgresql, record, schedule, scratch, sealed_keys
from harmony.config import Settings
from harmony.db import is_sqlite, sqlite_module
from harmony.ops.metrics import series
from harmony.ops.migrate import head
from harmony.worker import tasks
from tests.builders import NOON, an_integration
from tests.database import Server, on_both

database = on_both

PASSPHRASE = "plum otter sings at noon"
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def nothing_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule._Failure, "at", None)


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    return replace(
        settings, backup_hours=24, backups_kept=2, backup_dir=tmp_path / "kept", backup_passphrase=PASSPHRASE
    )


def names(settings: Settings) -> list[str]:
    assert settings.backup_dir is not None
    return sorted(file.name for file in settings.backup_dir.iterdir() if file.name != lock.LOCK)


def test_the_examples_in_the_documentation_are_true() -> None:
    for module in (schedule, record, postgresql, sealed_keys):
        failed, tried = doctest.testmod(module)
        assert (failed, tried > 0) == (0, True)


def test_backups_are_made_when_due_and_only_the_newest_are_kept(context: Flask, settings: Settings) -> None:
    ending = "db" if is_sqlite() else "dump"
    made = [schedule.run_when_due(NOON + hours * HOUR) for hours in (0, 1, 24, 30, 48)]
    assert [place is not None for place in made] == [True, False, True, False, True]
    assert names(settings) == [
        f"harmony-202601{day}T120000Z.scheduled.backup.{kind}"
        for day in (16, 17)
        for kind in (ending, "keys")
    ]
    assert {stat.S_IMODE(file.stat().st_mode) for file in schedule.folder_of(settings).iterdir()} == {0o600}


def test_other_files_are_never_removed_and_what_a_death_left_is(context: Flask, settings: Settings) -> None:
    assert settings.backup_dir is not None
    settings.backup_dir.mkdir()
    for name in ("mine.db", "harmony-20200101T000000Z.backup.db", "harmony-x.scheduled.backup.part"):
        (settings.backup_dir / name).touch()
        os.utime(settings.backup_dir / name, times=((NOON - 6.1 * HOUR).timestamp(),) * 2)
    for hours in (0, 24, 48):
        schedule.run_when_due(NOON + hours * HOUR)
    kept = [name for name in names(settings) if ".scheduled." not in name]
    assert kept == ["harmony-20200101T000000Z.backup.db", "mine.db"]
    assert not [name for name in names(settings) if name.endswith(".part")]


def test_a_backup_that_fails_leaves_none_and_is_tried_again(
    context: Flask, settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr("harmony.backup.copies.copy", full)
        patch.setattr("harmony.backup.postgresql.dump", full)
        assert schedule.run_when_due(NOON) is None
    assert caplog.messages[-1].endswith("tried again in an hour: no space left")
    assert names(settings) == []
    assert schedule.run_when_due(NOON + HOUR / 2) is None
    assert schedule.run_when_due(NOON + HOUR) is not None


def test_a_backup_that_would_fill_the_disk_is_not_made_and_the_others_stay(
    context: Flask, settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    made = schedule.run_when_due(NOON)
    assert made is not None
    size = (settings.database_file or made).stat().st_size
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: SimpleNamespace(free=2 * size - 1))
    assert schedule.run_when_due(NOON + 24 * HOUR) is None
    assert "MiB free" in caplog.text
    assert len(names(settings)) == 2
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: SimpleNamespace(free=2 * size))
    assert schedule.run_when_due(NOON + 25 * HOUR) is not None


def test_an_installation_that_says_nothing_is_backed_up_daily_into_its_data_folder(tmp_path: Path) -> None:
    asked = Settings.from_environment({"HARMONY_DATA_DIR": str(tmp_path)})
    assert (asked.backup_hours, asked.backups_kept) == (24, 7)
    assert schedule.folder_of(asked) == tmp_path / "backups"


def test_keys_of_failed_backups_push_no_good_one_out() -> None:
    names = [f"harmony-2026010{day}T000000Z.scheduled.backup.db" for day in (1, 2)]
    orphans = [f"harmony-2026010{day}T000000Z.scheduled.backup.keys" for day in (3, 4, 5)]
    assert [file.name for file in schedule.surplus(map(Path, names + orphans), 2)] == orphans


def between(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """Do something once, between the beginning of the next draft and its end."""

    def patched(module: ModuleType, name: str) -> None:
        write = getattr(module, name)

        def copy(*arguments: Any) -> None:
            write(*arguments)
            os.utime(arguments[-1], times=(NOON.timestamp(), NOON.timestamp()))
            monkeypatch.setattr(module, name, write)
            act()

        monkeypatch.setattr(module, name, copy)

    patched(copies, "copy")
    patched(postgresql, "dump")


@pytest.mark.parametrize("later", [timedelta(), timedelta(minutes=1), 7 * HOUR])
def test_two_workers_with_one_folder_make_one_whole_backup(
    context: Flask, settings: Settings, monkeypatch: pytest.MonkeyPatch, later: timedelta
) -> None:
    others: list[Path | None] = []
    between(monkeypatch, lambda: others.append(schedule.run_when_due(NOON + later)))
    made = schedule.run_when_due(NOON)
    assert others == [None]
    assert made is not None
    assert names(settings) == [made.name, made.with_suffix(".keys").name]


def test_a_worker_without_the_lock_of_the_folder_spoils_no_file_of_the_other(
    context: Flask, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network file system may lock nothing; there one of them fails while the other writes."""

    def full(*_: object) -> None:
        raise OSError("no space left")

    def other() -> None:
        with monkeypatch.context() as patch:
            patch.setattr("harmony.backup.copies.copy", full)
            patch.setattr("harmony.backup.postgresql.dump", full)
            assert schedule.run_when_due(NOON) is None
        monkeypatch.setattr(schedule._Failure, "at", None)

    monkeypatch.setattr(lock, "exclusive", lambda _folder: nullcontext(enter_result=True))
    between(monkeypatch, other)
    made = schedule.run_when_due(NOON)
    assert made is not None
    assert names(settings) == [made.name, made.with_suffix(".keys").name]


def test_two_machines_with_folders_of_their_own_do_not_dump_at_once(
    context: Flask, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if is_sqlite():
        return  # a file is of one machine
    others: list[Path | None] = []

    def other() -> None:
        context.extensions["harmony.settings"] = replace(settings, backup_dir=tmp_path / "another")
        others.append(schedule.run_when_due(NOON))
        context.extensions["harmony.settings"] = settings

    between(monkeypatch, other)
    assert schedule.run_when_due(NOON) is not None
    assert others == [None]


def test_of_machines_with_folders_of_their_own_one_dumps_each_day(
    context: Flask, settings: Settings, tmp_path: Path
) -> None:
    if is_sqlite():
        return  # a file is of one machine
    assert schedule.run_when_due(NOON) is not None
    another = replace(settings, node="another", backup_dir=tmp_path / "another")
    context.extensions["harmony.settings"] = another
    assert schedule.run_when_due(NOON + 23 * HOUR) is None
    assert schedule.run_when_due(NOON + 24 * HOUR) is not None
    context.extensions["harmony.settings"] = settings
    assert schedule.run_when_due(NOON + 24 * HOUR) is None


def test_a_missing_backup_is_known_with_why_until_one_is_made(
    context: Flask, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("no space left")

    def fail() -> None:
        with monkeypatch.context() as patch:
            patch.setattr("harmony.backup.copies.copy", full)
            patch.setattr("harmony.backup.postgresql.dump", full)
            assert schedule.run_when_due(NOON) is None
        monkeypatch.setattr(schedule._Failure, "at", None)

    assert record.trouble(NOON) is None, "nothing was tried"
    fail()
    assert record.trouble(NOON) == "No backup was made yet. The last try failed: no space left"
    schedule.run_when_due(NOON - 49 * HOUR)
    fail()
    assert record.trouble(NOON - 2 * HOUR) is None
    said = "The newest backup is of 13 Jan 2026, 11:00 UTC. The last try failed: no space left"
    assert record.trouble(NOON) == said
    context.extensions["harmony.settings"] = replace(settings, backup_hours=0)
    assert record.trouble(NOON) is None
    context.extensions["harmony.settings"] = settings
    schedule.run_when_due(NOON)
    assert record.trouble(NOON) is None


def test_the_lock_ends_with_the_process(context: Flask, settings: Settings) -> None:
    folder = schedule.folder_of(settings)
    folder.mkdir()
    hold = "import fcntl, os, sys; fcntl.flock(os.open(sys.argv[1], os.O_CREAT | os.O_RDWR), fcntl.LOCK_EX)"
    command = [
        sys.executable,
        "-c",
        f"{hold}; print('locked', flush=True); input()",
        str(folder / lock.LOCK),
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"locked\n"
        assert schedule.run_when_due(NOON) is None
        other.kill()
    assert schedule.run_when_due(NOON) is not None


@pytest.mark.parametrize(("room_for", "left"), [(5, 5), (3, 3), (2, 7)])
def test_without_room_the_oldest_backups_make_place_but_for_two(
    context: Flask, settings: Settings, monkeypatch: pytest.MonkeyPatch, room_for: int, left: int
) -> None:
    """`room_for`: so many backups, the next one too, fit beside what has to stay free."""
    context.extensions["harmony.settings"] = replace(settings, backups_kept=7, backup_passphrase="")
    for day in range(7):
        assert schedule.run_when_due(NOON + day * 24 * HOUR) is not None
    folder = schedule.folder_of(settings)
    size = (settings.database_file or newest(folder)).stat().st_size
    for file in folder.glob("harmony-*"):
        os.truncate(file, size)
    monkeypatch.setattr(
        shutil, "disk_usage", lambda _: SimpleNamespace(free=(room_for + 1 - len(names(settings))) * size)
    )
    made = schedule.run_when_due(NOON + 7 * 24 * HOUR)
    assert (made is not None, len(names(settings))) == (room_for > 2, left)
    assert made in {None, newest(folder)}


def newest(folder: Path) -> Path:
    return max(file for file in folder.iterdir() if file.name != lock.LOCK)


def test_the_drill_reads_the_backup_and_is_remembered(app: Flask, settings: Settings) -> None:
    with app.app_context():
        an_integration()
        made = schedule.run_when_due(NOON)
    said = app.test_cli_runner().invoke(args=["db", "restore", "--check", str(made)])
    assert said.exit_code == 0, said.output
    with app.app_context():
        assert "integration 1" in said.output
        assert drill.checked_at() is not None
        shown = {family.name: list(family.samples) for family in series.families()}
        assert shown["backup_timestamp_seconds"]
        assert shown["backup_checked_timestamp_seconds"]


@pytest.mark.parametrize("what", ["data", "keys"])
def test_a_damaged_backup_fails_the_drill(app: Flask, settings: Settings, what: str) -> None:
    with app.app_context():
        made = schedule.run_when_due(NOON)
    assert made is not None
    damaged = made if what == "data" else made.with_suffix(".keys")
    damaged.write_bytes(damaged.read_bytes()[: damaged.stat().st_size // 2])
    said = app.test_cli_runner().invoke(args=["db", "restore", "--check", str(made)])
    assert said.exit_code == 1
    assert "cannot be restored" in said.output
    with app.app_context():
        assert drill.checked_at() is None


def test_the_keys_open_with_the_passphrase_only_and_come_back(
    app: Flask, settings: Settings, tmp_path: Path
) -> None:
    with app.app_context():
        made = schedule.run_when_due(NOON)
    assert made is not None
    sealed = made.with_suffix(".keys").read_text(encoding="utf-8")
    mine = (settings.data_dir / "vault.keys").read_text(encoding="utf-8")
    assert mine.strip() not in sealed
    with pytest.raises(sealed_keys.KeysNotOpened):
        sealed_keys.open_sealed(sealed, PASSPHRASE + "x")
    elsewhere = replace(settings, data_dir=tmp_path / "new", database_url="")
    runner = create_app(elsewhere).test_cli_runner()
    said = runner.invoke(args=["db", "restore-keys", str(made.with_suffix(".keys"))])
    assert said.exit_code == 0, said.output
    assert (elsewhere.data_dir / "vault.keys").read_text(encoding="utf-8") == mine
    wrong = replace(elsewhere, backup_passphrase="another passphrase")
    runner = create_app(wrong).test_cli_runner()
    said = runner.invoke(args=["db", "restore-keys", str(made.with_suffix(".keys"))])
    assert said.exit_code == 1


def test_without_a_passphrase_no_key_is_written(app: Flask, settings: Settings) -> None:
    app.extensions["harmony.settings"] = replace(settings, backup_passphrase="")
    with app.app_context():
        made = schedule.run_when_due(NOON)
        assert made is not None
        assert names(settings) == [made.name]


def test_the_worker_makes_it_and_a_schedule_of_none_makes_none(app: Flask, settings: Settings) -> None:
    with app.app_context():
        tasks.backup()
        assert names(settings)
        app.extensions["harmony.settings"] = replace(settings, backup_hours=0)
        assert not schedule.is_due_now(NOON)


def test_postgresql_without_its_programs_says_so(
    context: Flask, settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    for act in (postgresql.dump, postgresql.read_whole):
        with pytest.raises(postgresql.NotDumped, match="is not installed"):
            act(settings.data_dir / "file.dump")
    made = schedule.run_when_due(NOON)
    assert (made is not None) is is_sqlite()
    assert ("pg_dump is not installed" in caplog.text) is not is_sqlite()


def test_a_backup_by_schedule_restores_like_any_other(app: Flask, settings: Settings) -> None:
    with app.app_context():
        made = schedule.run_when_due(NOON)
        assert made is not None
        if not is_sqlite():
            postgresql.read_whole(made)
            return
    copy = sqlite_module().connect(made)
    assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    copy.close()


def test_the_drill_restores_a_dump_into_a_database_of_its_own(
    app: Flask, settings: Settings, request: pytest.FixtureRequest
) -> None:
    with app.app_context():
        an_integration()
        made = schedule.run_when_due(NOON)
        assert made is not None
        found = drill.check(made, NOON)
        assert (found.problems, found.limit, found.revision) == ([], "", head())
        assert found.counts["integration"] == 1
    if "postgresql" in settings.database_url:
        assert drill_databases(request.getfixturevalue("server")) == []


def test_a_dump_of_another_program_or_with_a_broken_reference_fails_the_drill(
    context: Flask, settings: Settings, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    if is_sqlite():
        return  # `copies.examine` looks at those; tests/ops/test_database_commands.py
    server: Server = request.getfixturevalue("server")
    with server.database() as url:
        context.extensions["harmony.settings"] = replace(settings, database_url=url)
        server.execute("CREATE TABLE other (id int)", conninfo_to_dict(url)["dbname"])
        postgresql.dump(tmp_path / "other.dump")
        assert drill.check(tmp_path / "other.dump", NOON).problems == ["It is not a database of Harmony."]
        assert drill_databases(server) == []


def test_a_drill_by_a_role_that_may_create_no_database_says_what_it_did_not_try(
    app: Flask, settings: Settings, request: pytest.FixtureRequest
) -> None:
    with app.app_context():
        made = schedule.run_when_due(NOON)
        if is_sqlite():
            return
    server: Server = request.getfixturevalue("server")
    server.execute("CREATE ROLE narrow LOGIN")
    narrow = replace(settings, database_url=settings.database_url.replace("//harmony@", "//narrow@"))
    app.extensions["harmony.settings"] = narrow
    said = app.test_cli_runner().invoke(args=["db", "restore", "--check", str(made)])
    server.execute("DROP ROLE narrow")
    assert said.exit_code == 0, said.output
    assert "It was read, not restored" in said.output


def test_what_a_killed_drill_left_is_dropped_by_the_next(
    app: Flask, settings: Settings, request: pytest.FixtureRequest
) -> None:
    with app.app_context():
        made = schedule.run_when_due(NOON)
        assert made is not None
        if is_sqlite():
            return
        server: Server = request.getfixturevalue("server")
        left, others = f"harmony_drill_{'0' * 16}", "harmony_drill_of_somebody"
        for name in (left, others):
            server.execute(f"CREATE DATABASE {name}")
        assert drill.check(made, NOON).problems == []
        assert drill_databases(server) == [others]
        server.execute(f"DROP DATABASE {others}")


UNKNOWN = 'pg_restore: error: could not execute query: ERROR:  unrecognized configuration parameter "x"'
BROKEN = "pg_restore: error: could not execute query: ERROR:  syntax error"


@pytest.mark.parametrize(
    ("errors", "runs", "failure"),
    [((UNKNOWN, UNKNOWN), 2, None), ((UNKNOWN, BROKEN), 2, BROKEN), ((BROKEN, UNKNOWN), 1, BROKEN)],
)
def test_a_drill_ends_at_the_first_error_but_for_a_parameter_that_an_older_server_lacks(
    context: Flask, tmp_path: Path, errors: tuple[str, str], runs: int, failure: str | None
) -> None:
    program, calls = tmp_path / "pg_restore", tmp_path / "calls"
    program.write_text(
        f"#!/bin/sh\necho run >> {calls}\n"
        f"case $1 in --exit-on-error) echo '{errors[0]}' >&2;; *) echo '{errors[1]}' >&2;; esac\nexit 1\n"
    )
    program.chmod(0o700)
    with pytest.raises(postgresql.NotDumped, match=failure) if failure else nullcontext():
        scratch._restore(str(program), tmp_path / "file.dump", "nowhere")
    assert len(calls.read_text().splitlines()) == runs


def test_of_a_program_with_very_many_errors_only_the_first_are_kept(context: Flask, tmp_path: Path) -> None:
    program = tmp_path / "pg_restore"
    program.write_text(f"#!/bin/sh\nyes '{UNKNOWN}' | head -n 100000 >&2\nexit 1\n")
    program.chmod(0o700)
    code, output = postgresql._outcome([str(program)])
    assert (code, len(output)) == (1, postgresql._LONGEST_OUTPUT)
    with pytest.raises(postgresql.NotDumped) as raised:
        postgresql.run([str(program)])
    assert raised.type is postgresql.NotDumped, "what follows is unknown"


def test_a_dump_without_content_is_none(
    context: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: "/bin/true")
    with pytest.raises(postgresql.NotDumped, match="wrote no dump"):
        postgresql.dump(tmp_path / "made.dump")
    assert not (tmp_path / "made.dump").exists()


def drill_databases(server: Server) -> list[str]:
    with psycopg.connect(server.url("postgres")) as connection:
        rows = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'harmony_drill%'")
        return [name for (name,) in rows]
