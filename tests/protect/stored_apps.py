"""Devices with apps on them, and what is known of both, for tests of apps."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from harmony.apps.inventory import SeenApp, take_inventory
from harmony.db import db, write
from harmony.models import Device, Event, Finding, Protection, Risk
from tests.builders import NOON
from tests.sync.stored import store_devices

MAPS = SeenApp("com.example.maps", "1.2", "Maps")
MAIL = SeenApp("com.example.mail", "3.0", "Mail")
CHAT = SeenApp("com.example.chat", "7", "Chat")


def some_devices(integration_id: int, count: int, **changes: Any) -> list[int]:
    """Devices without apps; their ids. They run Android unless said otherwise."""
    store_devices(integration_id, count, **changes)
    mine = select(Device.id).where(Device.integration_id == integration_id)
    return list(db.session.scalars(mine.order_by(Device.id)))


def list_apps(
    device_id: int, *apps: SeenApp, profile: str = "device", at: Any = NOON, whole: bool = True
) -> bool:
    """What a check-in of an Android device does with its list."""
    with write() as session:
        owner = session.get_one(Device, device_id).integration_id
        return take_inventory(session, device_id, owner, "android", profile, apps, at, whole=whole)


def events(device_id: int | None = None) -> list[tuple[str, str]]:
    """Verb and detail of the events of a device, or of none, in order."""
    mine = Event.device_id == device_id if device_id else Event.device_id.is_(None)
    rows = select(Event.verb, Event.detail).where(mine).order_by(Event.id)
    return [(verb, detail) for verb, detail in db.session.execute(rows)]


def open_findings(device_id: int) -> list[tuple[str, str, int]]:
    """Code, subject and risk of what is open on a device."""
    rows = select(Finding.code, Finding.subject, Finding.risk)
    mine = (Finding.device_id == device_id, Finding.closed_at.is_(None))
    return [tuple(row) for row in db.session.execute(rows.where(*mine).order_by(Finding.id))]


def risk_of(device_id: int) -> Risk:
    """The risk of a device; one without a row has none."""
    row = db.session.get(Protection, device_id)
    return Risk(row.risk) if row else Risk.NONE
