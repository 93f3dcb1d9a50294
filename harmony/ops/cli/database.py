"""`flask db backup/restore/check-file/mark-restored`, beside the commands of Flask-Migrate."""

from __future__ import annotations

from pathlib import Path

import click
from flask import Flask
from flask.cli import with_appcontext
from flask_migrate.cli import db as group

from harmony import atomic_file
from harmony.audit import COMMAND_LINE
from harmony.backup import at_once, drill, postgresql, sealed_keys
from harmony.backup import copies as backup
from harmony.backup.names import free_name
from harmony.clock import now
from harmony.config import current_settings
from harmony.db import sqlite_module
from harmony.jobs import caution
from harmony.ops import first_start, integrity_check, restore
from harmony.ops.cli import commands
from harmony.ops.migrate import DatabaseSilent, DatabaseTooNew, exclusive, head, migrate
from harmony.security.keys import SECRET_KEY_FILE, VAULT_KEYS_FILE

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
    for command in (back_up, restore_from, restore_keys, check_file, mark_restored, end_caution):
        group.add_command(command)


@with_appcontext
def upgrade(**options: object) -> None:
    """Migrate as a start does, which also refuses to make a new database in the place of a lost one."""
    try:
        integrity_check.refuse_unfit()
        first_start.refuse_lost()
        if options.get("sql") or options.get("revision") != "head":
            assert _UPGRADE_BY_ALEMBIC is not None  # Flask-Migrate's own
            with exclusive():
                _UPGRADE_BY_ALEMBIC(**options)
        else:
            migrate(now())
    except (integrity_check.DatabaseUnfit, DatabaseSilent, DatabaseTooNew) as error:
        raise click.ClickException(str(error)) from None
    first_start.end()


@click.command("backup")
@click.argument("file", type=_A_FILE, required=False)
@with_appcontext
def back_up(file: Path | None) -> None:
    """Copy the database to the new FILE, or beside itself. Harmony may run meanwhile."""
    try:
        copied, keys = at_once.back_up_with_keys(now(), file)
    except FileExistsError as error:
        raise click.ClickException(f"{error.filename or file} is there already; name a new file.") from None
    except at_once.KeysMissing as error:
        raise click.ClickException(str(error)) from None
    except (OSError, sqlite_module().Error, postgresql.NotDumped) as error:
        raise click.ClickException(f"The backup was not made ({error}).") from None
    apart = "Keep vault.keys apart from it: both together open the secrets."
    click.echo(f"The backup is in {copied}. " + (f"Its sealed keys are in {keys}." if keys else apart))


@click.command("restore")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--check", is_flag=True, help="Only prove that FILE could be restored; Harmony may run.")
@with_appcontext
def restore_from(file: Path, check: bool) -> None:
    """Replace the database by the backup in FILE; what it replaces is kept. Stop Harmony first."""
    if check:
        _check(file)
        return
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


def _check(file: Path) -> None:
    found = drill.check(file, now())
    if found.problems:
        raise click.ClickException(" ".join([f"{file} cannot be restored.", *found.problems]))
    rows = ", ".join(f"{name} {count:,}" for name, count in found.counts.items())
    step = f" Its migration step is {found.revision}." if found.revision else ""
    click.echo(f"{file} can be restored.{step}" + (f" Rows: {rows}." if rows else ""))
    if found.limit:
        click.echo(found.limit)


def _put_key(path: Path, text: str) -> None:
    if path.exists() and path.read_text(encoding="utf-8") != text:
        path.rename(free_name(path.parent, path.name, now(), "replaced"))
    atomic_file.create(path, text)


@click.command("restore-keys")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@with_appcontext
def restore_keys(file: Path) -> None:
    """Put the keys that are sealed in FILE back into the data folder; other keys there are renamed."""
    settings = current_settings()
    passphrase = settings.backup_passphrase or click.prompt("Passphrase", hide_input=True)
    try:
        keys = sealed_keys.open_sealed(file.read_text(encoding="utf-8"), passphrase)
        for name in (SECRET_KEY_FILE, VAULT_KEYS_FILE):
            _put_key(settings.data_dir / name, keys[name] + "\n")
    except (OSError, UnicodeDecodeError, KeyError, sealed_keys.KeysNotOpened) as error:
        raise click.ClickException(f"The keys were not restored ({error}).") from None
    click.echo(f"The keys are in {settings.data_dir}.")


@click.command("check-file")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True), required=False)
@with_appcontext
def check_file(file: Path | None) -> None:
    """Read every page of FILE, or of the database, and say whether it is sound."""
    try:
        file = file or backup.database_file()
        if postgresql.is_dump(file):
            postgresql.read_whole(file)
            click.echo(f"{file} was read to its end. `restore --check` tries it.")
            return
    except (OSError, backup.NoSqliteFile, postgresql.NotDumped) as error:
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
