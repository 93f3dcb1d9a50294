"""The integrations: the list, a new one, and the one page that tells the truth about each."""

from __future__ import annotations

from flask import Blueprint, abort, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from harmony.audit import audit
from harmony.clock import now
from harmony.config import current_settings
from harmony.db import db, write
from harmony.jobs import control, lease
from harmony.jobs.kinds import JobKind
from harmony.jobs.queue import enqueue
from harmony.models import Integration, IntegrationState, SyncKind
from harmony.security.permissions import Permission, needs
from harmony.setup import demo, drafts
from harmony.sync import lifecycle
from harmony.web.integrations import overview
from harmony.web.integrations.drift import drift
from harmony.web.integrations.timeline import newest
from harmony.web.shared.banners import already_running, waits_for_worker, why_no_sync
from harmony.web.shared.hidden import hidden_ids
from harmony.web.shared.integrations import connected_or_404
from harmony.web.shared.shared_answers import shared_while_running

blueprint = Blueprint("integrations", __name__)

_KIND = "workspace_one"


@blueprint.get("/integrations")
def index() -> ResponseReturnValue:
    """Every integration with its state in one line."""
    rows, removed = overview.rows(), len(hidden_ids())
    lines = overview.lines_of(rows, now())
    return render_template("integrations/index.html", rows=rows, lines=lines, removed=removed)


@blueprint.get("/integrations/new")
@needs(Permission.ADMINISTER)
def new() -> ResponseReturnValue:
    """Which UEM to connect."""
    return render_template("integrations/new.html")


@blueprint.post("/integrations")
def create() -> ResponseReturnValue:
    """Open a draft; in demo mode its first page may be filled with the simulated UEM."""
    server = None
    if request.form.get("kind") == "simulated":
        server = demo.server_details(current_settings()) or abort(404)
    integration_id = drafts.create(_KIND, now(), server)
    with write() as session:
        integration = session.get_one(Integration, integration_id)
        audit(session, g.user.name, "Created the integration", now(), integration)
    return redirect(url_for("wizard.resume", integration_id=integration_id), 303)


@blueprint.get("/integrations/<int:integration_id>")
def show(integration_id: int) -> ResponseReturnValue:
    """One integration: both flows, the run under way, the last results. A draft goes on in the wizard."""
    integration: Integration = db.get_or_404(Integration, integration_id)
    if not integration.connected:
        left = overview.device_count(integration_id)
        return render_template("integrations/removed.html", integration=integration, devices=left)
    if integration.state == IntegrationState.DRAFT:
        return redirect(url_for("wizard.resume", integration_id=integration_id), 303)
    context = overview.page(integration, now())
    more = {"applied_file": drift(integration), "timeline": newest(integration_id)}
    return render_template("integrations/show.html", **more, **context)


@blueprint.get("/integrations/<int:integration_id>/status")
@shared_while_running
def status(integration_id: int) -> ResponseReturnValue:
    """The part of the page that changes while a sync runs; only then does it ask for itself again."""
    integration = connected_or_404(integration_id)
    context = overview.page(integration, now())
    return render_template("integrations/_status.html", **context)


@blueprint.post("/integrations/<int:integration_id>/sync")
@needs(Permission.OPERATE_ALL)
def sync_now(integration_id: int) -> ResponseReturnValue:
    """Sync Now: due at once, and the worker is rung; else the page says why not."""
    integration, at = connected_or_404(integration_id), now()
    under_way = overview.running(integration_id)
    if under_way:
        flash(already_running(under_way), "info")
    if under_way and under_way.sync_kind == SyncKind.SNAPSHOT:
        return _back(integration_id)
    if not lease.request(integration_id, JobKind.DEVICES, g.user.name, at):
        flash(why_no_sync(integration), "warning")
    elif waits := waits_for_worker(integration, at):
        flash(waits, "warning")
    enqueue(JobKind.DEVICES, integration_id)
    return _back(integration_id)


@blueprint.post("/integrations/<int:integration_id>/cancel")
@needs(Permission.OPERATE_ALL)
def cancel(integration_id: int) -> ResponseReturnValue:
    """Cancel: the run under way ends at its next page; nothing is deleted, the next one comes as planned."""
    connected_or_404(integration_id)
    if control.cancel(integration_id, JobKind.DEVICES, g.user.name, now()):
        flash("The sync was cancelled. What it had read was kept.", "success")
    else:
        flash("There was no sync to cancel any more; it has just ended.", "info")
    return _back(integration_id)


@blueprint.post("/integrations/<int:integration_id>/pause")
@needs(Permission.OPERATE_ALL)
def pause(integration_id: int) -> ResponseReturnValue:
    """Pause: no sync starts, a running one stops at its next page; nothing is deleted."""
    connected_or_404(integration_id)
    lifecycle.pause(integration_id, g.user.name, now())
    return _back(integration_id)


@blueprint.post("/integrations/<int:integration_id>/resume")
@needs(Permission.OPERATE_ALL)
def resume(integration_id: int) -> ResponseReturnValue:
    """Resume: due at once."""
    connected_or_404(integration_id)
    lifecycle.resume(integration_id, g.user.name, now())
    enqueue(JobKind.DEVICES, integration_id)
    return _back(integration_id)


def _back(integration_id: int) -> ResponseReturnValue:
    return redirect(url_for("integrations.show", integration_id=integration_id), 303)
