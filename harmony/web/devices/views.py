"""The devices: search, filters, keyset pages, a file; one device; deleting and restoring."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from harmony.clock import now
from harmony.config import current_settings
from harmony.db import db
from harmony.models import Device, Integration
from harmony.security.permissions import Permission, needs
from harmony.setup import groups
from harmony.sync.deletion import soft_delete
from harmony.web.deletions.text import counted
from harmony.web.devices import columns, protection
from harmony.web.devices.counts import has_two_profiles
from harmony.web.devices.history import newest_lines
from harmony.web.devices.queries import (
    FACTORS,
    DeviceSelection,
    conditions_of,
    filters_of,
    page_of,
    total,
)
from harmony.web.devices.related_filters import PLATFORMS, PROFILES, group_choices, tag_choices
from harmony.web.devices.selection import MOST, list_as_file
from harmony.web.registration.queries import messages_of
from harmony.web.shared.filters import Filters
from harmony.web.shared.integrations import connected_integrations, integration_choices
from harmony.web.shared.paging import Page
from harmony.web.tags import queries as tag_queries

blueprint = Blueprint("devices", __name__, url_prefix="/devices")

_COUNTED_ANEW = "If the UEM does not list it, it counts as missing from the next complete sync on."
_GONE = "Nothing was restored: it is not deleted any more, or was removed for good."
_DELETED = "Deleted: its Protect app is turned away. It comes back by itself when the UEM lists it."
_LISTED = "Nothing was deleted: the UEM lists it by now, or it is deleted already."


@blueprint.get("")
@needs(Permission.VIEW)
def index() -> ResponseReturnValue:
    """Show a page of devices, by name unless another order is asked for."""
    filters = filters_of(request.args)
    (page, place), connected = page_of(filters, request.args), connected_integrations()
    return render_template(
        "devices/index.html",
        filters=filters,
        place=place,
        page=page,
        total=total(filters),
        kept=_kept(),
        most_at_once=MOST,
        **_columns(page, connected),
        **_choices(connected),
    )


@blueprint.post("/devices.csv")
@needs(Permission.VIEW)
def export() -> ResponseReturnValue:
    """Send the same devices as a file, all pages of them."""
    return list_as_file(filters_of(request.args))


@blueprint.get("/<int:device_id>")
@needs(Permission.VIEW)
def show(device_id: int) -> ResponseReturnValue:
    """Show one device."""
    device = db.get_or_404(Device, device_id)
    integration = db.session.get_one(Integration, device.integration_id)
    known = {(group.kind, group.external_id): group.name for group in groups.known(integration.id)}
    names = [known.get((m.group_kind, m.group_id), f"group {m.group_id}") for m in device.memberships]
    parts = {
        "history": newest_lines(device),
        "same_udid": protection.same_udid(device),
        "protection": protection.panel(device, integration),
        "messages": messages_of(device, integration),
        "tags": tag_queries.of_device(device_id) if integration.connected else [],
    }
    return render_template(
        "devices/show.html", device=device, integration=integration, names=names, kept=_kept(), **parts
    )


@blueprint.post("/<int:device_id>/restore")
@needs(Permission.OPERATE)
def restore(device_id: int) -> ResponseReturnValue:
    """Bring one deleted device back."""
    if soft_delete.restore(device_id, g.user.name, now()):
        flash(f"Restored. {_COUNTED_ANEW}", "success")
        return redirect(url_for("devices.show", device_id=device_id), 303)
    flash(_GONE, "warning")
    return _to_deleted(filters_of(request.args))


@blueprint.post("/<int:device_id>/delete")
@needs(Permission.OPERATE)
def delete(device_id: int) -> ResponseReturnValue:
    """Delete one device that no sync has listed."""
    if soft_delete.delete_unlisted((Device.id == device_id,), g.user.name, now()):
        flash(_DELETED, "success")
    else:
        flash(_LISTED, "warning")
    return redirect(url_for("devices.show", device_id=device_id), 303)


@blueprint.post("/delete")
@needs(Permission.OPERATE)
def delete_all() -> ResponseReturnValue:
    """Delete every device that no sync has listed and that the filter of the list shows."""
    filters = filters_of(request.args).asking(state=DeviceSelection.UNLISTED)
    deleted = soft_delete.delete_unlisted(conditions_of(filters), g.user.name, now())
    flash(f"Deleted {counted(deleted)}; what was deleted can be restored.", "success")
    return _to_deleted(filters)


@blueprint.post("/restore")
@needs(Permission.OPERATE)
def restore_all() -> ResponseReturnValue:
    """Bring back every deleted device that the filter of the list shows."""
    filters = filters_of(request.args).asking(state=DeviceSelection.DELETED)
    restored = soft_delete.restore_all(conditions_of(filters), g.user.name, now())
    flash(f"Restored {counted(restored)}. What the UEM does not list counts as missing again.", "success")
    return _to_deleted(filters)


def _columns(page: Page, connected: Sequence[Integration]) -> dict[str, Any]:
    """Return the columns that can be chosen, those that are shown, and what these need beside the rows."""
    offered = columns.offered(connected)
    return {
        "offered": offered,
        "columns": columns.shown(g.user, offered),
        "apps": columns.protect_apps(row.id for row in page.rows),
    }


def _choices(connected: Sequence[Integration]) -> dict[str, Any]:
    """Return what the list can be narrowed to."""
    return {
        "integrations": integration_choices(),
        "factors": FACTORS,
        "groups": group_choices(),
        "tags": tag_choices(),
        "platforms": PLATFORMS,
        "profiles": PROFILES,
        "has_two_profiles": any(map(has_two_profiles, connected)),
    }


def _kept() -> timedelta:
    """Return how long a deleted device can be restored."""
    return timedelta(days=current_settings().deleted_kept_days)


def _to_deleted(filters: Filters) -> Response:
    return redirect(filters.asking(state=DeviceSelection.DELETED).href("devices.index"), 303)
