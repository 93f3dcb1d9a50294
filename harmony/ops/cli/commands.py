"""Commands that need the database as this version has it; on any other they say what to do."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import click
from flask.cli import AppGroup, with_appcontext

from harmony.db import release
from harmony.ops import doctor_checks, migrate


class _Group(AppGroup):
    """Looks at the database when a command runs, so that its help is there before the first start."""

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        assert cmd.callback is not None  # these are commands, and no groups
        cmd.callback = _checked(cmd.callback)
        super().add_command(cmd, name)


def _checked(callback: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(callback)
    def checked(*values: Any, **options: Any) -> Any:
        need_this_version()
        return callback(*values, **options)

    return with_appcontext(checked)


def group(name: str, help: str) -> AppGroup:
    """Return a group of such commands."""
    return _Group(name, help=help)


def need_this_version() -> None:
    """Raises a ClickException before a command meets tables that are not there."""
    try:
        current = migrate.answered_revision()
    except migrate.DatabaseSilent as silent:
        raise click.ClickException(str(silent)) from None
    release()
    if current != migrate.head():
        found = doctor_checks.step(current, migrate.head(), migrate.known_revisions())
        raise click.ClickException(f"{found.sentence} {found.advice}")
