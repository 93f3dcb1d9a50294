"""The policy page: what findings mean, when a device counts as silent; its versions, and the rating."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from harmony.clock import now
from harmony.db import db
from harmony.jobs.queue import RATE, enqueue
from harmony.models import Policy, PolicyRecord
from harmony.protection import policy
from harmony.protection.policy_differences import differences, normal
from harmony.security.auth import shown_on
from harmony.security.permissions import Permission, needs
from harmony.web.policy import forms as policy_forms
from harmony.web.policy.forms import ConfirmationForm, PlainForm, by_vector
from harmony.web.policy.preview import HEADER, measured, preview_page, rows, unconfirmed
from harmony.web.shared import typed
from harmony.web.shared.csv_export import csv_file
from harmony.web.shared.ids import number
from harmony.web.shared.paging import BEGINNING, PAGE_SIZE, Order, Place

blueprint = Blueprint("policy", __name__, url_prefix="/settings/policy")

_NEWEST_FIRST = Order(Policy.version)
_VERSIONS_ON_THE_PAGE = 5
_CONFLICT = (
    "Somebody else saved the policy meanwhile; theirs is in force. "
    "Your values are shown; send them again to replace theirs."
)
_NOTHING = "This is what was in force already; nothing was changed."


@blueprint.get("")
def show() -> ResponseReturnValue:
    """Show the policy in force, or what was typed into its form and could not be saved."""
    if values := typed.sent() or _typed_before():
        return _page(policy_forms.sent(values), number(values.get("version", "")) or policy.DEFAULTS)
    version, record = policy.in_force(db.session())
    return _page(policy_forms.filled(record, policy.reported_unknown()), version)


@blueprint.post("")
@shown_on("policy.show")
def save() -> ResponseReturnValue:
    """Put what was sent in force, and let the worker rate every device anew."""
    form, (version, before) = policy_forms.sent(request.form), policy.in_force(db.session())
    if not policy_forms.is_right(form, before):
        return _page(form, _version_seen()), 422
    confirmed = ConfirmationForm(request.form).confirmed.data
    if version == _version_seen() and not confirmed and (impact := unconfirmed(form, before)):
        return preview_page(form, version, impact, is_refused=True), 422
    return _save(form)


@blueprint.post("/preview")
@shown_on("policy.show")
def ask_preview() -> ResponseReturnValue:
    """Lead to what was sent as an address, which can be looked at again."""
    form = policy_forms.sent(request.form)
    if not policy_forms.is_right(form, policy.in_force(db.session())[1]):
        return _page(form, _version_seen()), 422
    values: dict[str, Any] = policy_forms.values_of(form) | {"version": str(_version_seen())}
    return redirect(url_for("policy.preview", **values), 303)


@blueprint.get("/preview")
@needs(Permission.ADMINISTER)
def preview() -> ResponseReturnValue:
    """Show what the values of the address would change; nothing is saved."""
    form = policy_forms.sent(request.args)
    return _previewed(form, _version_seen()) if request.args and form.validate() else _back()


@blueprint.post("/preview.csv")
@needs(Permission.ADMINISTER)
def preview_csv() -> ResponseReturnValue:
    """Send every device whose status or risk these values would change, as a file."""
    form = policy_forms.sent(request.args)
    if not form.validate():
        return _back()
    return csv_file("harmony-policy-preview", HEADER, rows(form), event="Exported the policy preview")


@blueprint.get("/reset")
@needs(Permission.ADMINISTER)
def reset() -> ResponseReturnValue:
    """Show what the defaults would change: another version, so that the one before can be looked up."""
    version, _record = policy.in_force(db.session())
    return _previewed(policy_forms.filled(PolicyRecord()), version)


@blueprint.get("/rating")
def rating() -> ResponseReturnValue:
    """Show how far the worker is with rating every device; the part asks for itself again until then."""
    return render_template("policy/_rating.html", newest=_newest())


@blueprint.get("/versions")
def versions() -> ResponseReturnValue:
    """Show every version there was, newest first."""
    place = _NEWEST_FIRST.place(request.args)
    return render_template("policy/versions.html", place=place, **_history(place, PAGE_SIZE))


@blueprint.get("/versions/<int:version>")
def version(version: int) -> ResponseReturnValue:
    """Show one version: who saved it and when, what it changed, all it says."""
    row, changed = policy.version_with_changes(version) or abort(404)
    form = policy_forms.filled(policy.record_of(row.values))
    newest_version, _record = policy.in_force(db.session())
    return render_template(
        "policy/version.html", row=row, changed=changed, form=form, vectors=list(by_vector(form)),
        in_force=row.version == newest_version,
    )  # fmt: skip


def _newest() -> Policy | None:
    """Return the version in force with the progress of its rating; None: the defaults, which need none."""
    return db.session.scalar(select(Policy).order_by(Policy.version.desc()).limit(1))


def _previewed(form: PlainForm, seen: int) -> ResponseReturnValue:
    version, before = policy.in_force(db.session())
    if seen != version:
        return _page(form, version, _CONFLICT), 409
    if not differences(before, normal(policy_forms.record_of(form))):
        flash(_NOTHING, "info")
        return _back()
    return preview_page(form, version, measured(form, before))


def _save(form: PlainForm) -> ResponseReturnValue:
    grounds = policy.Grounds(form.reason.data or "", form.ends_on.data)
    try:
        saved = policy.save(policy_forms.record_of(form), _version_seen(), g.user.name, now(), grounds)
    except policy.SavedMeanwhile:
        return _page(form, policy.in_force(db.session())[0], _CONFLICT), 409
    if saved == _version_seen():
        flash(_NOTHING, "info")
        return _back()
    enqueue(RATE)
    flash(f"Version {saved} is in force. The worker rates every device anew.", "success")
    return _back()


def _version_seen() -> int:
    return number(request.values.get("version", "")) or policy.DEFAULTS


def _typed_before() -> MultiDict[str, str]:
    """Return the values that the preview leads back to its form with."""
    return request.args if "version" in request.args else MultiDict()


def _page(form: PlainForm, version: int, notice: str = "") -> str:
    return render_template(
        "policy/show.html", form=form, version=version, notice=notice, newest=_newest(),
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
