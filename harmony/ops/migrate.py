"""Brings the database to this version: Alembic, one transaction a step, a backup before any change."""

from __future__ import annotations

import os
from datetime import datetime
from functools import cache
from pathlib import Path

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask, current_app
from flask_migrate import Migrate, upgrade

from harmony.config import Settings
from harmony.db import db, sqlite_module

SCRIPTS = Path(__file__).resolve().parent.parent / "migrations"


class DatabaseTooNew(Exception):
    """The file was written by a newer version of Harmony; this one must not touch it."""


def init_app(app: Flask) -> None:
    """Offer `flask db …`, and say where the migrations stand."""
    Migrate(app, db, directory=str(SCRIPTS), render_as_batch=True)


def migrate(now: datetime) -> None:
    """Create or upgrade the database. Raises DatabaseTooNew when it knows a step that we do not."""
    current = revision()
    db.session.rollback()
    if current == head():
        return
    if current is not None:
        if current not in known_revisions():
            raise DatabaseTooNew(
                "A newer version of Harmony wrote this database; start that version, or restore a backup."
            )
        back_up(now)
    upgrade(directory=str(SCRIPTS))


def revision() -> str | None:
    """The step the database is at; None when it is empty."""
    return MigrationContext.configure(db.session.connection()).get_current_revision()


def head() -> str | None:
    """The step this version needs."""
    return _scripts().get_current_head()


def known_revisions() -> frozenset[str]:
    """Every step this version knows."""
    return frozenset(script.revision for script in _scripts().walk_revisions())


def back_up(now: datetime) -> Path:
    """Copy the database beside itself with SQLite's own backup, readable by the owner only."""
    settings: Settings = current_app.extensions["harmony.settings"]
    target = settings.database_file.with_name(f"{settings.database_file.stem}-{now:%Y%m%dT%H%M%SZ}.backup.db")
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    sqlite = sqlite_module()
    source, copy = sqlite.connect(settings.database_file), sqlite.connect(target)
    try:
        source.backup(copy)
    finally:
        copy.close()
        source.close()
    return target


@cache
def _scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    return ScriptDirectory.from_config(config)
