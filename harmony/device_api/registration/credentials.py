"""Credentials of devices: dashboard token, registration code and device key; only hashes are stored."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
from flask import current_app
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from harmony.audit import audit
from harmony.clock import within
from harmony.db import db, write
from harmony.device_api.errors import ApiError
from harmony.device_api.schemas import Register
from harmony.models import Device, Integration, IntegrationState, RegistrationCode, SetupPage
from harmony.models.configuration import DEPLOYMENT, Deployment, from_row
from harmony.models.device_ids import udid_key
from harmony.security.credentials import bound_to
from harmony.security.vault import VaultLocked, vault

# A fixed beginning lets secret scanners recognise a key that strayed into a file.
KEY_PREFIX = "hmkey_"
# Crockford's base 32: no I, L, O, U, which are misread or spell words. Sixteen of them are 80 bits.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_MISREAD = str.maketrans("OIL", "011")
_GROUPS, _GROUP_SIZE = 4, 4
_HALF = 32
_CODE_VALID_FOR = timedelta(hours=24)
_ISSUED = "Made a registration code"


@dataclass(frozen=True, slots=True)
class AcceptedCredential:
    """An accepted token or code: the integration it opens; for a code the code and its device."""

    integration_id: int
    auto_addition: bool = False
    code: RegistrationCode | None = None
    device: Device | None = None


def accept(session: Session, request: Register, digest: str, now: datetime) -> AcceptedCredential:
    """Check the token or the code of a request to register. Raises ApiError.

    A used code passes for the request that used it, which may get the same answer again.
    """
    if request.code is not None:
        return _accept_code(session, request, request.code, digest, now)
    integration_id, state, auto_addition = _find_integration(session, request.token or "")
    _require_active(state)
    return AcceptedCredential(integration_id, auto_addition)


def issue_code(device_id: int, by: str, now: datetime) -> str | None:
    """Issue a code, in place of any that was not used yet; None when the device is deleted."""
    groups = ("".join(secrets.choice(_ALPHABET) for _ in range(_GROUP_SIZE)) for _ in range(_GROUPS))
    code = "-".join(groups)
    with write() as session:
        device = session.get(Device, device_id)
        if device is None or device.deleted_at is not None:
            return None
        unused = (RegistrationCode.device_id == device_id, RegistrationCode.used_at.is_(None))
        session.execute(delete(RegistrationCode).where(*unused))
        row = RegistrationCode(device_id=device_id, code_hash=_code_hash(code), created_by=by[:64])
        row.created_at, row.expires_at = now, now + _CODE_VALID_FOR
        session.add(row)
        integration = session.get(Integration, device.integration_id)
        audit(session, by, _ISSUED, now, integration, detail=f"Device {device_id}")
    return code


def issued_codes(device_id: int) -> Sequence[RegistrationCode]:
    """Return the codes of a device, newest first: used, expired or still valid."""
    codes = select(RegistrationCode).where(RegistrationCode.device_id == device_id)
    return db.session.scalars(codes.order_by(RegistrationCode.id.desc())).all()


def key_hash(key: str) -> str:
    """Return the 64 hex digits under which a device key is stored."""
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()


def device_key(digest: str, device_id: int, registered_at: str) -> str:
    """Derive the key that a request gets for a registration: the same whenever it is repeated.

    It is derived with the installation's secret, so that it need not be stored to be given twice.
    """
    secret = current_app.config["SECRET_KEY"].encode()
    text = f"harmony device key\0{digest}\0{device_id}\0{registered_at}".encode()
    derived = hmac.new(secret, text, hashlib.sha256).digest()
    return KEY_PREFIX + base64.urlsafe_b64encode(derived).decode().rstrip("=")


def request_digest(request: Register) -> str:
    """Return 64 hex digits for a request: the first half stands for its id, the second for all of it."""
    whole = msgspec.json.encode(msgspec.structs.replace(request, udid=udid_key(request.udid)))
    id_digest = hashlib.sha256(request.request_id.bytes).hexdigest()[:_HALF]
    return id_digest + hashlib.sha256(whole).hexdigest()[:_HALF]


def is_same_request(digest: str, other: str) -> bool:
    """Return True if two digests are of one request_id, whatever else the requests say."""
    return bool(digest) and digest[:_HALF] == other[:_HALF]


def _code_hash(code: str) -> str:
    """Hash what was meant, however it was typed: lower case, without hyphens, O for 0."""
    letters = "".join(character for character in code.upper() if character.isalnum())
    return key_hash(letters.translate(_MISREAD))


def _accept_code(
    session: Session, request: Register, code: str, digest: str, now: datetime
) -> AcceptedCredential:
    row = session.scalar(select(RegistrationCode).where(RegistrationCode.code_hash == _code_hash(code)))
    device = session.get(Device, row.device_id) if row else None
    # A device of which the UEM tells no UDID can be named by a code alone.
    if row is None or device is None or device.udid_key not in {"", udid_key(request.udid)}:
        raise ApiError("code_unknown")
    if row.used_at is not None and row.request_digest != digest:
        raise ApiError("request_changed" if is_same_request(row.request_digest, digest) else "code_used")
    if row.used_at is None and not within(row.created_at, row.expires_at - row.created_at, now):
        raise ApiError("code_expired")
    _require_active(session.get_one(Integration, device.integration_id).state)
    return AcceptedCredential(device.integration_id, code=row, device=device)


def _find_integration(session: Session, token: str) -> tuple[int, str, bool]:
    """Find the integration of a token: its id, state, and whether it takes devices that no sync has listed.

    The token of every integration is compared; there are few, and opening one takes microseconds. Raises
    ApiError: nobody's token, or one might be whose seal does not open.
    """
    pages = select(Integration.id, Integration.state, SetupPage.applied).join(SetupPage)
    rows = session.execute(pages.where(SetupPage.name == DEPLOYMENT, SetupPage.applied.is_not(None))).all()
    found, locked = None, False
    for integration_id, state, applied in rows:
        deployment = from_row(Deployment, applied)
        try:
            clear = _open_token(deployment, integration_id)
        except VaultLocked:
            locked = True
            continue
        # Every one is compared, so that the time tells nothing of which it was.
        if hmac.compare_digest(clear.encode(), token.encode("utf-8", "replace")) and clear:
            found = integration_id, state, deployment.auto_addition
    if found is None:
        raise ApiError("unavailable" if locked else "token_unknown")
    return found


def _open_token(deployment: Deployment, integration_id: int) -> str:
    """Open the sealed token; "" where none is set. Raises VaultLocked."""
    if not deployment.token:
        return ""
    return vault().open(deployment.token, bound_to(integration_id, "token"))


def _require_active(state: str) -> None:
    if state != IntegrationState.ACTIVE:
        raise ApiError("integration_closed")
