"""Device rows as a sync would have left them, for tests of what happens to them afterwards."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert, select

from harmony.audit import record_history
from harmony.db import db, table_of, write
from harmony.device_ids import udid_key
from harmony.folding import sort_key
from harmony.models import Device, Happening, Membership
from harmony.uem.device_keys import search_text
from tests.builders import NOON


def store_devices(integration_id: int, count: int, **changes: Any) -> None:
    """`count` devices with personal data, one group and one line of history each."""
    rows = [_row(integration_id, number) | changes for number in range(1, count + 1)]
    with write() as session:
        session.execute(insert(table_of(Device)), rows)
        ids = session.scalars(select(Device.id).where(Device.integration_id == integration_id)).all()
        groups = [{"device_id": id_, "group_kind": "organization", "group_id": "570"} for id_ in ids]
        session.execute(insert(table_of(Membership)), groups)
        record_history(session, [(id_, "OS version") for id_ in ids], Happening.CHANGED, NOON)


def _row(integration_id: int, number: int) -> dict[str, Any]:
    udid, serial, name = f"UDID-{number}", f"S{number}", f"Kim's Pixel {number}"
    return {
        "integration_id": integration_id, "external_id": str(number), "uuid": f"u-{number}", "udid": udid,
        "udid_key": udid_key(udid), "serial": serial, "imei": "", "name": name, "name_key": sort_key(name),
        "phone": "+49 30 1", "email": "kim@example.com", "user_name": "kim", "platform": "Android",
        "model": "Pixel", "os_version": "15", "ownership": "C", "group_id": "570", "group_name": "Acme",
        "enrollment_status": "Enrolled", "compliance": "Compliant", "compromised": False,
        "enrolled_at": NOON, "last_seen_at": NOON, "absent_why": "",
        "search_text": search_text(name, serial, udid, "kim", "kim@example.com"),
        "fingerprint": f"f{number}", "created_at": NOON, "updated_at": NOON,
    }  # fmt: skip


def all_of(integration_id: int) -> list[Device]:
    """Its device rows by id."""
    mine = select(Device).where(Device.integration_id == integration_id)
    return list(db.session.scalars(mine.order_by(Device.id)))
