"""The pages of a duty, the app sync or tagging: where it stands, its runs, starting and cancelling it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from harmony.clock import now
from harmony.config import current_settings
from harmony.db import db
from harmony.jobs import control, lease
from harmony.jobs.queue import ring
from harmony.models import DutyName, DutyRun, Integration
from harmony.web.runs import job_status
from harmony.web.runs.queries import length
from harmony.web.shared.banners import waits_for_worker
from harmony.web.shared.integration_or_404 import connected
from harmony.web.shared.newest_first import Place, Query, page_of

blueprint = Blueprint("duties", __name__, url_prefix="/integrations/<int:integration_id>/duties/<name>")


@blueprint.get("")
def index(integration_id: int, name: str) -> ResponseReturnValue:
    """Where it stands, and its runs, newest first."""
    return render_template("duties/index.html", **_context(*_found(integration_id, name)))


@blueprint.get("/status")
def status(integration_id: int, name: str) -> ResponseReturnValue:
    """The part of the page that changes while it runs; only then does it ask for itself again."""
    return render_template("duties/_status.html", **_context(*_found(integration_id, name)))


@blueprint.get("/runs/<int:run_id>")
def show(integration_id: int, name: str, run_id: int) -> ResponseReturnValue:
    """One run: how it ended and what it did."""
    integration, duty = _found(integration_id, name)
    run = db.get_or_404(DutyRun, run_id)
    if (run.integration_id, run.duty) != (integration_id, duty):
        abort(404)
    took = length(run.started_at, run.finished_at)
    words = job_status.WORDS[duty]
    return render_template(
        "duties/run.html", integration=integration, name=duty, words=words, run=run, length=took
    )


@blueprint.post("/run")
def run_now(integration_id: int, name: str) -> ResponseReturnValue:
    """Due at once, and the worker is rung; else the page says why not."""
    integration, duty = _wanted(integration_id, name)
    if not lease.request(integration_id, duty, g.user.name, now()):
        flash(job_status.why_not(integration, duty), "warning")
    elif waits := waits_for_worker(integration, now(), job_status.WORDS[duty].title):
        flash(waits, "warning")
    ring(duty, integration_id)
    return _back(integration_id, duty)


@blueprint.post("/cancel")
def cancel(integration_id: int, name: str) -> ResponseReturnValue:
    """The run under way ends within seconds; the next one comes as planned."""
    _, duty = _wanted(integration_id, name)
    if control.cancel(integration_id, duty, g.user.name, now()):
        flash("Cancelled. What was done before was kept.", "success")
    else:
        flash("There was nothing to cancel any more; it has just ended.", "info")
    return _back(integration_id, duty)


def _name(text: str) -> DutyName:
    return DutyName(text) if text in set(DutyName) else abort(404)


def _found(integration_id: int, name: str) -> tuple[Integration, DutyName]:
    return db.get_or_404(Integration, integration_id), _name(name)


def _wanted(integration_id: int, name: str) -> tuple[Integration, DutyName]:
    """As `_found`, for what can only be done to a link to a UEM."""
    return connected(integration_id), _name(name)


def _runs(integration_id: int, name: DutyName) -> Query:
    columns = (
        DutyRun.id, DutyRun.state, DutyRun.started_by, DutyRun.started_at, DutyRun.finished_at,
        DutyRun.counts, DutyRun.calls, DutyRun.reason,
    )  # fmt: skip
    mine = (DutyRun.integration_id == integration_id, DutyRun.duty == name)
    query: Query = select(*columns).where(*mine)
    return query


def _context(integration: Integration, name: DutyName) -> dict[str, Any]:
    place = Place.from_query(request.args)
    return {
        "page": page_of(_runs(integration.id, name), DutyRun.id, place),
        "place": place,
        "length": length,
        "kept_days": current_settings().runs_kept_days,
        "integration": integration,
        "standing": job_status.standing(integration, name),
        "every": control.interval(integration, name),
        "share": job_status.share(integration, now()) if name is DutyName.APPS else None,
    }


def _back(integration_id: int, name: DutyName) -> ResponseReturnValue:
    return redirect(url_for("duties.index", integration_id=integration_id, name=name), 303)
