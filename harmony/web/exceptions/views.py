"""Exceptions in force: of apps and of threat factors, with owner, reason and last day; *End now*."""

from __future__ import annotations

from flask import Blueprint, abort, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from harmony.apps.exceptions import WORDS, decide, end_of
from harmony.clock import now
from harmony.db import db
from harmony.jobs.queue import EXCEPTIONS, RATE, enqueue
from harmony.protection import policy
from harmony.protection.expiry import ends_soon
from harmony.security.auth import shown_on
from harmony.security.permissions import Permission, needs
from harmony.web.apps.queries import PLATFORMS
from harmony.web.exceptions import queries
from harmony.web.exceptions.forms import GroundsForm

blueprint = Blueprint("exceptions", __name__, url_prefix="/settings/exceptions")

_APP_ENDED = "Exception ended. The devices that have the app follow within a minute."
_RISK_ENDED = "Override ended. All devices are re-rated in the background."
_NOT_IN_FORCE = "This exception is not in force any more; nothing was changed."


@blueprint.get("")
def index() -> ResponseReturnValue:
    """Show the exceptions in force."""
    place = queries.NEWEST_FIRST.place(request.args)
    _version, record = policy.in_force(db.session())
    return render_template(
        "exceptions/index.html", place=place, page=queries.NEWEST_FIRST.page(queries.app_exceptions(), place),
        overrides=queries.overrides(record), platforms=PLATFORMS, words=WORDS,
        ends_soon=lambda ends_on: ends_soon(ends_on, now()),
    )  # fmt: skip


@blueprint.post("/apps/<int:exception_id>/end")
def end_app(exception_id: int) -> ResponseReturnValue:
    """Lift the exception of an app."""
    row = queries.app_exception(exception_id)
    if row is None or not decide(*end_of(row, g.user.name, now())):
        return _back(_NOT_IN_FORCE, "info")
    enqueue(EXCEPTIONS)
    return _back(_APP_ENDED)


@blueprint.get("/risks/<code>")
@needs(Permission.ADMINISTER)
def edit_risk(code: str) -> ResponseReturnValue:
    """Show the form with the reason and the last day of a changed risk."""
    line = queries.override(policy.in_force(db.session())[1], code) or abort(404)
    grounds = line.grounds
    data = {"reason": grounds.reason, "ends_on": grounds.ends_on} if grounds else {}
    return render_template("exceptions/risk.html", line=line, form=GroundsForm(data=data))


@blueprint.post("/risks/<code>")
@shown_on("exceptions.edit_risk")
def save_risk(code: str) -> ResponseReturnValue:
    """Change the reason and the last day; the risk stays as it is."""
    line = queries.override(policy.in_force(db.session())[1], code) or abort(404)
    form = GroundsForm(request.form)
    if not form.validate():
        return render_template("exceptions/risk.html", line=line, form=form), 422
    grounds = policy.Grounds(form.reason.data or "", form.ends_on.data)
    if policy.change_grounds(code, grounds, g.user.name, now()) is None:
        return _back(_NOT_IN_FORCE, "info")
    enqueue(RATE)
    return _back("Saved.")


@blueprint.post("/risks/<code>/end")
def end_risk(code: str) -> ResponseReturnValue:
    """Give a threat factor the catalogue's risk again: another version of the policy."""
    version, record = policy.in_force(db.session())
    try:
        ended = code in record.risks and policy.end_overrides([code], version, g.user.name, now()) != version
    except policy.SavedMeanwhile:
        ended = False
    if not ended:
        return _back(_NOT_IN_FORCE, "info")
    enqueue(RATE)
    return _back(_RISK_ENDED)


def _back(said: str, level: str = "success") -> Response:
    flash(said, level)
    return redirect(url_for("exceptions.index"), 303)
