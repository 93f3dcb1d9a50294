"""Registration codes that a message carries: each try to send it carries the same ones.

They are derived with the installation's secret, so that they need not be stored to be sent twice.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta

from flask import current_app
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from harmony.db import write
from harmony.device_api.registration.codes import code_hash, code_of, unused
from harmony.models import Device, Message, Profile, RegistrationCode

# Before the channel in `created_by`; no user has such a name.
_BY_MESSAGE = "message: "
_BYTES = 10


def message_code(message: Message, profile: str) -> str:
    """Derive the code of a message for a profile of its device; "" for a code that is good for any."""
    secret = current_app.config["SECRET_KEY"].encode()
    parts = (message.id, message.key, message.created_at.isoformat(), message.device_id, profile)
    text = "\0".join(("harmony registration code", *map(str, parts))).encode()
    return code_of(int.from_bytes(hmac.new(secret, text, hashlib.sha256).digest()[:_BYTES]))


def store_message_codes(
    message: Message, codes: Mapping[str, str], valid_for: timedelta, now: datetime
) -> datetime | None:
    """Store the codes of a message by their profile; return when they expire, None if the device is deleted.

    They replace unused ones of earlier messages on its channel. A code that was used stays used.
    """
    with write() as session:
        device = session.get(Device, message.device_id)
        if device is None or device.deleted_at is not None:
            return None
        created_by = f"{_BY_MESSAGE}{message.channel}"
        profile_of = {code_hash(code): profile for profile, code in codes.items()}
        others = (RegistrationCode.created_by == created_by, RegistrationCode.code_hash.not_in(profile_of))
        session.execute(delete(RegistrationCode).where(*unused(device.id), *others))
        for row in _codes(session, device.id, profile_of, created_by):
            if row.used_at is None:
                row.created_at, row.expires_at = now, now + valid_for
            session.add(row)
    return now + valid_for


def _codes(
    session: Session, device_id: int, profile_of: Mapping[str, str], created_by: str
) -> list[RegistrationCode]:
    """Return the rows of these codes, by their hashes; new ones for those that are not stored yet."""
    stored = select(RegistrationCode).where(RegistrationCode.code_hash.in_(profile_of))
    rows = {row.code_hash: row for row in session.scalars(stored)}
    for hashed in profile_of.keys() - rows.keys():
        rows[hashed] = RegistrationCode(device_id=device_id, code_hash=hashed, profile=profile_of[hashed])
        rows[hashed].created_by = created_by
    return list(rows.values())


def delete_message_codes(session: Session, device_id: int, profile: Profile) -> None:
    """Delete the unused codes of messages that a registration for `profile` makes needless."""
    sent = delete(RegistrationCode).where(
        *unused(device_id), RegistrationCode.created_by.startswith(_BY_MESSAGE)
    )
    if profile is not Profile.DEVICE:
        sent = sent.where(RegistrationCode.profile.in_(("", profile.value)))
    session.execute(sent)
