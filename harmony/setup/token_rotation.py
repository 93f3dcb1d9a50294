"""Rotates the token of an integration that is in force: the former one registers devices for a while."""

from __future__ import annotations

from datetime import datetime, timedelta

from harmony.audit import audit
from harmony.db import write
from harmony.models import Integration
from harmony.security.credentials import bound_to
from harmony.security.vault import VaultLocked, vault
from harmony.setup import drafts
from harmony.setup.deployment_values import put


def rotate(integration_id: int, overlap: timedelta, by: str, now: datetime) -> None:
    """Put a new token in force at once; the former one is accepted for `overlap` longer."""
    with write() as session:
        integration = session.get_one(Integration, integration_id)
        former, until = _seal_former(integration), (now + overlap).isoformat()
        token = drafts.new_token(integration_id)
        put(integration, {"token": token, "former_token": former, "former_until": until if former else None})
        detail = f"The former one is accepted until {now + overlap:%Y-%m-%d %H:%M} UTC" if former else ""
        audit(session, by, "Rotated the token", now, integration, detail=detail)


def end_overlap(integration_id: int, by: str, now: datetime) -> bool:
    """Refuse the former token from now on; False when its time was over."""
    with write() as session:
        integration = session.get_one(Integration, integration_id)
        until = integration.in_force.deployment.former_until
        if until is None or until <= now:
            return False
        put(integration, {"former_until": now.isoformat()})
        audit(session, by, "Ended the overlap of the tokens", now, integration)
    return True


def _seal_former(integration: Integration) -> str:
    """Return the token in force, sealed as the former one; "" when it does not open."""
    sealed = integration.in_force.deployment.token
    try:
        clear = vault().open(sealed, bound_to(integration.id, "token")) if sealed else ""
    except VaultLocked:
        return ""
    return vault().seal(clear, bound_to(integration.id, "former_token")) if clear else ""
