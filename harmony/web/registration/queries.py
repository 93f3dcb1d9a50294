"""The registration messages of a device, newest first, and the channels that another may take."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from harmony.db import db
from harmony.messages.registration.recipients import address_of
from harmony.models import Device, Integration, Message, MessageKind
from harmony.web.messages.views import STATES
from harmony.web.registration.message_state import CHANNELS, missing_for_messages

_SHOWN = 10


def messages_of(device: Device, integration: Integration) -> dict[str, Any]:
    """Return what `registration/_device.html` shows."""
    of_device = (Message.device_id == device.id, Message.kind == MessageKind.REGISTRATION)
    newest = select(Message).where(*of_device).order_by(Message.id.desc()).limit(_SHOWN)
    missing = missing_for_messages(integration) if integration.connected else {}
    return {
        "sent": db.session.scalars(newest).all(),
        "channels": [channel for channel in CHANNELS if missing.get(channel) == []],
        "reachable": [channel for channel in CHANNELS if address_of(device, channel)],
        "missing": missing,
        "titles": CHANNELS,
        "states": STATES,
    }
