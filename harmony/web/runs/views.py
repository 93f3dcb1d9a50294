"""The runs of an integration: all of them, one with all that is known of it, the devices behind a number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from flask import Blueprint, abort, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import Row, select

from harmony.config import current_settings
from harmony.db import db
from harmony.jobs.kinds import KINDS, JobKind
from harmony.models import Hold, HoldState, Integration, JobRun, SyncRunState
from harmony.security.permissions import Permission, needs
from harmony.sync.snapshot import SKIPPED_ROWS_KEPT
from harmony.web.deletions.text import BADGES
from harmony.web.runs import queries as run_queries
from harmony.web.runs.queries import (
    BEHIND,
    FILTERS,
    NAMES,
    RUNS_NEWEST_FIRST,
    SKIPPED_NEWEST_FIRST,
    SYNC_NAMES,
    length,
)
from harmony.web.shared.csv_export import csv_file, narrowed
from harmony.web.shared.filters import Filters
from harmony.web.shared.shared_answers import shared_while_running

blueprint = Blueprint("runs", __name__, url_prefix="/integrations/<int:integration_id>")

_READ = ("pages_read", "devices_read")
# Each name once, in the order of the kinds.
_COUNTS = tuple(dict.fromkeys([*_READ, *(name for spec in KINDS.values() for name in spec.words.counts)]))
_FIRST = ("state", "started_by", "started_at", "finished_at")
_LAST = ("calls", "quota_left", "quota_limit", "version", "reason", "advice")
_FILE_HEADER = ("id", "job", "kind", *_FIRST, *_COUNTS, *_LAST)


@blueprint.get("/runs")
def index(integration_id: int) -> ResponseReturnValue:
    """Show a page of runs, newest first."""
    integration = db.get_or_404(Integration, integration_id)
    filters, place = _filters(integration_id), RUNS_NEWEST_FIRST.place(request.args)
    return render_template(
        "runs/index.html",
        integration=integration,
        filters=filters,
        place=place,
        page=RUNS_NEWEST_FIRST.page(run_queries.runs(integration_id, filters), place),
        states=[state.value for state in SyncRunState],
        sync_names=SYNC_NAMES,
        kept_days=current_settings().runs_kept_days,
        **run_queries.table_context(),
    )


@blueprint.post("/runs.csv")
@needs(Permission.VIEW_ALL)
def export(integration_id: int) -> ResponseReturnValue:
    """Send the same runs as a file, all pages of them."""
    db.get_or_404(Integration, integration_id)
    filters, name = _filters(integration_id), f"harmony-runs-{integration_id}"
    rows, detail = (
        _file_lines(RUNS_NEWEST_FIRST.every(run_queries.runs(integration_id, filters))),
        narrowed(filters),
    )
    return csv_file(
        name, _FILE_HEADER, rows, event="Exported runs", detail=detail, integration_id=integration_id
    )


@blueprint.get("/runs/<int:run_id>")
def show(integration_id: int, run_id: int) -> ResponseReturnValue:
    """Show one run: how it went, what it did, what it skipped."""
    return render_template("runs/show.html", **_context(_run(integration_id, run_id)))


@blueprint.get("/runs/<int:run_id>/status")
@shared_while_running
def status(integration_id: int, run_id: int) -> ResponseReturnValue:
    """Show the part of the page that changes while it runs; only then does it ask for itself again."""
    return render_template("runs/_run.html", **_context(_run(integration_id, run_id)))


@blueprint.get("/runs/<int:run_id>/devices")
def devices(integration_id: int, run_id: int) -> ResponseReturnValue:
    """Show the devices behind one number of a device sync."""
    run = _run(integration_id, run_id)
    if run.kind != JobKind.DEVICES:
        abort(404)
    number = run_queries.number_asked_for(run, request.args.get("kind"))
    query, order = run_queries.devices(run, number)
    place = order.place(request.args)
    return render_template(
        "runs/devices.html",
        integration=db.session.get_one(Integration, integration_id),
        run=run,
        names=NAMES,
        number=number,
        numbers=BEHIND,
        place=place,
        page=order.page(query, place),
    )


def _filters(integration_id: int) -> Filters:
    return Filters.from_query(FILTERS, request.args, integration_id=integration_id)


def _run(integration_id: int, run_id: int) -> JobRun:
    run = db.get_or_404(JobRun, run_id)
    return run if run.integration_id == integration_id else abort(404)


def _context(run: JobRun) -> dict[str, Any]:
    place = SKIPPED_NEWEST_FIRST.place(request.args)
    hold = db.session.scalar(select(Hold).where(Hold.run_id == run.id).order_by(Hold.id.desc()).limit(1))
    return {
        "integration": db.session.get_one(Integration, run.integration_id),
        "run": run,
        "names": NAMES,
        "words": KINDS[JobKind(run.kind)].words,
        "length": length(run.started_at, run.finished_at),
        "behind": {name: _behind(run, name) for name in BEHIND} if run.kind == JobKind.DEVICES else {},
        "hold": hold,
        "hold_badge": BADGES[HoldState(hold.state)] if hold else None,
        "skipped": SKIPPED_NEWEST_FIRST.page(run_queries.skipped(run), place),
        "skipped_kept": SKIPPED_ROWS_KEPT,
    }


def _behind(run: JobRun, name: str) -> str | None:
    """Return where the devices of a number are listed; a number that counts nothing leads nowhere."""
    if not run.count(name):
        return None
    return url_for("runs.devices", integration_id=run.integration_id, run_id=run.id, kind=name)


def _file_lines(rows: Iterable[Row[Any]]) -> Iterator[tuple[object, ...]]:
    """Yield a line for each run, in the columns of `_FILE_HEADER`."""
    for row in rows:
        first, last = (getattr(row, name) for name in _FIRST), (getattr(row, name) for name in _LAST)
        counts = (row.counts.get(name, 0) for name in _COUNTS)
        yield (row.id, row.kind, row.sync_kind, *first, *counts, *last)
