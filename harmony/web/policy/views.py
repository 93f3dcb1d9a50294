"""The policy page: what findings mean, when a device counts as silent; its versions, and the rating."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from werkzeug.wrappers import Response

from harmony.clock import now
from harmony.db import db
from harmony.jobs.queue import RATE, enqueue
from harmony.models import Policy, PolicyRecord
from harmony.protection import policy
from harmony.security.auth import shown_on
from harmony.web.policy import forms as policy_forms
from harmony.web.policy.forms import PlainForm, by_vector
from harmony.web.shared import typed
from harmony.web.shared.ids import number
from harmony.web.shared.paging import BEGINNING, PAGE_SIZE, Order, Place

blueprint = Blueprint("policy", __name__, url_prefix="/settings/policy")

_NEWEST_FIRST = Order(Policy.version)
_VERSIONS_ON_THE_PAGE = 5
CONFLICT = (
    "Somebody else saved the policy meanwhile; theirs is in force. "
    "Your values are shown; send them again to replace theirs."
)
_NOT_RESET = "Somebody else saved the policy meanwhile; it is shown and was not reset. Look at it first."
_NOTHING = "This is what was in force already; nothing was changed."


@blueprint.get("")
def show() -> ResponseReturnValue:
    """Show the policy in force, or what was typed into its form and could not be saved."""
    if values := typed.sent():
        return _page(policy_forms.sent(values), number(values.get("version", "")) or policy.DEFAULTS)
    version, record = policy.in_force(db.session())
    return _page(policy_forms.filled(record, policy.reported_unknown()), version)


@blueprint.post("")
@shown_on("policy.show")
def save() -> ResponseReturnValue:
    """Put what was sent in force, and let the worker rate every device anew."""
    form = policy_forms.sent(request.form)
    if not form.validate():
        return _page(form, _version_seen()), 422
    return _save(policy_forms.record_of(form), form)


@blueprint.post("/reset")
def reset() -> ResponseReturnValue:
    """Reset to defaults: another version, so that the one before can be looked up."""
    return _save(PolicyRecord(), None)


@blueprint.get("/reset")
def reset_again() -> ResponseReturnValue:
    """Lead Reload after a reset that was refused back to the page."""
    return _back()


@blueprint.get("/rating")
def rating() -> ResponseReturnValue:
    """Show how far the worker is with rating every device; the part asks for itself again until then."""
    return render_template("policy/_rating.html", newest=newest())


@blueprint.get("/versions")
def versions() -> ResponseReturnValue:
    """Show every version there was, newest first."""
    place = _NEWEST_FIRST.place(request.args)
    return render_template("policy/versions.html", place=place, **_history(place, PAGE_SIZE))


@blueprint.get("/versions/<int:version>")
def version(version: int) -> ResponseReturnValue:
    """Show one version: who saved it and when, what it changed, all it says."""
    row, changed = policy.said_before(version) or abort(404)
    form = policy_forms.filled(policy.record_of(row.values))
    newest_version, _record = policy.in_force(db.session())
    return render_template(
        "policy/version.html", row=row, changed=changed, form=form, vectors=list(by_vector(form)),
        in_force=row.version == newest_version,
    )  # fmt: skip


def newest() -> Policy | None:
    """Return the version in force with the progress of its rating; None: the defaults, which need none."""
    return db.session.scalar(select(Policy).order_by(Policy.version.desc()).limit(1))


def _save(record: PolicyRecord, form: PlainForm | None) -> ResponseReturnValue:
    try:
        saved = policy.save(record, _version_seen(), g.user.name, now())
    except policy.SavedMeanwhile:
        version, theirs = policy.in_force(db.session())
        notice = CONFLICT if form else _NOT_RESET
        return _page(form or policy_forms.filled(theirs, policy.reported_unknown()), version, notice), 409
    if saved == _version_seen():
        flash(_NOTHING, "info")
        return _back()
    enqueue(RATE)
    flash(f"Version {saved} is in force. The worker rates every device anew.", "success")
    return _back()


def _version_seen() -> int:
    return number(request.form.get("version", "")) or policy.DEFAULTS


def _page(form: PlainForm, version: int, notice: str = "") -> str:
    return render_template(
        "policy/show.html", form=form, version=version, notice=notice, newest=newest(),
        vectors=list(by_vector(form)), **_history(BEGINNING, _VERSIONS_ON_THE_PAGE),
    )  # fmt: skip


def _history(place: Place, size: int) -> dict[str, Any]:
    page = _NEWEST_FIRST.page(select(Policy.version.label("id")), place, size)
    numbers = [row.id for row in page.rows]
    rows = db.session.scalars(
        select(Policy).where(Policy.version.in_(numbers)).order_by(Policy.version.desc())
    ).all()
    return {"page": page, "rows": rows, "changes": policy.changes(rows)}


def _back() -> Response:
    return redirect(url_for("policy.show"), 303)
