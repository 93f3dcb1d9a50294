"""The integrations: the list, a new one, and the one page that tells the truth about each."""

from __future__ import annotations

from flask import Blueprint, abort, current_app, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from harmony.clock import now
from harmony.config import Settings
from harmony.db import db
from harmony.jobs.queue import ring
from harmony.jobs.tasks import SYNC
from harmony.models import Integration, IntegrationState
from harmony.setup import demo, drafts
from harmony.sync import lifecycle, schedule
from harmony.web import overview

blueprint = Blueprint("integrations", __name__)

KIND = "workspace_one"
NOT_NOW = "No sync was started: resume the integration, or mend what stopped it, first."


@blueprint.get("/")
def home() -> ResponseReturnValue:
    """The dashboard opens on its integrations."""
    return redirect(url_for("integrations.index"), 303)


@blueprint.get("/integrations")
def index() -> ResponseReturnValue:
    """Every integration with its state in one line."""
    return render_template("integrations/index.html", rows=overview.rows(now()))


@blueprint.get("/integrations/new")
def new() -> ResponseReturnValue:
    """Which UEM to connect."""
    return render_template("integrations/new.html")


@blueprint.post("/integrations")
def create() -> ResponseReturnValue:
    """Open a draft; in demo mode its first page may be filled with the simulated UEM."""
    settings: Settings = current_app.extensions["harmony.settings"]
    server = None
    if request.form.get("kind") == "simulated":
        server = demo.server_details(settings) or abort(404)
    integration_id = drafts.create(KIND, now(), server)
    return redirect(url_for("wizard.resume", integration_id=integration_id), 303)


@blueprint.get("/integrations/<int:integration_id>")
def show(integration_id: int) -> ResponseReturnValue:
    """One integration: both flows, the run under way, the last results. A draft goes on in the wizard."""
    integration = _integration(integration_id)
    if integration.state == IntegrationState.DRAFT:
        return redirect(url_for("wizard.resume", integration_id=integration_id), 303)
    return render_template("integrations/show.html", **overview.page(integration, now()))


@blueprint.get("/integrations/<int:integration_id>/status")
def status(integration_id: int) -> ResponseReturnValue:
    """The part of the page that changes while a sync runs; only then does it ask for itself again."""
    integration = _integration(integration_id)
    return render_template("integrations/_status.html", **overview.page(integration, now()))


@blueprint.post("/integrations/<int:integration_id>/sync")
def sync_now(integration_id: int) -> ResponseReturnValue:
    """Sync Now: due at once, and the worker is rung."""
    _integration(integration_id)
    if under_way := overview.running(integration_id):
        flash(f"A sync is already running since {under_way.started_at:%H:%M:%S} UTC.", "info")
    elif not schedule.request_sync(integration_id, g.user.name, now()):
        flash(NOT_NOW, "warning")
    ring(SYNC, integration_id)
    return _back(integration_id)


@blueprint.post("/integrations/<int:integration_id>/pause")
def pause(integration_id: int) -> ResponseReturnValue:
    """Pause: no sync starts, a running one stops at its next page; nothing is deleted."""
    _integration(integration_id)
    lifecycle.pause(integration_id)
    return _back(integration_id)


@blueprint.post("/integrations/<int:integration_id>/resume")
def resume(integration_id: int) -> ResponseReturnValue:
    """Resume: due at once."""
    _integration(integration_id)
    lifecycle.resume(integration_id, now())
    ring(SYNC, integration_id)
    return _back(integration_id)


def _integration(integration_id: int) -> Integration:
    return db.get_or_404(Integration, integration_id)


def _back(integration_id: int) -> ResponseReturnValue:
    return redirect(url_for("integrations.show", integration_id=integration_id), 303)
