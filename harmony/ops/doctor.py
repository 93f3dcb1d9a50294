"""`flask doctor`: checks everything the product depends on, a line for each."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from shlex import quote
from typing import Any

import click
from flask import Flask, current_app
from flask.cli import with_appcontext
from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError

from harmony import clock
from harmony.audit import verify as audit_trail
from harmony.backup import schedule
from harmony.config import Settings, current_settings
from harmony.db import SAFE_SQLITE, db, is_sqlite, release
from harmony.jobs import lease
from harmony.jobs.kinds import JobKind
from harmony.jobs.presence import WORKER_SILENT_AFTER, worker_seen_at
from harmony.models import Integration, JobRun, VaultCanary
from harmony.models.search_index import is_there
from harmony.ops import doctor_checks
from harmony.ops.doctor_checks import Diagnosis, Level, SqliteInUse
from harmony.ops.migrate import head, known_revisions, revision
from harmony.security.vault import VaultLocked, vault
from harmony.setup.secrets import CANARY

_OVERDUE_AFTER = timedelta(minutes=10)


def register(app: Flask) -> None:
    """Offer the command."""
    app.cli.add_command(doctor)


@click.command("doctor")
@with_appcontext
def doctor() -> None:
    """Check everything that Harmony depends on; exits with status 1 if there is a problem."""
    found = list(_diagnose(clock.now()))
    for diagnosis in found:
        click.echo(str(diagnosis))
    if any(diagnosis.level is Level.PROBLEM for diagnosis in found):
        raise SystemExit(1)


def _diagnose(now: datetime) -> Iterator[Diagnosis]:
    """Yield every diagnosis; those that need the database only when it answers and is of this version."""
    yield from _files(current_settings())
    if current_settings().has_shared_queue:
        yield Diagnosis(Level.OK, "The queue is in the database.")
    else:
        yield doctor_checks.sqlite(queue_sqlite(), SAFE_SQLITE)
    try:
        yield _database()
        at = doctor_checks.step(revision(), head(), known_revisions())
        yield at
        if at.level is Level.OK:
            yield doctor_checks.search(is_there(db.session.connection()), is_sqlite())
            yield from _rows(now)
    except SQLAlchemyError:
        advice = "Check HARMONY_DATABASE_URL, and whether the disk is full."
        yield Diagnosis(Level.PROBLEM, "The database does not answer.", advice)
    finally:
        release()


def queue_sqlite() -> SqliteInUse:
    """Ask Huey's own connection to the queue's file."""
    storage = current_app.extensions["harmony.queue"].storage
    version, journal = (
        storage.sql(question, results=True)[0][0]
        for question in ("SELECT sqlite_version()", "PRAGMA journal_mode")
    )
    return SqliteInUse("The queue", _module_of(storage.conn), _numbers(version), journal)


def _database_sqlite() -> SqliteInUse:
    """Ask a connection of the pool."""
    version = db.session.scalar(text("SELECT sqlite_version()"))
    journal = db.session.scalar(text("PRAGMA journal_mode"))
    raw = db.session.connection().connection.dbapi_connection
    return SqliteInUse("The database", _module_of(raw), _numbers(str(version)), str(journal))


def _module_of(connection: Any) -> str:
    """Return the package that a connection comes from: `pysqlite3`, or the standard library's `sqlite3`."""
    return type(connection).__module__.partition(".")[0].removeprefix("_")


def _numbers(version: str) -> tuple[int, ...]:
    """Return `3.51.3` as numbers that compare."""
    return tuple(int(part) for part in version.split("."))


def _database() -> Diagnosis:
    if is_sqlite():
        return doctor_checks.sqlite(_database_sqlite(), SAFE_SQLITE)
    version, encoding = (
        str(db.session.scalar(text(f"SHOW {name}"))) for name in ("server_version", "server_encoding")
    )
    return doctor_checks.postgresql(version, encoding)


def _files(settings: Settings) -> Iterator[Diagnosis]:
    folder = settings.data_dir
    files = [path for path in folder.iterdir() if path.is_file()]
    files += [path for path in (settings.database_file, settings.queue_file) if path and path.exists()]
    wrong = [f"chmod 700 {quote(str(folder))}"] if _is_open(folder) else []
    wrong += [f"chmod 600 {quote(str(path))}" for path in sorted(set(files)) if _is_open(path)]
    yield doctor_checks.modes(wrong, os.access(folder, os.W_OK))
    place = settings.database_file
    size = place.stat().st_size if place and place.exists() else 0
    yield doctor_checks.space(shutil.disk_usage(place.parent if place else folder).free, size)


def _is_open(path: Path) -> bool:
    return bool(stat.S_IMODE(path.stat().st_mode) & 0o077)


def _rows(now: datetime) -> Iterator[Diagnosis]:
    yield doctor_checks.keys(_canary_opens())
    trail = audit_trail.verify()
    yield doctor_checks.audit_trail(trail.entries, trail.problem)
    settings = current_settings()
    newest = schedule.made_at(schedule.folder_of(settings))
    yield doctor_checks.backup(newest, settings.backup_hours, now)
    seen = worker_seen_at(now)
    yield doctor_checks.worker(seen, now, WORKER_SILENT_AFTER)
    beat = db.session.scalar(select(func.max(JobRun.heartbeat_at)))
    yield doctor_checks.clock(now, max((at for at in (seen, beat) if at), default=None))
    late = lease.due_of(JobKind.DEVICES, now - _OVERDUE_AFTER)
    names = select(Integration.name).where(Integration.id.in_(late)).order_by(Integration.name)
    yield doctor_checks.overdue(db.session.scalars(names).all(), _OVERDUE_AFTER)


def _canary_opens() -> bool | None:
    canary = db.session.scalar(select(VaultCanary))
    if canary is None:
        return None
    try:
        return vault().open(canary.sealed, CANARY) == CANARY
    except VaultLocked:
        return False
