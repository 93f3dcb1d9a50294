"""`/healthz`: this process answers. `/readyz`: the product works, or the reasons why not."""

from __future__ import annotations

import os
import tempfile
from datetime import datetime
from pathlib import Path

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError

from harmony import clock
from harmony.clock import within
from harmony.config import Settings, current_settings
from harmony.config.version import VERSION
from harmony.db import db, sqlite_module
from harmony.jobs.presence import WORKER_SILENT_AFTER, worker_seen_at
from harmony.ops.migrate import is_served
from harmony.security.auth import public

_PROBE = bytes(16 * 1024)
# Less is as good as nothing: the next commits of a sync would fill it.
_TOO_LITTLE = 2 * 1024 * 1024

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
@public
def healthz() -> ResponseReturnValue:
    """Answer 200 as long as the process answers at all, with its version."""
    return jsonify(status="ok", version=VERSION)


@blueprint.get("/readyz")
@public
def readyz() -> ResponseReturnValue:
    """Answer 200, or 503 with the reasons: disks, database, migrations, worker.

    It is public: it names our own parts, never the version of another server.
    """
    reasons = _disk_problems(current_settings()) + _service_problems(clock.now())
    return jsonify(
        status="not ready" if reasons else "ready",
        reasons=reasons,
        database=db.engine.dialect.name,
        sqlite=f"{sqlite_module().__name__.partition('.')[0]} {sqlite_module().sqlite_version}",
    ), 503 if reasons else 200


def _service_problems(now: datetime) -> list[str]:
    """Return what keeps the product from working, in sentences; empty when all is well."""
    try:
        if not is_served():
            return ["The database is not migrated to this version; start Harmony with `make run`."]
        seen = worker_seen_at(now)
    except SQLAlchemyError:
        db.session.rollback()
        return ["The database does not answer."]
    if seen is None or not within(seen, WORKER_SILENT_AFTER, now):
        return ["No worker has sent a heartbeat within the last minute; devices are not synced."]
    return []


def _disk_problems(settings: Settings) -> list[str]:
    """Name what cannot be written, and why. No paths: the page that asks is public."""
    found = []
    for folder, name in _places(settings).items():
        if why := write_refusal(folder):
            found.append(f"The disk of the {name} cannot be written: {why}.")
    return found


def write_refusal(folder: Path) -> str:
    """Return why nothing more can be stored in `folder`; "" when it can. Writes and removes a few bytes."""
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(_PROBE)
            probe.flush()
        system = os.statvfs(folder)
    except OSError as error:
        return error.strerror or type(error).__name__
    # Some file systems over a network know no sizes.
    if system.f_blocks and system.f_bavail * system.f_frsize < _TOO_LITTLE:
        return f"less than {_TOO_LITTLE // 1024**2} MiB are free"
    return ""


def _places(settings: Settings) -> dict[Path, str]:
    """Return each folder once, with the first of what lies in it."""
    database = settings.database_file
    named = [
        (settings.data_dir, "data folder"),
        *([] if settings.has_shared_queue else [(settings.queue_file.parent, "queue")]),
        (Path(tempfile.gettempdir()), "temporary files"),
    ]
    first = [(database.parent, "database")] if database else []
    return dict(reversed(first + named))
