"""`flask db backup/restore/check-file/mark-restored`, beside the commands of Flask-Migrate."""

from __future__ import annotations

from pathlib import Path

import click
from flask import Flask
from flask.cli import with_appcontext
from flask_migrate.cli import db as group

from harmony.audit import COMMAND_LINE
from harmony.clock import now
from harmony.db import sqlite_module
from harmony.jobs import caution
from harmony.ops import backup, first_start, integrity_check, restore
from harmony.ops.cli import commands
from harmony.ops.migrate import head

_UPGRADE = group.commands["upgrade"]
_UPGRADE_BY_ALEMBIC = _UPGRADE.callback
_UNTIL_CONFIRMED = (
    "No tag is written, no device deleted and no message sent until an administrator confirms: "
    "on the page of the banner, or by `flask --app app db end-caution`."
)
_A_FILE = click.Path(path_type=Path, dir_okay=False)


def register(_app: Flask) -> None:
    """Offer the commands; Flask-Migrate offers its group to every application that has it."""
    _UPGRADE.callback = upgrade
    for command in (back_up, restore_from, check_file, mark_restored, end_caution):
        group.add_command(command)


@with_appcontext
def upgrade(**options: object) -> None:
    """Refuse what a start refuses: `db upgrade` would make a new database in the place of a lost one."""
    try:
        integrity_check.refuse_unfit()
        first_start.refuse_lost()
    except integrity_check.DatabaseUnfit as error:
        raise click.ClickException(str(error)) from None
    assert _UPGRADE_BY_ALEMBIC is not None  # Flask-Migrate's own
    _UPGRADE_BY_ALEMBIC(**options)
    first_start.end()


@click.command("backup")
@click.argument("file", type=_A_FILE, required=False)
@with_appcontext
def back_up(file: Path | None) -> None:
    """Copy the database to the new FILE, or beside itself. Harmony may run meanwhile."""
    try:
        copied = backup.back_up(now(), file)
    except FileExistsError:
        raise click.ClickException(f"{file} is there already; name a new file.") from None
    except (OSError, sqlite_module().Error) as error:
        raise click.ClickException(f"The backup was not made ({error}).") from None
    except backup.NoSqliteFile as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"The backup is in {copied}. Keep vault.keys apart from it: both together open the secrets.")


@click.command("restore")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@with_appcontext
def restore_from(file: Path) -> None:
    """Replace the database by the backup in FILE; what it replaces is kept. Stop Harmony first."""
    try:
        kept = restore.restore(file, now())
    except (restore.NotRestored, backup.NoSqliteFile) as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"The backup could not be put in place ({error}).") from None
    click.echo(f"The database is restored from {file}.")
    if kept:
        click.echo(f"The replaced one is kept in {kept}.")
    click.echo(_UNTIL_CONFIRMED)


@click.command("check-file")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True), required=False)
@with_appcontext
def check_file(file: Path | None) -> None:
    """Read every page of FILE, or of the database, and say whether it is sound."""
    try:
        file = file or backup.database_file()
    except backup.NoSqliteFile as error:
        raise click.ClickException(str(error)) from None
    found = backup.examine(file)
    if found.problems:
        raise click.ClickException(" ".join([f"{file}:", *found.problems]))
    newest = "this version's" if found.revision == head() else f"this version's is {head()}"
    click.echo(f"{file} is sound. Its migration step is {found.revision}, {newest}.")


@click.command("end-caution")
@with_appcontext
def end_caution() -> None:
    """Confirm a restore: tags are written, devices deleted and messages sent again."""
    commands.need_this_version()
    ended = caution.end(COMMAND_LINE, now())
    click.echo("The caution mode has ended." if ended else "There was no caution mode.")


@click.command("mark-restored")
@with_appcontext
def mark_restored() -> None:
    """Say that the database was restored by other means, such as pg_restore or a copied file."""
    commands.need_this_version()
    count = restore.mark_restored(now())
    click.echo(f"Marked {count}. {_UNTIL_CONFIRMED}")
