"""The page "Why?" of a device: the chain from check-in to tags, with times; the same as JSON."""

from __future__ import annotations

import msgspec
from flask import Blueprint, Response, render_template
from flask.typing import ResponseReturnValue

from harmony.clock import now
from harmony.db import db
from harmony.models import Device, Integration
from harmony.security.permissions import Permission, needs
from harmony.web.why.queries import explanation
from harmony.web.why.records import Explanation

blueprint = Blueprint("why", __name__, url_prefix="/devices/<int:device_id>")


@blueprint.get("/why")
@needs(Permission.VIEW)
def show(device_id: int) -> ResponseReturnValue:
    """Show why the device is as it is."""
    return render_template("why/show.html", why=_explanation(device_id))


@blueprint.get("/why.json")
@needs(Permission.VIEW)
def as_json(device_id: int) -> ResponseReturnValue:
    """Send the same explanation to a program."""
    return Response(msgspec.json.encode(_explanation(device_id)), mimetype="application/json")


def _explanation(device_id: int) -> Explanation:
    device = db.get_or_404(Device, device_id)
    return explanation(device, db.session.get_one(Integration, device.integration_id), now())
