"""One-time registration codes: made by an administrator for one device, shown once, good for a day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, select

from harmony.audit import audit
from harmony.db import db, write
from harmony.device_api.registration.keys import code_hash, new_code
from harmony.models import Device, Integration, RegistrationCode

VALID_FOR = timedelta(hours=24)
_ASKED_FOR = "Made a registration code"


def issue(device_id: int, by: str, now: datetime) -> str | None:
    """A new code in clear text, in place of any that was not used yet; None when the device is deleted."""
    code = new_code()
    with write() as session:
        device = session.get(Device, device_id)
        if device is None or device.deleted_at is not None:
            return None
        unused = (RegistrationCode.device_id == device_id, RegistrationCode.used_at.is_(None))
        session.execute(delete(RegistrationCode).where(*unused))
        session.add(
            RegistrationCode(
                device_id=device_id,
                code_hash=code_hash(code),
                created_at=now,
                created_by=by[:64],
                expires_at=now + VALID_FOR,
            )
        )
        integration = session.get(Integration, device.integration_id)
        audit(session, by, _ASKED_FOR, now, integration, detail=f"Device {device_id}")
    return code


def issued(device_id: int) -> Sequence[RegistrationCode]:
    """The codes of a device, newest first: used, expired or still good."""
    mine = select(RegistrationCode).where(RegistrationCode.device_id == device_id)
    return db.session.scalars(mine.order_by(RegistrationCode.id.desc())).all()
