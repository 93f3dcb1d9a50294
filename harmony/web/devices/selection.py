"""Actions on selected devices at once: a file, a reset, a registration message, new codes.

A page says how many devices it would be, and which, before anything is done to them.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from flask import Blueprint, flash, g, redirect, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from werkzeug.datastructures import MultiDict

from harmony.audit import audit
from harmony.clock import now
from harmony.db import db, write
from harmony.device_api.registration import codes, unregister
from harmony.messages.registration import recipients
from harmony.models import ChannelKind, Device, Integration
from harmony.security.permissions import Permission, needs
from harmony.web.deletions.text import counted
from harmony.web.devices.queries import FILE, by_name, filters_of, rows_of, written
from harmony.web.registration.message_state import CHANNELS, way_of
from harmony.web.shared.csv_export import csv_file
from harmony.web.shared.filters import Filters
from harmony.web.shared.hidden import shown
from harmony.web.shared.ids import number
from harmony.web.shared.paging import PAGE_SIZE
from harmony.web.shared.scope import in_scope

blueprint = Blueprint("selection", __name__, url_prefix="/devices/selection")

_NOTHING = "No device was selected."
_EXPORTED = "Exported devices"


class BulkAction(StrEnum):
    """An action on selected devices."""

    RESET = "reset"
    MESSAGE = "message"
    CODE = "code"


@blueprint.get("")
@needs(Permission.OPERATE)
def confirm() -> ResponseReturnValue:
    """Say what would be done, and to how many devices."""
    devices, filters = _devices(request.args), filters_of(request.args)
    action = request.args.get("do", "")
    if not devices or action not in set(BulkAction):
        flash(_NOTHING, "info")
        return _to_list(filters)
    channels = {channel: sum(_reachable(device, channel) for device in devices) for channel in CHANNELS}
    return render_template(
        "devices/selection.html",
        devices=devices, action=action, filters=filters, channels=channels, titles=CHANNELS,
    )  # fmt: skip


@blueprint.post("/devices.csv")
@needs(Permission.VIEW)
def export() -> ResponseReturnValue:
    """Send the selected devices as a file."""
    devices, filters = _devices(request.form), filters_of(request.args)
    if not devices:
        flash(_NOTHING, "info")
        return _to_list(filters)
    with write() as session:
        audit(session, g.user.name, _EXPORTED, now(), detail=counted(len(devices)))
    rows = rows_of([device.id for device in devices])
    return csv_file("harmony-selected-devices", FILE, ([written(row, name) for name in FILE] for row in rows))


@blueprint.post("/reset")
@needs(Permission.OPERATE)
def reset() -> ResponseReturnValue:
    """End the registrations of the selected devices."""
    devices, by = _devices(request.form), g.user.name
    done = sum(unregister.reset(device.id, by, now()) for device in devices)
    others = f"; {len(devices) - done:,} had nothing to reset" if done < len(devices) else ""
    flash(f"The registration of {counted(done)} was reset{others}.", "success" if done else "info")
    return _to_list(filters_of(request.args))


@blueprint.post("/message")
@needs(Permission.OPERATE)
def message() -> ResponseReturnValue:
    """Queue a registration message for each of the selected devices."""
    devices = _devices(request.form)
    asked = request.form.get("channel", "")
    channel = ChannelKind(asked) if asked in set(CHANNELS) else ChannelKind.EMAIL
    queued = sum(_send(device, channel) for device in devices)
    others = f" {len(devices) - queued:,} got none: no address, no channel, or one waits already."
    text = f"A message is queued for {counted(queued)}." + (others if queued < len(devices) else "")
    flash(text, "success" if queued else "warning")
    return _to_list(filters_of(request.args))


@blueprint.post("/codes")
@needs(Permission.OPERATE)
def new_codes() -> ResponseReturnValue:
    """Make a code for each of the selected devices and show them this once."""
    issued = [(device, codes.issue_code(device.id, g.user.name, now())) for device in _devices(request.form)]
    return render_template("devices/selection_codes.html", codes=issued, filters=filters_of(request.args))


def _devices(query: MultiDict[str, str]) -> Sequence[Device]:
    """Return the selected devices that are not deleted, by name: no more than a page of the list has."""
    ids = {number(text) for text in query.getlist("device")[:PAGE_SIZE]} - {None}
    live = select(Device).where(
        Device.id.in_(ids), Device.deleted_at.is_(None), *shown(Device.integration_id), *in_scope()
    )
    return db.session.scalars(live.order_by(*by_name())).all()


def _reachable(device: Device, channel: ChannelKind) -> bool:
    integration = db.session.get_one(Integration, device.integration_id)
    has_way = integration.connected and way_of(integration, channel) is not None
    return has_way and bool(recipients.address_of(device, channel))


def _send(device: Device, channel: ChannelKind) -> bool:
    """Queue a message for the device; False when it cannot be sent or one waits."""
    integration = db.session.get_one(Integration, device.integration_id)
    way = way_of(integration, channel) if integration.connected else None
    if way is None or not recipients.address_of(device, channel):
        return False
    return recipients.queue_one(integration, way, device.id, g.user.name, now())


def _to_list(filters: Filters) -> ResponseReturnValue:
    return redirect(filters.href("devices.index"), 303)
