"""The devices: search, filters, keyset pages; and one device with all that is known of it."""

from __future__ import annotations

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from harmony.db import db
from harmony.models import Device, Integration
from harmony.setup import groups
from harmony.web.listing import Filters, list_devices

blueprint = Blueprint("devices", __name__, url_prefix="/devices")


@blueprint.get("")
def index() -> ResponseReturnValue:
    """A page of devices by name."""
    filters = Filters.from_query(request.args)
    integrations = db.session.scalars(select(Integration).order_by(Integration.name)).all()
    listed = list_devices(filters)
    return render_template("devices/index.html", filters=filters, listed=listed, integrations=integrations)


@blueprint.get("/<int:device_id>")
def show(device_id: int) -> ResponseReturnValue:
    """One device."""
    device = db.get_or_404(Device, device_id)
    integration = db.session.get_one(Integration, device.integration_id)
    known = {(group.kind, group.external_id): group.name for group in groups.known(integration.id)}
    names = [known.get((m.group_kind, m.group_id), f"group {m.group_id}") for m in device.memberships]
    return render_template("devices/show.html", device=device, integration=integration, names=names)
