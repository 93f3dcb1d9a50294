"""Listeners and events for tests: what a UEM posts, in both spellings, and how it signs in."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from harmony.clock import now
from harmony.db import db
from harmony.event_notifications import listeners
from harmony.event_notifications.listeners import ListenerSecret
from harmony.models import EventListener

NEWER: dict[str, Any] = {
    "EventId": 178, "EventType": "Compromised Status Changed", "DeviceId": 4711,
    "DeviceFriendlyName": "Ada's iPhone", "EnrollmentEmailAddress": "ada@example.com",
    "EnrollmentUserName": "ada", "EventTime": "2026-01-16T09:13:59.5720125Z", "EnrollmentStatus": "Enrolled",
    "CompromisedStatus": "", "CompromisedTimeStamp": "0001-01-01T00:00:00", "PhoneNumber": "+49 30 1",
    "Udid": "0123456789abcdef0123456789abcdef", "SerialNumber": "C02EXAMPLE01",
}  # fmt: skip
OLDER: dict[str, Any] = {
    "EventId": 39, "EventType": "BreakMDMConfirmed", "DeviceId": "4711", "Udid": "System.Byte[]",
    "EventTime": "/Date(1389000000000)/", "EnrollmentStatus": "Unenrolled", "MACAddress": None,
}  # fmt: skip


def listening(integration_id: int) -> tuple[str, ListenerSecret]:
    """Turn the listener on; its path, and its sign-in."""
    secret = listeners.create(integration_id, "test", now())
    assert secret is not None
    return f"/hooks/ws1/{db.session.get_one(EventListener, integration_id).address}", secret


def signed(secret: ListenerSecret) -> dict[str, str]:
    """The header of HTTP Basic."""
    pair = b64encode(f"{secret.user_name}:{secret.password}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


def post(client: FlaskClient, path: str, secret: ListenerSecret, event: Any, **changes: Any) -> TestResponse:
    """Post an event as a UEM does."""
    body = event if isinstance(event, bytes) else json.dumps(event | changes).encode()
    return client.post(path, data=body, content_type="application/json", headers=signed(secret))
