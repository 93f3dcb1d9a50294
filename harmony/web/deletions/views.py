"""Held deletions: the list, why it is held, and the decision; nothing is decided about another list."""

from __future__ import annotations

import re
from typing import Any

from flask import Blueprint, abort, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from wtforms import HiddenField, StringField

from harmony.clock import now
from harmony.config import current_settings
from harmony.db import db
from harmony.jobs.kinds import JobKind
from harmony.jobs.queue import enqueue
from harmony.models import Device, Hold, HoldState, Integration, IntegrationState
from harmony.security.auth import needs_recent_proof, shown_on
from harmony.security.permissions import Permission, needs
from harmony.sync.deletion import holds
from harmony.sync.deletion.holds import ListChanged, NotOpen, WrongNumber, listed
from harmony.web.deletions.text import BADGES, WHYS, counted, reasons
from harmony.web.devices.search import PersonalTextFilter
from harmony.web.shared.csv_export import csv_file
from harmony.web.shared.filters import Filter, Filters
from harmony.web.shared.index_hints import unindexed
from harmony.web.shared.paging import Order, Query
from harmony.web.shared.pasted import stripped
from harmony.web.shared.typed import ConsoleForm, drop_given_back

blueprint = Blueprint("holds", __name__, url_prefix="/integrations/<int:integration_id>/holds")

_SHOWN = 50
_COLUMNS = (
    Device.id, Device.name, Device.name_key, Device.serial, Device.udid, Device.user_name,
    Device.group_name, Device.last_seen_at, Device.missing_since, Device.absent_from, Device.absent_why,
)  # fmt: skip
# They are found by an index of their own, and sorted.
BY_NAME = Order(Device.id, unindexed(Device.name_key))
FILTERS: tuple[Filter, ...] = (PersonalTextFilter("q", Device.search_text, label="Search"),)
_HEADER = ("Name", "Serial", "UDID", "User", "Group", "Last seen", "Missing since", "Misses", "Why doubtful")
_AT_ONCE = "Approved. The sync that deletes what is still missing starts now."
_LATER = "Approved. No sync can start now: the first complete one {after} deletes what is still missing."


class _ApprovalForm(ConsoleForm):
    """The number, typed, and the list it was typed for."""

    number = StringField("Number of devices", filters=[stripped])
    digest = HiddenField()

    def typed(self) -> int | None:
        """Return what was typed as a number, grouped or not."""
        text = re.sub(r"[\s,.']", "", self.number.data or "")
        return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None


@blueprint.get("")
def index(integration_id: int) -> ResponseReturnValue:
    """Show the newest holds of an integration and what became of them."""
    integration = db.get_or_404(Integration, integration_id)
    newest = select(Hold).where(Hold.integration_id == integration_id).order_by(Hold.id.desc()).limit(_SHOWN)
    every = db.session.scalars(newest).all()
    return render_template("holds/index.html", integration=integration, holds=every, badges=BADGES)


@blueprint.get("/<int:hold_id>")
def show(integration_id: int, hold_id: int) -> ResponseReturnValue:
    """Show one hold: why, who would go, and the decision."""
    return _render(_hold(integration_id, hold_id), _ApprovalForm())


@blueprint.post("/<int:hold_id>/devices.csv")
@needs(Permission.VIEW_ALL)
def export(integration_id: int, hold_id: int) -> ResponseReturnValue:
    """Send the devices that the filter shows, as a file."""
    hold = _hold(integration_id, hold_id)
    if hold.state not in holds.PENDING:
        abort(404, "This hold is over, and its list with it.")
    snapshots = db.session.get_one(Integration, integration_id).snapshots
    rows = (
        (
            row.name, row.serial, row.udid, row.user_name, row.group_name, row.last_seen_at,
            row.missing_since, snapshots - row.absent_from + 1, WHYS.get(row.absent_why, ""),
        )
        for row in BY_NAME.without_names().every(_devices(hold))
    )  # fmt: skip
    name, event = f"harmony-held-deletions-{integration_id}-{hold_id}", "Exported held deletions"
    return csv_file(name, _HEADER, rows, event=event, integration_id=integration_id)


@blueprint.post("/<int:hold_id>/approve")
@needs(Permission.OPERATE_ALL)
@needs_recent_proof
@shown_on("holds.show")
def approve(integration_id: int, hold_id: int) -> ResponseReturnValue:
    """Approve exactly the list that was shown."""
    hold, form = _hold(integration_id, hold_id), _ApprovalForm(request.form)
    try:
        at_once = holds.approve(hold.id, form.digest.data or "", form.typed(), g.user.name, now())
    except (ListChanged, NotOpen):
        return _render(_hold(integration_id, hold_id), _ApprovalForm(), changed=True), 409
    except WrongNumber as wrong:
        form.number.errors = [f"This is not the number of devices listed. Type {wrong.expected} to approve."]
        return _render(_hold(integration_id, hold_id), form), 422
    enqueue(JobKind.DEVICES, integration_id)
    flash(_AT_ONCE if at_once else _later(integration_id), "success")
    return _back(integration_id, hold_id)


@blueprint.post("/<int:hold_id>/dismiss")
@needs(Permission.OPERATE_ALL)
def dismiss(integration_id: int, hold_id: int) -> ResponseReturnValue:
    """Forget the absence of exactly the list that was shown: the devices are really there."""
    hold = _hold(integration_id, hold_id)
    try:
        devices = holds.dismiss(hold.id, request.form.get("digest", ""), g.user.name, now())
    except (ListChanged, NotOpen):
        return _render(_hold(integration_id, hold_id), _ApprovalForm(), changed=True), 409
    flash(f"Dismissed: {counted(devices)} count as present again. Nothing was deleted.", "success")
    return _back(integration_id, hold_id)


def _later(integration_id: int) -> str:
    paused = db.session.get_one(Integration, integration_id).state == IntegrationState.PAUSED
    return _LATER.format(after="after Resume" if paused else "within 24 hours")


def _hold(integration_id: int, hold_id: int) -> Hold:
    hold = db.session.get(Hold, hold_id)
    if hold is None or hold.integration_id != integration_id:
        abort(404)
    return hold


def _filters(hold: Hold) -> Filters:
    route = {"integration_id": hold.integration_id, "hold_id": hold.id}
    return Filters.from_query(FILTERS, request.args, **route)


def _devices(hold: Hold) -> Query:
    """Return the devices of the list that the address asks for."""
    query: Query = select(*_COLUMNS).where(*listed(hold), *_filters(hold).conditions())
    return query


def _render(hold: Hold, form: _ApprovalForm, *, changed: bool = False) -> str:
    """Show a hold. One that is over has no list any more, only what became of it."""
    pending = hold.state in holds.PENDING
    return render_template(
        "holds/show.html",
        integration=db.session.get_one(Integration, hold.integration_id),
        hold=hold,
        pending=pending,
        open_now=holds.open_hold(hold.integration_id),
        badge_of=BADGES[HoldState(hold.state)],
        reasons=reasons(hold),
        form=form,
        changed=changed,
        filters=_filters(hold),
        kept_days=current_settings().deleted_kept_days,
        **(_list(hold, form) if pending else {}),
    )


def _list(hold: Hold, form: _ApprovalForm) -> dict[str, Any]:
    """Return the devices the address asks for, fifty at a time, and the stamp of all of them."""
    whole = holds.listing(db.session(), listed(hold))
    if form.is_given_back and form.digest.data != whole.digest:
        drop_given_back(form)  # it was typed for another list
    form.digest.data = whole.digest
    order = BY_NAME.without_names()
    page = order.page(_devices(hold), order.place(request.args))
    return {"whole": whole, "whys": WHYS, "page": page}


def _back(integration_id: int, hold_id: int) -> ResponseReturnValue:
    return redirect(url_for("holds.show", integration_id=integration_id, hold_id=hold_id), 303)
