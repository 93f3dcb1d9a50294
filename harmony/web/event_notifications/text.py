"""The words of event notifications: states, kinds, the boxes to tick in the UEM's console."""

from __future__ import annotations

from datetime import datetime

from flask import url_for

from harmony.event_notifications.wire import EventKind
from harmony.jobs.quota import Share
from harmony.models import EventListener, Integration
from harmony.sync.named_devices import have_stopped
from harmony.web.shared.layout import Banner

KINDS = {
    EventKind.ENROLLED: "Enrolled",
    EventKind.UNENROLLED: "Un-enrolled",
    EventKind.WIPED: "Wiped",
    EventKind.DELETED: "Deleted in the UEM",
    EventKind.COMPLIANCE: "Compliance changed",
    EventKind.COMPROMISED: "Compromised status changed",
    EventKind.NAME: "Renamed",
    EventKind.GROUP: "Moved to another group",
    EventKind.SYSTEM: "Operating system changed",
    EventKind.COUNTRY: "Country of the network changed",
}
# As the UEM's console has them.
BOXES = (
    "Device Enrollment",
    "Device Unenrolled Enterprise Wipe",
    "Device Wipe",
    "Device Delete",
    "Device Compliance Status Change",
    "Device Compromised Status Change",
    "Device Friendly Name",
    "Device Attribute Changes",
)


def state(listener: EventListener) -> tuple[str, str]:
    """Return the badge and the word of a listener's state."""
    if not listener.is_on:
        return "cancelled", "Off"
    if have_stopped(listener):
        return "warning", "Events stopped"
    if listener.received_at is not None:
        return "ok", "Receiving"
    return ("ok", "Tested") if listener.tested_at is not None else ("pending", "Waiting for the UEM")


def stopped(integration: Integration, listener: EventListener | None) -> Banner | None:
    """Return the warning that events have stopped; None while they have not."""
    if listener is None or not have_stopped(listener):
        return None
    since = listener.received_at or listener.since
    text = (
        f"Events stopped: full syncs found {listener.missed:,} devices changed since "
        f"{since:%d %b %Y, %H:%M} UTC, and no event announced them. Check the rule in the UEM."
    )
    href = url_for("event_notifications.show", integration_id=integration.id)
    return Banner("warning", text, href, "Event notifications")


def used_up(listener: EventListener, share: Share, now: datetime) -> str | None:
    """Say that events may use no more calls for now; None while they may."""
    if listener.rests_until is None or listener.rests_until <= now or share.left * 2 > share.allowed:
        return None
    return (
        f"Events have used {share.used:,} of the {share.allowed:,} calls a day that they may use. Devices "
        f"that they name are read again from {listener.rests_until:%H:%M} UTC on. Full syncs go on as usual."
    )
