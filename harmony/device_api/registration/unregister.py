"""End registrations: the app unregisters, or an administrator resets a device."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from harmony.apps.inventory import forget_inventory
from harmony.audit import audit
from harmony.db import write
from harmony.device_api.errors import ApiError
from harmony.device_api.registration.situation import live_registrations
from harmony.models import Device, Integration, Profile, Registration, Severity, Verb
from harmony.protection import policy
from harmony.protection.change import Change, EventLine, OpenFinding
from harmony.protection.record import load_states, record_changes, record_contacts, record_events
from harmony.protection.risk import status

_RESET = "Reset the registration"
# What the dashboard concludes from the app itself, and cannot know any more without it.
_OF_THE_APP = frozenset({"DEVICE_SILENT", "CLIENT_OUTDATED"})


def unregister(hashed: str, now: datetime) -> None:
    """End the registration of the key with this hash; nothing more when it has ended. Raises ApiError.

    What was found stays open: no device got well because its app was removed.
    """
    with write() as session:
        row = session.scalar(select(Registration).where(Registration.key_hash == hashed))
        if row is None:
            raise ApiError("key_unknown")
        device = session.get_one(Device, row.device_id)
        if device.deleted_at is not None:
            raise ApiError("device_deleted")
        if row.ended_at is None:
            _end(session, device, [row], (), now)


def reset(device_id: int, by: str, now: datetime) -> bool:
    """End every registration of a device, close what they found and forget the apps they listed.

    False when there was nothing of the kind.
    """
    with write() as session:
        device = session.get_one(Device, device_id)
        rows = live_registrations(session, device_id)
        forgot = forget_inventory(session, device_id, list(Profile), now)
        findings = load_states(session, [device_id])[device_id].findings
        ended = [finding for finding in findings if finding.profile or finding.code in _OF_THE_APP]
        if not (rows or ended or forgot):
            return False
        _end(session, device, rows, ended, now)
        integration = session.get(Integration, device.integration_id)
        audit(session, by, _RESET, now, integration, detail=f"Device {device_id}")
    return True


def _end(
    session: Session,
    device: Device,
    registrations: Sequence[Registration],
    ended: Iterable[OpenFinding],
    now: datetime,
) -> None:
    device_id, integration_id = device.id, device.integration_id
    line = EventLine(now, Verb.UNREGISTERED, Severity.WARNING, device_id, integration_id)
    record_events(session, [line._replace(detail=f"Profile: {row.profile}") for row in registrations])
    for registration in registrations:
        registration.ended_at = now
    session.flush()
    live = (Registration.device_id == device_id, Registration.ended_at.is_(None))
    last = max(session.scalars(select(Registration.last_contact_at).where(*live)), default=None)
    _version, record = policy.in_force(session)
    state = load_states(session, [device_id])[device_id]
    closed = {finding.id: finding.subject for finding in ended}
    change = Change(state, closed=closed, status=status(last, record.inactive_days, now))
    record_changes(session, [change], now)
    record_contacts(session, [(device_id, last)])
