"""Destinations: list them, add, change, try, pause, replay and remove one."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Blueprint, abort, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from harmony.clock import now
from harmony.config import current_settings
from harmony.db import db
from harmony.jobs.queue import DESTINATIONS, enqueue
from harmony.models import DeliveryOutcome, Destination, DestinationKind, FeedDelivery, FeedKind
from harmony.outbound import destinations
from harmony.outbound.destinations import DestinationChanged
from harmony.outbound.errors import RecordRefused, SendError
from harmony.outbound.schedule import UNSENT_KEPT_TIMES
from harmony.outbound.senders import file_of
from harmony.outbound.status import status_of, statuses
from harmony.security.auth import needs_recent_proof, shown_on
from harmony.security.permissions import Permission, needs
from harmony.web.destinations.forms import FORMAT_WORDS, DestinationForm, form_of, is_complete
from harmony.web.shared import typed
from harmony.web.shared.ids import number

blueprint = Blueprint("destinations", __name__, url_prefix="/settings/destinations")

_KINDS = {
    DestinationKind.WEBHOOK: ("Webhook", "Each record as a signed POST of its own, for automation."),
    DestinationKind.SYSLOG: ("Syslog", "A SIEM that listens for syslog over TLS or TCP."),
    DestinationKind.HTTP: ("HTTP collector", "A SIEM that takes OCSF records over HTTPS, in batches."),
    DestinationKind.FILE: ("File", "A rotated file in the data folder, for an agent to pick up."),
}
_FEED_KINDS = {FeedKind.EVENT: "device events", FeedKind.AUDIT: "audit entries", FeedKind.RUN: "run outcomes"}
# Each condition, and each outcome of a delivery, with its badge and its word.
_CONDITIONS = {
    "active": ("active", "Active"),
    "failing": ("warning", "Failing"),
    "paused": ("paused", "Paused"),
    "stopped": ("stopped", "Stopped"),
}
_OUTCOMES = {
    DeliveryOutcome.SENT: ("ok", "Sent"),
    DeliveryOutcome.FAILED: ("failed", "Failed"),
    DeliveryOutcome.REFUSED: ("warning", "Refused"),
}
_SHOWN = 100
_CONFLICT = (
    "Somebody else saved this destination meanwhile. "
    "Your values are shown; send them again to replace theirs."
)


@blueprint.get("")
def index() -> ResponseReturnValue:
    """Show every destination."""
    rows = list(statuses(db.session()))
    return render_template("destinations/index.html", rows=rows, kinds=_KINDS, conditions=_CONDITIONS)


@blueprint.get("/new/<kind>")
@needs(Permission.ADMINISTER)
def new(kind: str) -> ResponseReturnValue:
    """Show the form of a new destination."""
    known = _kind_or_404(kind)
    return _form_page(known, form_of(known))


@blueprint.post("/new/<kind>")
@shown_on("destinations.new")
@needs_recent_proof
def add(kind: str) -> ResponseReturnValue:
    """Add a destination; the secret of a webhook is shown this once."""
    known = _kind_or_404(kind)
    form = form_of(known, request.form)
    if not is_complete(form, None):
        return _form_page(known, form), 422
    from_start = form.start.data == "all"
    id_, secret = destinations.add(known, form.values(), from_start, g.user.name, now())
    enqueue(DESTINATIONS)
    if secret:
        return _page(db.session.get_one(Destination, id_), secret)
    flash("The destination was added. Send a test record to see whether it arrives.", "success")
    return _back(id_)


@blueprint.get("/<int:destination_id>")
def show(destination_id: int) -> ResponseReturnValue:
    """Show one destination: how far it is, why it fails, its newest deliveries."""
    return _page(db.get_or_404(Destination, destination_id))


@blueprint.get("/<int:destination_id>/edit")
@needs(Permission.ADMINISTER)
def edit(destination_id: int) -> ResponseReturnValue:
    """Show the form of a destination."""
    row = db.get_or_404(Destination, destination_id)
    return _form_page(DestinationKind(row.kind), form_of(DestinationKind(row.kind), row=row), row)


@blueprint.post("/<int:destination_id>/edit")
@shown_on("destinations.edit")
@needs_recent_proof
def save(destination_id: int) -> ResponseReturnValue:
    """Save a destination; an empty address or header keeps the saved one."""
    row = db.get_or_404(Destination, destination_id)
    form = form_of(DestinationKind(row.kind), request.form, row)
    if not is_complete(form, row):
        return _form_page(DestinationKind(row.kind), form, row), 422
    edition = number(request.form.get("edition", "")) or 0
    try:
        destinations.save(destination_id, form.values(), edition, g.user.name, now())
    except DestinationChanged:
        row = db.get_or_404(Destination, destination_id)
        return _form_page(DestinationKind(row.kind), form, row, _CONFLICT), 409
    flash("The destination was saved.", "success")
    return _back(destination_id)


@blueprint.post("/<int:destination_id>/test")
@needs(Permission.OPERATE_ALL)
def test(destination_id: int) -> ResponseReturnValue:
    """Send a test record at once and say what came of it."""
    db.get_or_404(Destination, destination_id)
    try:
        flash(f"The test record was taken: {destinations.send_test(destination_id, now())}", "success")
    except (SendError, RecordRefused) as error:
        flash(f"The test record was not taken. {error}", "danger")
    return _back(destination_id)


@blueprint.post("/<int:destination_id>/pause")
@needs(Permission.OPERATE_ALL)
def pause(destination_id: int) -> ResponseReturnValue:
    """Send nothing more for now."""
    db.get_or_404(Destination, destination_id)
    destinations.pause(destination_id, g.user.name, now())
    flash("The destination is paused. What happens meanwhile waits for it.", "success")
    return _back(destination_id)


@blueprint.post("/<int:destination_id>/resume")
@needs(Permission.OPERATE_ALL)
def resume(destination_id: int) -> ResponseReturnValue:
    """Go on where it stood, or try a failing destination at once."""
    db.get_or_404(Destination, destination_id)
    destinations.resume(destination_id, g.user.name, now())
    enqueue(DESTINATIONS)
    flash("The destination is tried now.", "success")
    return _back(destination_id)


@blueprint.post("/<int:destination_id>/rotate")
@needs_recent_proof
def rotate(destination_id: int) -> ResponseReturnValue:
    """Make a new signing secret and show it this once."""
    row = db.get_or_404(Destination, destination_id)
    if row.kind != DestinationKind.WEBHOOK:
        abort(404)
    secret = destinations.rotate_secret(destination_id, g.user.name, now())
    return _page(db.get_or_404(Destination, destination_id), secret)


@blueprint.post("/<int:destination_id>/deliveries/<int:delivery_id>/replay")
@needs(Permission.OPERATE_ALL)
def replay(destination_id: int, delivery_id: int) -> ResponseReturnValue:
    """Send the records of a delivery once more."""
    db.get_or_404(Destination, destination_id)
    done = destinations.replay(destination_id, delivery_id, g.user.name, now())
    enqueue(DESTINATIONS)
    gone = "This delivery is not kept any more."
    flash("Its records are sent once more." if done else gone, "success" if done else "warning")
    return _back(destination_id)


@blueprint.post("/<int:destination_id>/replay")
@needs(Permission.OPERATE_ALL)
@shown_on("destinations.show")
def replay_since(destination_id: int) -> ResponseReturnValue:
    """Send everything since a day once more."""
    row = db.get_or_404(Destination, destination_id)
    try:
        day = datetime.strptime(request.form.get("since", ""), "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return _page(row, notice="Enter a day, such as 2026-03-01."), 422
    lines = destinations.replay_since(destination_id, day, g.user.name, now())
    enqueue(DESTINATIONS)
    flash(f"{lines:,} records since {day:%d %b %Y} are looked at once more.", "success")
    return _back(destination_id)


@blueprint.post("/<int:destination_id>/remove")
@needs_recent_proof
def remove(destination_id: int) -> ResponseReturnValue:
    """Remove a destination."""
    db.get_or_404(Destination, destination_id)
    destinations.remove(destination_id, g.user.name, now())
    flash("The destination was removed.", "success")
    return redirect(url_for("destinations.index"), 303)


def _kind_or_404(kind: str) -> DestinationKind:
    if kind not in _KINDS:
        abort(404)
    return DestinationKind(kind)


def _form_page(
    kind: DestinationKind, form: DestinationForm, row: Destination | None = None, notice: str = ""
) -> str:
    return render_template(
        "destinations/form.html", kind=kind, words=_KINDS[kind], form=form, row=row, notice=notice
    )


def _page(row: Destination, secret: str | None = None, notice: str = "") -> str:
    own = select(FeedDelivery).where(FeedDelivery.destination_id == row.id)
    days = current_settings().events_kept_days
    return render_template(
        "destinations/show.html", row=row, status=status_of(db.session(), row), secret=secret, notice=notice,
        kinds=_KINDS, feed_kinds=_FEED_KINDS, conditions=_CONDITIONS, outcomes=_OUTCOMES,
        deliveries=db.session.scalars(own.order_by(FeedDelivery.id.desc()).limit(_SHOWN)).all(),
        since=typed.sent().get("since", ""),
        formats=FORMAT_WORDS, kept_days=days, unsent_days=days * UNSENT_KEPT_TIMES, now=now(),
        file=file_of(row) if row.kind == DestinationKind.FILE else None,
    )  # fmt: skip


def _back(destination_id: int) -> ResponseReturnValue:
    return redirect(url_for("destinations.show", destination_id=destination_id), 303)
