"""Brings the database to this version: Alembic, one transaction for all steps, a backup before them."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from pathlib import Path

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask
from flask_migrate import Migrate, upgrade
from sqlalchemy import func, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from harmony.backup import at_once, postgresql
from harmony.db import db, is_sqlite, write
from harmony.models import Installation, search_index

log = logging.getLogger(__name__)

# An advisory lock of its own: the one of writers is taken by each step.
_MIGRATION_LOCK = int.from_bytes(b"Migrate")
_LOOK_AGAIN_SECONDS = 1.0

SELECT_SERVES_FROM = "SELECT serves_from FROM installation"
# The oldest step whose program can work on the schema as the newest step leaves it. A step that only adds
# leaves it; one that takes away or renames what a former version uses sets it to itself.
SERVES_FROM = "0042"
_UPSERT_SERVES_FROM = (
    f"INSERT INTO installation (id, serves_from) VALUES (1, '{SERVES_FROM}') "  # noqa: S608 - a step of ours
    "ON CONFLICT (id) DO UPDATE SET serves_from = excluded.serves_from"
)

SCRIPTS = Path(__file__).resolve().parent.parent / "migrations"


class DatabaseTooNew(Exception):
    """The database was written by a newer version of Harmony; this one must not touch it."""


class DatabaseSilent(Exception):
    """The database cannot be reached, or does not answer. Two sentences, without the password."""


def init_app(app: Flask) -> None:
    """Offer `flask db …`, and say where the migrations stand."""
    Migrate(app, db, directory=_location(), on_version_apply=_note_who_is_served)


def migrate(now: datetime) -> None:
    """Create or upgrade the database.

    Raises DatabaseTooNew when it knows a step that we do not, DatabaseSilent when it does not answer.
    """
    if _is_complete():
        return
    with exclusive():
        if not _is_complete():
            if revision() is not None:
                db.session.rollback()
                _keep(now)
            db.session.rollback()
            upgrade(directory=_location())


def _is_complete() -> bool:
    """Tell whether nothing is to be migrated. Raises DatabaseTooNew and DatabaseSilent."""
    current = answered_revision()
    db.session.rollback()
    if current == head():
        _complete()
        return True
    if current is None or current in known_revisions():
        return False
    if is_served():
        log.warning("A newer version of Harmony has migrated the database; this one can still work on it.")
        return True
    raise DatabaseTooNew(
        "A newer version of Harmony wrote this database; start that version, or restore a backup."
    )


def is_served() -> bool:
    """Tell whether the database's schema, however new, still serves this version."""
    try:
        at = revision()
        if at == head() or at is None or at in known_revisions():
            return at == head()
        oldest = db.session.scalar(text(SELECT_SERVES_FROM))
    finally:
        db.session.rollback()
    return oldest in known_revisions()


def _note_who_is_served(*, ctx: MigrationContext, heads: Collection[str], **_: object) -> None:
    """Write for which former versions the newest schema still serves, in the transaction that leads to it."""
    if ctx.connection is not None and head() in heads:
        ctx.connection.execute(text(_UPSERT_SERVES_FROM))


def installation(session: Session) -> Installation:
    """Return the one row about the installation, inside the caller's `write()`."""
    row = session.get(Installation, 1)
    if row is None:
        row = Installation(id=1, serves_from=SERVES_FROM)
        session.add(row)
    return row


@contextmanager
def exclusive() -> Iterator[None]:
    """Let one machine back up and migrate; others wait until it has, however long that takes."""
    if is_sqlite():
        yield
        return
    with db.engine.connect() as connection:
        while not connection.scalar(select(func.pg_try_advisory_lock(_MIGRATION_LOCK))):
            log.warning("Another node migrates the database; waiting for it.")
            connection.rollback()
            time.sleep(_LOOK_AGAIN_SECONDS)
        connection.commit()  # the lock is the session's, and ends with it however the process dies
        try:
            yield
        finally:
            connection.scalar(select(func.pg_advisory_unlock(_MIGRATION_LOCK)))
            connection.commit()


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
    try:
        at_once.back_up(now)
    except (OSError, postgresql.NotDumped) as error:
        if is_sqlite():
            raise
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
