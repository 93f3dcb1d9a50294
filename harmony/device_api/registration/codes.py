"""Registration codes: 80 bits for one registration of one device; only hashes are stored."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.orm import Session

from harmony.audit import audit
from harmony.clock import within
from harmony.db import db, write
from harmony.device_api.errors import ApiError
from harmony.device_api.registration.request_digest import is_same_request
from harmony.device_api.schemas import Register
from harmony.device_ids import is_placeholder, udid_key
from harmony.models import Device, Integration, IntegrationState, RegistrationCode
from harmony.security.code_letters import ALPHABET, letters_meant

# Requests that may name a code for another device than its own, before it is void.
MOST_TRIES = 10
# Sixteen letters are 80 bits.
_LETTERS, _GROUP_SIZE, _BITS = 16, 4, 5
_VALID_FOR = timedelta(hours=24)
_ISSUED = "Made a registration code"


class CodeOfAnotherDevice(ApiError):
    """A code that exists, named for another device; the request is told that it is not known."""

    def __init__(self, code_id: int) -> None:
        super().__init__("code_unknown")
        self.code_id = code_id


def issue_code(device_id: int, by: str, now: datetime, profile: str = "") -> str | None:
    """Issue a code, in place of any of its profile that was not used yet; None when the device is deleted.

    `profile` is "" for a code that is good for any.
    """
    code = code_of(secrets.randbits(_LETTERS * _BITS))
    with write() as session:
        device = session.get(Device, device_id)
        if device is None or device.deleted_at is not None:
            return None
        session.execute(
            delete(RegistrationCode).where(*unused(device_id), RegistrationCode.profile == profile)
        )
        row = RegistrationCode(device_id=device_id, code_hash=code_hash(code), profile=profile)
        row.created_by, row.created_at, row.expires_at = by[:64], now, now + _VALID_FOR
        session.add(row)
        integration = session.get(Integration, device.integration_id)
        audit(session, by, _ISSUED, now, integration, detail=f"Device {device_id}")
    return code


def issued_codes(device_id: int) -> Sequence[RegistrationCode]:
    """Return the codes of a device, newest first: used, expired or still valid."""
    codes = select(RegistrationCode).where(RegistrationCode.device_id == device_id)
    return db.session.scalars(codes.order_by(RegistrationCode.id.desc())).all()


def accept_code(
    session: Session, request: Register, code: str, digest: str, now: datetime
) -> tuple[RegistrationCode, Device]:
    """Return the code that a request names, and its device. Raises ApiError.

    A used one passes for the request that used it, which may get the same answer again.
    """
    row = session.scalar(select(RegistrationCode).where(RegistrationCode.code_hash == code_hash(code)))
    device = session.get(Device, row.device_id) if row else None
    if row is None or device is None:
        raise ApiError("code_unknown")
    # A device of which the UEM tells no UDID can be named by a code alone.
    if device.udid_key not in {"", udid_key(request.udid)}:
        raise ApiError("code_unknown") if is_placeholder(request.udid) else CodeOfAnotherDevice(row.id)
    if row.used_at is not None and row.request_digest != digest:
        raise ApiError("request_changed" if is_same_request(row.request_digest, digest) else "code_used")
    if row.used_at is None:
        _require_valid(row, request, now)
    return row, device


def usable_code(code: str, now: datetime) -> tuple[RegistrationCode, Device] | None:
    """Return a code that can still register a device of an active integration, and that device."""
    row = db.session.scalar(select(RegistrationCode).where(RegistrationCode.code_hash == code_hash(code)))
    device = db.session.get(Device, row.device_id) if row else None
    if row is None or device is None or device.deleted_at is not None:
        return None
    active = db.session.get_one(Integration, device.integration_id).state == IntegrationState.ACTIVE
    valid = within(row.created_at, row.expires_at - row.created_at, now) and row.tries < MOST_TRIES
    return (row, device) if active and valid and row.used_at is None else None


def count_try(code_id: int) -> None:
    """Count a request that named a code for another device."""
    counted = update(RegistrationCode).where(
        RegistrationCode.id == code_id,
        RegistrationCode.tries < MOST_TRIES,
        RegistrationCode.used_at.is_(None),
    )
    with write() as session:
        session.execute(counted.values(tries=RegistrationCode.tries + 1))


def unused(device_id: int) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Return what is true of the codes of a device that were not used yet."""
    return RegistrationCode.device_id == device_id, RegistrationCode.used_at.is_(None)


def code_of(number: int) -> str:
    """Write a number of 80 bits as a code.

    >>> code_of(2**80 - 1), code_of(33)
    ('ZZZZ-ZZZZ-ZZZZ-ZZZZ', '0000-0000-0000-0011')
    """
    letters = "".join(ALPHABET[number >> shift & 31] for shift in range(75, -1, -_BITS))
    return "-".join(letters[start : start + _GROUP_SIZE] for start in range(0, _LETTERS, _GROUP_SIZE))


def code_hash(code: str) -> str:
    """Hash what was meant, however it was typed: lower case, without hyphens, O for 0."""
    return hashlib.sha256(letters_meant(code).encode("utf-8", "replace")).hexdigest()


def _require_valid(row: RegistrationCode, request: Register, now: datetime) -> None:
    if row.tries >= MOST_TRIES:
        raise ApiError("code_void")
    if not within(row.created_at, row.expires_at - row.created_at, now):
        raise ApiError("code_expired")
    if row.profile not in {"", request.profile}:
        raise ApiError("profile_differs")
