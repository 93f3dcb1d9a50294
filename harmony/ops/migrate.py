"""Brings the database to this version: Alembic, one transaction for all steps, a backup before them."""

from __future__ import annotations

import logging
from datetime import datetime
from functools import cache
from pathlib import Path

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask
from flask_migrate import Migrate, upgrade
from sqlalchemy.exc import OperationalError

from harmony.backup import postgresql
from harmony.backup.copies import back_up
from harmony.config import current_settings
from harmony.db import db, is_sqlite, write
from harmony.models import search_index

log = logging.getLogger(__name__)

SCRIPTS = Path(__file__).resolve().parent.parent / "migrations"


class DatabaseTooNew(Exception):
    """The database was written by a newer version of Harmony; this one must not touch it."""


class DatabaseSilent(Exception):
    """The database cannot be reached, or does not answer. Two sentences, without the password."""


def init_app(app: Flask) -> None:
    """Offer `flask db …`, and say where the migrations stand."""
    Migrate(app, db, directory=_location(), render_as_batch=True)


def migrate(now: datetime) -> None:
    """Create or upgrade the database.

    Raises DatabaseTooNew when it knows a step that we do not, DatabaseSilent when it does not answer.
    """
    current = answered_revision()
    db.session.rollback()
    if current == head():
        _complete()
        return
    if current is not None:
        if current not in known_revisions():
            raise DatabaseTooNew(
                "A newer version of Harmony wrote this database; start that version, or restore a backup."
            )
        _keep(now)
    upgrade(directory=_location())


def _complete() -> None:
    """Make the index of search texts if a newer SQLite, or the administrator of PostgreSQL, allows it now."""
    if not search_index.is_there(db.session.connection()):
        with write() as session:
            search_index.create(session.connection())
    db.session.rollback()


def answered_revision() -> str | None:
    """The same as `revision`; raises DatabaseSilent when there is no answer."""
    try:
        return revision()
    except OperationalError as error:
        why = str(error.orig).strip().partition("\n")[0]
        raise DatabaseSilent(f"The database does not answer ({why}). Check HARMONY_DATABASE_URL.") from None


def _keep(now: datetime) -> None:
    if is_sqlite():
        back_up(now)
    else:
        target = current_settings().data_dir / f"harmony-{now:%Y%m%dT%H%M%SZ}.backup.dump"
        try:
            postgresql.dump(target)
        except postgresql.NotDumped as error:
            log.warning("PostgreSQL is upgraded without a backup: %s", error)


def revision() -> str | None:
    """Return the step the database is at; None when it is empty."""
    return MigrationContext.configure(db.session.connection()).get_current_revision()


def head() -> str | None:
    """Return the step this version needs."""
    return _scripts().get_current_head()


def known_revisions() -> frozenset[str]:
    """Return every step this version knows."""
    return frozenset(script.revision for script in _scripts().walk_revisions())


def _location() -> str:
    """Return the folder as Alembic wants it: in its ConfigParser a lone `%` begins another option's name."""
    return str(SCRIPTS).replace("%", "%%")


@cache
def _scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", _location())
    return ScriptDirectory.from_config(config)
