"""Credentials of devices: dashboard token, registration code and device key."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import current_app
from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from harmony.device_api.errors import ApiError
from harmony.device_api.registration.codes import accept_code
from harmony.device_api.schemas import Register
from harmony.models import Device, Integration, IntegrationState, RegistrationCode, SetupPage
from harmony.models.configuration import DEPLOYMENT, Deployment, from_row
from harmony.security.credentials import bound_to
from harmony.security.vault import VaultLocked, vault

# A fixed beginning lets secret scanners recognise a key that strayed into a file.
KEY_PREFIX = "hmkey_"


class RefusedRegistration(ApiError):
    """A registration with a right token that is refused; its integration counts it."""

    def __init__(self, code: str, integration_id: int) -> None:
        super().__init__(code)
        self.integration_id = integration_id


@dataclass(frozen=True, slots=True)
class AcceptedCredential:
    """An accepted token or code: the integration it opens; for a code the code and its device.

    `is_former`: the token was replaced, and is accepted for a while.
    """

    integration_id: int
    auto_addition: bool = False
    is_former: bool = False
    code: RegistrationCode | None = None
    device: Device | None = None


def accept(session: Session, request: Register, digest: str, now: datetime) -> AcceptedCredential:
    """Check the token or the code of a request to register. Raises ApiError.

    A used code passes for the request that used it, which may get the same answer again.
    """
    if request.code is not None:
        code, device = accept_code(session, request, request.code, digest, now)
        _require_active(session.get_one(Integration, device.integration_id).state)
        return AcceptedCredential(device.integration_id, code=code, device=device)
    return _accept_token(session, request.token or "", now)


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


def _accept_token(session: Session, token: str, now: datetime) -> AcceptedCredential:
    """Find the integration of a token, the present one or a former one whose time has not ended.

    The tokens of every integration are compared; there are few, and opening one takes microseconds. Raises
    ApiError: nobody's token, a replaced one, or one might be whose seal does not open.
    """
    found, locked = None, False
    for integration_id, state, applied in _deployments(session):
        deployment = from_row(Deployment, applied)
        try:
            which = _compared(deployment, integration_id, token)
        except VaultLocked:
            locked = True
            continue
        found = (integration_id, state, deployment, which) if which else found
    if found is None:
        raise ApiError("unavailable" if locked else "token_unknown")
    integration_id, state, deployment, which = found
    _require_active(state)
    is_former = which == "former_token"
    if is_former and (deployment.former_until is None or deployment.former_until <= now):
        raise RefusedRegistration("token_replaced", integration_id)
    return AcceptedCredential(integration_id, deployment.auto_addition, is_former)


def _deployments(session: Session) -> Sequence[Row[int, str, Any]]:
    """Return id, state and Deployment page of every integration that has one in force."""
    pages = select(Integration.id, Integration.state, SetupPage.applied).join(SetupPage)
    of_tokens = (SetupPage.name == DEPLOYMENT, SetupPage.applied.is_not(None))
    return session.execute(pages.where(*of_tokens, Integration.state != IntegrationState.HIDDEN)).all()


def _compared(deployment: Deployment, integration_id: int, token: str) -> str | None:
    """Return the field of the token that this is. Both are compared, so that the time tells nothing.

    Raises VaultLocked.
    """
    equal = None
    for field in ("former_token", "token"):
        sealed = getattr(deployment, field)
        clear = vault().open(sealed, bound_to(integration_id, field)) if sealed else ""
        if hmac.compare_digest(clear.encode(), token.encode("utf-8", "replace")) and clear:
            equal = field
    return equal


def _require_active(state: str) -> None:
    if state != IntegrationState.ACTIVE:
        raise ApiError("integration_closed")
