"""The pages of a job: its status and its runs, starting and cancelling it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from harmony.clock import now
from harmony.config import current_settings
from harmony.db import db
from harmony.jobs import control, lease, runs
from harmony.jobs.kinds import KINDS, JobKind
from harmony.jobs.queue import enqueue
from harmony.models import Integration, JobRun
from harmony.security.permissions import Permission, needs
from harmony.web.runs import job_status
from harmony.web.runs.queries import RUNS_NEWEST_FIRST, of_job, table_context
from harmony.web.shared.banners import waits_for_worker
from harmony.web.shared.integrations import connected_or_404
from harmony.web.shared.shared_answers import shared_while_running

blueprint = Blueprint("jobs", __name__, url_prefix="/integrations/<int:integration_id>/jobs/<kind>")


@blueprint.get("")
def index(integration_id: int, kind: str) -> ResponseReturnValue:
    """Show its status, and its runs, newest first."""
    return render_template("jobs/index.html", **_context(*_found(integration_id, kind)))


@blueprint.get("/status")
@shared_while_running
def status(integration_id: int, kind: str) -> ResponseReturnValue:
    """Show the part of the page that changes while it runs; only then does it ask for itself again."""
    return render_template("jobs/_status.html", **_context(*_found(integration_id, kind)))


@blueprint.get("/runs/<int:run_id>")
def show(integration_id: int, kind: str, run_id: int) -> ResponseReturnValue:
    """Lead on from the former address of a run, by the id that it had then."""
    chosen = runs.conditions_of(integration_id, _kind(kind))
    run = db.first_or_404(select(JobRun).where(*chosen, JobRun.former_id == run_id))
    return redirect(url_for("runs.show", integration_id=integration_id, run_id=run.id), 301)


@blueprint.post("/run")
@needs(Permission.OPERATE_ALL)
def run_now(integration_id: int, kind: str) -> ResponseReturnValue:
    """Make it due at once and enqueue it; else the page says why not."""
    integration, job_kind = _wanted(integration_id, kind)
    if not lease.request(integration_id, job_kind, g.user.name, now()):
        flash(job_status.why_not(integration, job_kind), "warning")
    elif waits := waits_for_worker(integration, now(), KINDS[job_kind].words.title, job_kind):
        flash(waits, "warning")
    enqueue(job_kind, integration_id)
    return _back(integration_id, job_kind)


@blueprint.post("/cancel")
@needs(Permission.OPERATE_ALL)
def cancel(integration_id: int, kind: str) -> ResponseReturnValue:
    """End the run under way within seconds; the next one comes as planned."""
    _, job_kind = _wanted(integration_id, kind)
    if control.cancel(integration_id, job_kind, g.user.name, now()):
        flash("Cancelled. What was done before was kept.", "success")
    else:
        flash("There was nothing to cancel any more; it has just ended.", "info")
    return _back(integration_id, job_kind)


def _kind(text: str) -> JobKind:
    return JobKind(text) if text in set(JobKind) else abort(404)


def _found(integration_id: int, kind: str) -> tuple[Integration, JobKind]:
    integration, job_kind = db.get_or_404(Integration, integration_id), _kind(kind)
    if job_kind is JobKind.DEVICES:  # its runs have filters, a file and lists of devices
        abort(redirect(url_for("runs.index", integration_id=integration_id, job=kind)))
    return integration, job_kind


def _wanted(integration_id: int, kind: str) -> tuple[Integration, JobKind]:
    """As `_found`, for what can only be done to a link to a UEM."""
    return connected_or_404(integration_id), _kind(kind)


def _context(integration: Integration, kind: JobKind) -> dict[str, Any]:
    place = RUNS_NEWEST_FIRST.place(request.args)
    return {
        "page": RUNS_NEWEST_FIRST.page(of_job(integration.id, kind), place),
        "place": place,
        "kept_days": current_settings().runs_kept_days,
        "integration": integration,
        "status": job_status.job_status(integration, kind),
        "every": control.interval(integration, kind),
        "share": job_status.share(integration, now()) if kind is JobKind.APPS else None,
    } | table_context()


def _back(integration_id: int, kind: JobKind) -> ResponseReturnValue:
    return redirect(url_for("jobs.index", integration_id=integration_id, kind=kind), 303)
