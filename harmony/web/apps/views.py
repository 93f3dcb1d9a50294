"""The apps on the devices: the list, a file, one app with the devices that have it, its exception."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import Row

from harmony.apps import exceptions as app_exceptions
from harmony.apps.exceptions import WORDS, Decision
from harmony.clock import now
from harmony.db import db
from harmony.jobs.queue import EXCEPTIONS, enqueue
from harmony.models import Action, App
from harmony.security.auth import shown_on
from harmony.security.permissions import Permission, needs
from harmony.web.apps import queries as app_queries
from harmony.web.apps.forms import NONE, ExceptionForm
from harmony.web.apps.queries import BY_NAME, DEVICES_NEWEST_FIRST, FILTERS, PLATFORMS
from harmony.web.shared.csv_export import csv_file, narrowed
from harmony.web.shared.filters import Filters
from harmony.web.shared.hidden import shown_device

blueprint = Blueprint("apps", __name__, url_prefix="/apps")

_HEADER = ("id", "application", "identifier", "version", "os", "install_base", "exception")


@blueprint.get("")
@needs(Permission.VIEW)
def index() -> ResponseReturnValue:
    """Show a page of versions of apps, by name."""
    filters, place = Filters.from_query(FILTERS, request.args), BY_NAME.place(request.args)
    return render_template(
        "apps/index.html", filters=filters, place=place, page=BY_NAME.page(app_queries.apps(filters), place),
        total=app_queries.total(filters), platforms=PLATFORMS, words=WORDS,
        device=shown_device(filters["device"]),
    )  # fmt: skip


@blueprint.post("/apps.csv")
@needs(Permission.VIEW)
def export() -> ResponseReturnValue:
    """Send the same versions as a file, all pages of them."""
    filters = Filters.from_query(FILTERS, request.args)
    rows = map(_written, BY_NAME.every(app_queries.apps(filters)))
    return csv_file("harmony-apps", _HEADER, rows, event="Exported apps", detail=narrowed(filters))


@blueprint.get("/<int:app_id>")
@needs(Permission.VIEW)
def show(app_id: int) -> ResponseReturnValue:
    """Show one app: its versions, the devices that have it, its exception and what was decided before."""
    app = app_queries.app_or_404(app_id)
    there = app_queries.exception(app)
    form = ExceptionForm(
        data={
            "action": there.action if there else NONE,
            "reason": there.reason if there else "",
            "ends_on": there.ends_on if there else None,
        },
    )
    return render_template("apps/show.html", **_context(app, form))


@blueprint.get("/<int:app_id>/decisions")
def decisions(app_id: int) -> ResponseReturnValue:
    """Show the part of the page that changes while the devices are brought in line."""
    app: App = db.get_or_404(App, app_id)
    return render_template("apps/_decisions.html", app=app, **_following(app))


@blueprint.post("/<int:app_id>/exception")
@shown_on("apps.show")
def edit_exception(app_id: int) -> ResponseReturnValue:
    """Set or lift the exception at once; the worker is rung for the devices."""
    app: App = db.get_or_404(App, app_id)
    form = ExceptionForm(request.form)
    if not form.validate():
        return render_template("apps/show.html", **_context(app, form)), 422
    ends_on = form.ends_on.data if form.decided() else None
    decision = Decision(form.decided(), form.reason.data or "", g.user.name, now(), ends_on)
    if app_exceptions.decide(app, decision):
        enqueue(EXCEPTIONS)
        flash("Saved. The devices that have the app follow within a minute.", "success")
    else:
        flash("It was so already; nothing was changed.", "info")
    return redirect(url_for("apps.show", app_id=app_id), 303)


def _context(app: App, form: ExceptionForm) -> dict[str, Any]:
    return {
        "app": app,
        "form": form,
        "versions": app_queries.versions(app),
        "exception": app_queries.exception(app),
        "platforms": PLATFORMS,
    } | _following(app)


def _following(app: App) -> dict[str, Any]:
    """Return what was decided, and the devices with their risk; `only` narrows them to this version."""
    found, place = app_queries.decisions(app), DEVICES_NEWEST_FIRST.place(request.args)
    only = request.args.get("only") == "1"
    ids = [app.id] if only else [version.id for version in app_queries.versions(app)]
    return {
        "decisions": found,
        "pending": any(decision.done_at is None for decision in found),
        "words": WORDS,
        "page": app_queries.devices(ids, place),
        "place": place,
        "only": only,
    }


def _written(row: Row[Any]) -> tuple[object, ...]:
    os = PLATFORMS.get(row.platform, row.platform)
    action = WORDS[Action(row.action)] if row.action else ""
    return row.id, row.name, row.identifier, row.version, os, row.installs, action
