"""Who may register at all: the holder of the dashboard token, or of a one-time code for the device."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from harmony.clock import within
from harmony.device_api.errors import ApiError
from harmony.device_api.registration import tokens
from harmony.device_api.registration.keys import code_hash, same_request
from harmony.device_api.schemas import Register
from harmony.models import Device, Integration, IntegrationState, RegistrationCode
from harmony.models.device_ids import udid_key


@dataclass(frozen=True, slots=True)
class Credential:
    """What was shown: the integration it opens; for a code the code and its device."""

    integration_id: int
    auto_addition: bool = False
    code: RegistrationCode | None = None
    device: Device | None = None


def present(session: Session, asked: Register, digest: str, now: datetime) -> Credential:
    """Look at the token or the code. Raises ApiError.

    A used code passes for the request that used it, which may get the same answer again.
    """
    if asked.code is not None:
        return _code(session, asked, asked.code, digest, now)
    owner = tokens.owner_of(session, asked.token or "")
    _refuse_closed(owner.state)
    return Credential(owner.integration_id, owner.auto_addition)


def _code(session: Session, asked: Register, code: str, digest: str, now: datetime) -> Credential:
    row = session.scalar(select(RegistrationCode).where(RegistrationCode.code_hash == code_hash(code)))
    device = session.get(Device, row.device_id) if row else None
    # A device of which the UEM tells no UDID can be named by a code alone.
    if row is None or device is None or device.udid_key not in {"", udid_key(asked.udid)}:
        raise ApiError("code_unknown")
    if row.used_at is not None and row.request_digest != digest:
        raise ApiError("request_changed" if same_request(row.request_digest, digest) else "code_used")
    if row.used_at is None and not within(row.created_at, row.expires_at - row.created_at, now):
        raise ApiError("code_expired")
    _refuse_closed(session.get_one(Integration, device.integration_id).state)
    return Credential(device.integration_id, code=row, device=device)


def _refuse_closed(state: str) -> None:
    if state != IntegrationState.ACTIVE:
        raise ApiError("integration_closed")
