"""Actions on selected devices at once: a file, a reset, a registration message, new codes.

The selection is rows of a page, or all devices that the list shows. A page says how many devices it would
be, and which, before anything is done to them; what is done is done to exactly those.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any

from flask import Blueprint, flash, g, redirect, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy import ColumnElement, Row, false, select, tuple_
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from harmony.clock import now
from harmony.db import db
from harmony.device_api.registration import codes, unregister
from harmony.messages.registration import recipients
from harmony.messages.registration.recipients import RegistrationWay
from harmony.models import ChannelKind, Device, Integration
from harmony.security.permissions import Permission, needs
from harmony.web.deletions.text import counted
from harmony.web.devices.queries import FILE, by_name, conditions_of, every, filters_of, rows_of, written
from harmony.web.registration.message_state import CHANNELS, way_of
from harmony.web.shared.csv_export import csv_file, narrowed
from harmony.web.shared.filters import Filters
from harmony.web.shared.hidden import shown
from harmony.web.shared.ids import number
from harmony.web.shared.scope import in_scope

blueprint = Blueprint("selection", __name__, url_prefix="/devices/selection")

# An action is done while its page loads, a few milliseconds for each device; of more, a part after the other.
# A file has no bound.
MOST = 500
_NOTHING = "No device was selected."
_DONE = "No device is left that matches."
_EXPORTED = "Exported devices"
# By integration and channel.
_Ways = dict[tuple[int, ChannelKind], RegistrationWay | None]


class _BulkAction(StrEnum):
    """An action on selected devices."""

    RESET = "reset"
    MESSAGE = "message"
    CODE = "code"


@blueprint.get("")
@needs(Permission.OPERATE)
def confirm() -> ResponseReturnValue:
    """Say what would be done, and to how many devices: of all that match, to the next part of them."""
    found, filters = _asked(request.args), filters_of(request.args)
    devices, action = found[:MOST], request.args.get("do", "")
    if not devices or action not in set(_BulkAction):
        flash(_DONE if "beyond" in request.args else _NOTHING, "info")
        return _to_list(filters)
    ways = _ways(devices)
    channels = {channel: sum(_reaches(ways, device, channel) for device in devices) for channel in CHANNELS}
    return render_template(
        "devices/selection.html",
        devices=devices, action=action, filters=filters, channels=channels, titles=CHANNELS,
        is_following="beyond" in request.args, last=devices[-1].id if len(found) > MOST else None,
    )  # fmt: skip


@blueprint.post("/devices.csv")
@needs(Permission.VIEW)
def export() -> ResponseReturnValue:
    """Send the selected devices as a file."""
    filters = filters_of(request.args)
    if _is_all(request.form):
        return list_as_file(filters)
    devices = _devices(request.form)
    if not devices:
        flash(_NOTHING, "info")
        return _to_list(filters)
    rows = rows_of([device.id for device in devices])
    return _file("harmony-selected-devices", rows, counted(len(devices)))


def list_as_file(filters: Filters) -> Response:
    """Return all devices that the list shows, as a file."""
    return _file("harmony-devices", every(filters), narrowed(filters))


def _file(name: str, rows: Iterable[Row[Any]], detail: str) -> Response:
    lines = ([written(row, column) for column in FILE] for row in rows)
    return csv_file(name, FILE, lines, event=_EXPORTED, detail=detail)


@blueprint.post("/reset")
@needs(Permission.OPERATE)
def reset() -> ResponseReturnValue:
    """End the registrations of the selected devices."""
    devices, by = _devices(request.form), g.user.name
    done = sum(unregister.reset(device.id, by, now()) for device in devices)
    others = f"; {len(devices) - done:,} had nothing to reset" if done < len(devices) else ""
    flash(f"The registration of {counted(done)} was reset{others}.", "success" if done else "info")
    return _following(_BulkAction.RESET)


@blueprint.post("/message")
@needs(Permission.OPERATE)
def message() -> ResponseReturnValue:
    """Queue a registration message for each of the selected devices."""
    devices = _devices(request.form)
    asked = request.form.get("channel", "")
    channel = ChannelKind(asked) if asked in set(CHANNELS) else ChannelKind.EMAIL
    ways = _ways(devices)
    queued = sum(_send(ways, device, channel) for device in devices)
    others = f" {len(devices) - queued:,} got none: no address, no channel, or one waits already."
    text = f"A message is queued for {counted(queued)}." + (others if queued < len(devices) else "")
    flash(text, "success" if queued else "warning")
    return _following(_BulkAction.MESSAGE)


@blueprint.post("/codes")
@needs(Permission.OPERATE)
def new_codes() -> ResponseReturnValue:
    """Make a code for each of the selected devices and show them this once."""
    issued = [(device, codes.issue_code(device.id, g.user.name, now())) for device in _devices(request.form)]
    filters = filters_of(request.args)
    following = _confirm_beyond(_BulkAction.CODE, filters) if "beyond" in request.form else None
    return render_template("devices/selection_codes.html", codes=issued, filters=filters, following=following)


def _is_all(query: MultiDict[str, str]) -> bool:
    """Tell if all devices of the list are selected, not only rows of the page."""
    return "all" in query


def _asked(query: MultiDict[str, str]) -> Sequence[Device]:
    """Return the devices that an action is asked for: of all that the list shows a part, and one more."""
    if not _is_all(query):
        return _devices(query)
    conditions = (*conditions_of(filters_of(query)), *_beyond(query))
    return db.session.scalars(_live().where(*conditions).order_by(*by_name()).limit(MOST + 1)).all()


def _beyond(query: MultiDict[str, str]) -> tuple[ColumnElement[bool], ...]:
    """Return the condition of the devices after the last one of the part before.

    None are after one that was removed meanwhile: to begin anew would do the action twice to the others.
    """
    if "beyond" not in query:
        return ()
    last = db.session.get(Device, number(query["beyond"]) or 0)
    if last is None:
        return (false(),)
    return (tuple_(*by_name()) > tuple_(*(getattr(last, key.key) for key in by_name())),)


def _devices(query: MultiDict[str, str]) -> Sequence[Device]:
    """Return the named devices that are not deleted, by name."""
    ids = {number(text) for text in query.getlist("device")[:MOST]} - {None}
    return db.session.scalars(_live().where(Device.id.in_(ids)).order_by(*by_name())).all()


def _live() -> Any:
    return select(Device).where(Device.deleted_at.is_(None), *shown(Device.integration_id), *in_scope())


def _ways(devices: Iterable[Device]) -> _Ways:
    """Return the way that messages take, for each integration of these devices and each channel."""
    integrations = [db.session.get_one(Integration, id_) for id_ in {row.integration_id for row in devices}]
    return {
        (integration.id, channel): way_of(integration, channel) if integration.connected else None
        for integration in integrations
        for channel in CHANNELS
    }


def _reaches(ways: _Ways, device: Device, channel: ChannelKind) -> bool:
    has_way = ways[device.integration_id, channel] is not None
    return has_way and bool(recipients.address_of(device, channel))


def _send(ways: _Ways, device: Device, channel: ChannelKind) -> bool:
    """Queue a message for the device; False when it cannot be sent or one waits."""
    way = ways[device.integration_id, channel]
    if way is None or not recipients.address_of(device, channel):
        return False
    integration = db.session.get_one(Integration, device.integration_id)
    return recipients.queue_one(integration, way, device.id, g.user.name, now())


def _following(action: _BulkAction) -> ResponseReturnValue:
    """Lead to the next part of all that match; to the list after the last."""
    filters = filters_of(request.args)
    if "beyond" not in request.form:
        return _to_list(filters)
    return redirect(_confirm_beyond(action, filters), 303)


def _confirm_beyond(action: _BulkAction, filters: Filters) -> str:
    last = number(request.form["beyond"])
    return filters.href("selection.confirm", do=action.value, all=1, beyond=last)


def _to_list(filters: Filters) -> ResponseReturnValue:
    return redirect(filters.href("devices.index"), 303)
