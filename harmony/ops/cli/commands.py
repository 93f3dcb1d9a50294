"""Commands that need the database as this version has it; on any other they say what to do."""

from __future__ import annotations

import click
from flask.cli import AppGroup, with_appcontext

from harmony.db import release
from harmony.ops import doctor_checks, migrate


def group(name: str, help: str) -> AppGroup:
    """Return a group of such commands."""
    return AppGroup(name, help=help, callback=with_appcontext(need_this_version))


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
