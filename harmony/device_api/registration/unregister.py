"""Ends registrations: the app unregisters, or an administrator resets a device."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from harmony.apps.inventory import forget_inventory
from harmony.audit import audit
from harmony.db import write
from harmony.device_api.errors import Refused
from harmony.models import Device, Integration, Profile, Protection, Registration, Severity, Verb
from harmony.protection import events, policy
from harmony.protection import record as protection_record
from harmony.protection.risk import status

RESET = "Reset the registration"
# What the dashboard concludes from the app itself, and cannot know any more without it.
_OF_THE_APP = frozenset({"DEVICE_SILENT", "CLIENT_OUTDATED"})


def unregister(hashed: str, now: datetime) -> None:
    """End the registration of the key with this hash; nothing more when it has ended. Raises Refused.

    What was found stays open: no device got well because its app was removed.
    """
    with write() as session:
        row = session.scalar(select(Registration).where(Registration.key_hash == hashed))
        if row is None:
            raise Refused("key_unknown")
        device = session.get_one(Device, row.device_id)
        if device.deleted_at is not None:
            raise Refused("device_deleted")
        if row.ended_at is None:
            _end(session, device, [row], (), now)


def reset(device_id: int, by: str, now: datetime) -> bool:
    """End every registration of a device, close what they found and forget the apps they listed.

    False when there was nothing of the kind.
    """
    with write() as session:
        device = session.get_one(Device, device_id)
        mine = (Registration.device_id == device_id, Registration.ended_at.is_(None))
        rows = session.scalars(select(Registration).where(*mine)).all()
        closed = [
            one.id
            for one in protection_record.open_findings(session, device_id)
            if one.profile or one.code in _OF_THE_APP
        ]
        forgot = forget_inventory(session, device_id, list(Profile), now)
        if not (rows or closed or forgot):
            return False
        _end(session, device, rows, closed, now)
        integration = session.get(Integration, device.integration_id)
        audit(session, by, RESET, now, integration, detail=f"Device {device_id}")
    return True


def _end(
    session: Session, device: Device, rows: Sequence[Registration], closed_ids: Iterable[int], now: datetime
) -> None:
    for row in rows:
        row.ended_at = now
        events.note(
            session, now, Verb.UNREGISTERED, Severity.WARNING, device_id=device.id,
            integration_id=device.integration_id, detail=f"Profile: {row.profile}",
        )  # fmt: skip
    session.flush()
    still = (Registration.device_id == device.id, Registration.ended_at.is_(None))
    last = max(session.scalars(select(Registration.last_contact_at).where(*still)), default=None)
    _version, record = policy.in_force(session)
    stands = status(last, record.inactive_days, now)
    protection_record.apply(
        session, device.id, device.integration_id, now, closed_ids=list(closed_ids), status=stands
    )
    protection = session.get(Protection, device.id, populate_existing=True)
    if protection is not None:
        protection.last_contact_at = last
