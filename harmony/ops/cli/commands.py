"""Commands that need the database as this version has it; on any other they say what to do."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import click
from flask.cli import AppGroup

from harmony.db import release
from harmony.ops import doctor_checks, migrate


class _Group(AppGroup):
    """Looks at the database when a command runs, so that its help is there before the first start."""

    def command(  # type: ignore[override]  # always with parentheses here
        self, *args: Any, **kwargs: Any
    ) -> Callable[[Callable[..., Any]], click.Command]:
        register = super().command(*args, **kwargs)

        def add(function: Callable[..., Any]) -> click.Command:
            @wraps(function)
            def checked(*values: Any, **options: Any) -> Any:
                need_this_version()
                return function(*values, **options)

            return register(checked)

        return add


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
