"""Send registration messages: to all unregistered devices of an integration, or to one device."""

from __future__ import annotations

from flask import Blueprint, abort, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from harmony.clock import now
from harmony.db import db
from harmony.messages.registration import recipients
from harmony.models import ChannelKind, Device, Integration, IntegrationState
from harmony.models.configuration import DEPLOYMENT
from harmony.security.auth import shown_on
from harmony.security.permissions import Permission, needs
from harmony.web.registration.message_state import CHANNELS, missing_for_messages, way_of
from harmony.web.shared.integrations import connected_or_404

blueprint = Blueprint("registration_messages", __name__)

_IMPOSSIBLE = "No message can be sent on this channel now; the Deployment page says what is missing."
_WAITS = "A message to this device waits already."
_QUEUED = "The message is queued; the worker sends it in a moment."


@blueprint.get("/integrations/<int:integration_id>/registration-messages/<channel>")
@needs(Permission.OPERATE_ALL)
def confirm(integration_id: int, channel: str) -> ResponseReturnValue:
    """Ask before every unregistered device is written to."""
    integration = _integration(integration_id, channel)
    way = way_of(integration, channel)
    return render_template(
        "registration/confirm.html",
        integration=integration,
        channel=channel,
        title=CHANNELS[ChannelKind(channel)],
        missing=missing_for_messages(integration)[channel],
        count=recipients.count_unregistered(integration.id, way) if way else 0,
    )


@blueprint.post("/integrations/<int:integration_id>/registration-messages/<channel>")
@shown_on("registration_messages.confirm")
@needs(Permission.OPERATE_ALL)
def send_all(integration_id: int, channel: str) -> ResponseReturnValue:
    """Queue a message for every unregistered device that got none."""
    integration = _integration(integration_id, channel)
    way = way_of(integration, channel) or abort(409, _IMPOSSIBLE)
    count = recipients.queue_all(integration, way, g.user.name, now())
    queued = f"{count:,} {'message is' if count == 1 else 'messages are'} queued."
    flash(queued, "success" if count else "info")
    return redirect(url_for("wizard.show", integration_id=integration_id, page=DEPLOYMENT), 303)


@blueprint.post("/devices/<int:device_id>/registration-message")
@shown_on("devices.show")
@needs(Permission.OPERATE)
def send(device_id: int) -> ResponseReturnValue:
    """Queue a message for one device, whether or not it got one before."""
    device = db.get_or_404(Device, device_id)
    integration = connected_or_404(device.integration_id)
    way = way_of(integration, request.form.get("channel", ""))
    if way is None:
        flash(_IMPOSSIBLE, "warning")
    else:
        queued = recipients.queue_one(integration, way, device_id, g.user.name, now())
        flash(_QUEUED if queued else _WAITS, "success" if queued else "info")
    return redirect(url_for("devices.show", device_id=device_id), 303)


def _integration(integration_id: int, channel: str) -> Integration:
    integration = connected_or_404(integration_id)
    if channel not in set(CHANNELS) or integration.state == IntegrationState.DRAFT:
        abort(404)
    return integration
