"""Every command of `flask`: documented, for whoever owns the machine, and recorded as such (rung: shell)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click import Command, Group, Option
from flask import Flask
from sqlalchemy import select

from harmony import create_app
from harmony.audit import COMMAND_LINE
from harmony.clock import now
from harmony.config import Settings
from harmony.db import db
from harmony.models import AuditEntry, Role
from harmony.ops import migrate
from harmony.security import user_changes, users
from harmony.security.users import create_user

RUNNING = Path(__file__).parents[2] / "docs/running.md"
PASSWORD = "eleven quiet lanterns over Oslo"
# Those that change something, as somebody types them, and whether they ask for a password.
CHANGES = {
    "users add": "users add ann --role viewer",
    "users invite": "users invite ann --role viewer",
    "users reset": "users reset kim",
    "users disable": "users disable kim",
    "users enable": "users enable kim",
    "users reset-factors": "users reset-factors kim",
    "secrets rotate": "secrets rotate",
}
# Those that read, or copy files.
READS = {
    "audit verify", "doctor", "integrations export", "integrations list", "integrations plan", "users list",
    "sync preview", "db backup", "db check-file",
}  # fmt: skip
# Those that need more than an empty database, and the test that runs them.
ELSEWHERE = {
    "db upgrade": "ops/test_first_start.py",
    "integrations apply": "ops/test_configuration_file.py",
    "sync run": "ops/test_commands.py",
    "protect simulate": "ops/test_simulate.py",
    "db restore": "ops/test_restore.py",
    "db restore-keys": "ops/test_scheduled_backup.py",
    "db end-caution": "ops/test_caution.py",
    "db mark-restored": "ops/test_caution.py",
}
# Flask's own, and those of its extensions.
FOREIGN = {"run", "shell", "routes"}


def names(group: Group, before: str = "") -> Iterator[str]:
    """Every command below a group, as it is typed."""
    for name, command in group.commands.items():
        if isinstance(command, Group):
            yield from names(command, f"{before}{name} ")
        elif isinstance(command, Command):
            yield f"{before}{name}"


def ours(app: Flask) -> set[str]:
    foreign = {name for name in names(app.cli) if _module(app, name).startswith(("flask.", "flask_migrate."))}
    return set(names(app.cli)) - foreign - FOREIGN


def _module(app: Flask, name: str) -> str:
    return getattr(_command(app, name).callback, "__module__", "") or ""


def _command(app: Flask, name: str) -> Command:
    command: Command = app.cli
    for part in name.split():
        assert isinstance(command, Group)
        command = command.commands[part]
    return command


def test_every_command_is_one_of_these(app: Flask) -> None:
    assert ours(app) == {*CHANGES, *READS, *ELSEWHERE}
    tests = RUNNING.parents[1] / "tests"
    assert [file for file in ELSEWHERE.values() if not (tests / file).is_file()] == []


def test_every_command_is_described(app: Flask) -> None:
    text = RUNNING.read_text("utf-8")
    missing = [
        name for name in ours(app) if f"app {name}" not in text and f"`{name.split()[-1]} " not in text
    ]
    assert missing == []


def test_the_help_of_every_command_and_option_is_there_before_the_first_start(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate, "answered_revision", lambda: None)
    for name in ours(app):
        said = app.test_cli_runner().invoke(args=[*name.split(), "--help"])
        assert said.exit_code == 0, said.output
        options = [each for each in _command(app, name).params if isinstance(each, Option)]
        assert [each.name for each in options if not each.help] == [], name
    refused = app.test_cli_runner().invoke(args=["users", "list"])
    assert refused.exit_code == 1
    assert "Start Harmony" in refused.output


def test_another_application_in_the_process_changes_no_command(app: Flask, tmp_path: Path) -> None:
    before = {name: _command(app, name).callback for name in ours(app)}
    other = create_app(Settings(data_dir=tmp_path))
    assert {name: _command(other, name).callback for name in ours(other)} == before


@pytest.mark.parametrize("name", CHANGES)
def test_a_command_that_changes_something_needs_no_role_and_is_recorded(app: Flask, name: str) -> None:
    with app.app_context():
        create_user("kim", PASSWORD, Role.ADMINISTRATOR, now())
        create_user("lee", PASSWORD, Role.ADMINISTRATOR, now())
        if name == "users enable":
            kim = users.find("kim")
            assert kim is not None
            user_changes.disable(kim.id, "lee", now())
    said = app.test_cli_runner().invoke(args=CHANGES[name].split(), input=f"{PASSWORD} 2\n" * 2)
    assert said.exit_code == 0, said.output
    with app.app_context():
        newest = select(AuditEntry.who).order_by(AuditEntry.id.desc()).limit(1)
        assert db.session.scalar(newest) == COMMAND_LINE
