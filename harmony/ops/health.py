"""`/healthz`: this process answers. `/readyz`: the product works, or the reasons why not."""

from __future__ import annotations

from datetime import datetime

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError

from harmony import clock
from harmony.clock import within
from harmony.config import current_settings
from harmony.db import db, sqlite_module
from harmony.jobs.process_identity import WORKER_SILENT_AFTER, worker_seen_at
from harmony.ops import disk
from harmony.ops.migrate import head, revision
from harmony.security.auth import public

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
@public
def healthz() -> ResponseReturnValue:
    """Answer 200 as long as the process answers at all."""
    return jsonify(status="ok")


@blueprint.get("/readyz")
@public
def readyz() -> ResponseReturnValue:
    """Answer 200, or 503 with the reasons: disks, database, migrations, worker.

    It is public: it names our own parts, never the version of a server that others may reach.
    """
    reasons = disk.problems(current_settings()) + problems(clock.now())
    return jsonify(
        status="not ready" if reasons else "ready",
        reasons=reasons,
        database=db.engine.dialect.name,
        sqlite=f"{sqlite_module().__name__.partition('.')[0]} {sqlite_module().sqlite_version}",
    ), 503 if reasons else 200


def problems(now: datetime) -> list[str]:
    """Return what keeps the product from working, in sentences; empty when all is well."""
    try:
        if revision() != head():
            return ["The database is not migrated to this version; start Harmony with `make run`."]
        seen = worker_seen_at(now)
    except SQLAlchemyError:
        db.session.rollback()
        return ["The database does not answer."]
    if seen is None or not within(seen, WORKER_SILENT_AFTER, now):
        return ["No worker has shown a sign of life within the last minute; devices are not synced."]
    return []
