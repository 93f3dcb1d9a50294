"""The device that a request to register names: of its code, of its UDID, or a new one."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from harmony.device_api.errors import ApiError
from harmony.device_api.registration.credentials import AcceptedCredential
from harmony.device_api.schemas import Register
from harmony.device_ids import udid_key
from harmony.jobs.device_sync import choice
from harmony.models import Device, Integration
from harmony.protection.catalogue import ANDROID, IOS
from harmony.uem.device_keys import search_text
from harmony.uem.privacy import PLACEHOLDER_EMAIL

_BY_REGISTRATION = "registration"
# The UEM's words for the platforms.
_PLATFORMS = {IOS: "Apple", ANDROID: "Android"}
# What only the UEM tells.
_FROM_UEM_ONLY = (
    "uuid", "imei", "name", "name_key", "phone", "user_name", "ownership", "group_id", "group_name",
    "enrollment_status", "compliance", "fingerprint",
)  # fmt: skip


def device_of(session: Session, credential: AcceptedCredential, request: Register, now: datetime) -> Device:
    """Find the device that the code or else the UDID names; perhaps add it."""
    device = credential.device or _of_udid(session, credential.integration_id, udid_key(request.udid))
    if device is None:
        if not credential.auto_addition:
            raise ApiError("device_unknown")
        return add_device(session, credential.integration_id, request, now)
    if device.deleted_at is not None:
        raise ApiError("device_deleted")
    return device


def add_device(session: Session, integration_id: int, request: Register, now: datetime) -> Device:
    """Add a device that no sync has listed yet; without a fingerprint, the first sync that does writes it.

    Inside the caller's `write()`. Nobody's name, number or address is known of it.
    """
    imports_email = choice(session.get_one(Integration, integration_id)).import_email
    device = Device(
        integration_id=integration_id,
        udid=request.udid,
        udid_key=udid_key(request.udid),
        serial=request.serial,
        platform=_PLATFORMS[request.platform],
        model=request.model,
        os_version=request.os_version,
        email="" if imports_email else PLACEHOLDER_EMAIL.format(udid=request.udid),
        search_text=search_text("", request.serial, request.udid, "", ""),
        added_by=_BY_REGISTRATION,
        created_at=now,
        updated_at=now,
        **dict.fromkeys(_FROM_UEM_ONLY, ""),
    )
    session.add(device)
    session.flush()
    return device


def _of_udid(session: Session, integration_id: int, key: str) -> Device | None:
    """Find the device of a UDID: the live row, then the one that the UEM lists, then the newest.

    Raises ApiError: the UEM lists several devices under this UDID, which then names none of them.
    """
    same = (Device.integration_id == integration_id, Device.udid_key == key)
    order = (Device.deleted_at.is_not(None), Device.external_id.is_(None), Device.id.desc())
    rows = session.scalars(select(Device).where(*same).order_by(*order).limit(2)).all()
    if len([row for row in rows if row.deleted_at is None and row.external_id]) > 1:
        raise ApiError("udid_shared")
    return rows[0] if rows else None
