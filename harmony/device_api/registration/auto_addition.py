"""A device that Protect registers before the UEM ever listed it: a row of its own until a sync does."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from harmony.device_api.schemas import Register
from harmony.jobs.device_sync import choice
from harmony.models import Device, Integration
from harmony.models.device_ids import udid_key
from harmony.protection.catalogue import ANDROID, IOS
from harmony.sync.privacy import PLACEHOLDER_EMAIL
from harmony.sync.search import search_text

_BY_REGISTRATION = "registration"
# The UEM's words for the platforms.
PLATFORMS = {IOS: "Apple", ANDROID: "Android"}


# What only the UEM tells.
_NOT_TOLD = (
    "uuid", "imei", "name", "name_key", "phone", "user_name", "ownership", "group_id", "group_name",
    "enrollment_status", "compliance", "fingerprint",
)  # fmt: skip


def add(session: Session, integration_id: int, asked: Register, now: datetime) -> Device:
    """Create it inside the caller's `write()`; without a fingerprint, the first sync that lists it writes it.

    It holds no personal data: nobody's name, number or address is known of it.
    """
    imports_email = choice(session.get_one(Integration, integration_id)).import_email
    device = Device(
        integration_id=integration_id,
        udid=asked.udid,
        udid_key=udid_key(asked.udid),
        serial=asked.serial,
        platform=PLATFORMS[asked.platform],
        model=asked.model,
        os_version=asked.os_version,
        email="" if imports_email else PLACEHOLDER_EMAIL.format(udid=asked.udid),
        search_text=search_text("", asked.serial, asked.udid, "", ""),
        added_by=_BY_REGISTRATION,
        created_at=now,
        updated_at=now,
        **dict.fromkeys(_NOT_TOLD, ""),
    )
    session.add(device)
    session.flush()
    return device
