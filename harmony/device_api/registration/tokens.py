"""Whose dashboard token is this? The integration whose Deployment page in force holds it."""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from harmony.device_api.errors import ApiError
from harmony.models import Integration, SetupPage
from harmony.models.configuration import DEPLOYMENT, Deployment, from_row
from harmony.security.credentials import bound_to
from harmony.security.vault import VaultLocked, vault


@dataclass(frozen=True, slots=True)
class _Owner:
    """The integration that a token belongs to, and whether it takes devices that no sync has listed."""

    integration_id: int
    state: str
    auto_addition: bool


def owner_of(session: Session, token: str) -> _Owner:
    """Compare with the token of every integration; there are few, and to open one takes microseconds.

    Raises ApiError: nobody's token, or one might be whose seal does not open.
    """
    pages = select(Integration.id, Integration.state, SetupPage.applied).join(SetupPage)
    rows = session.execute(pages.where(SetupPage.name == DEPLOYMENT, SetupPage.applied.is_not(None))).all()
    found, locked = None, False
    for integration_id, state, applied in rows:
        deployment = from_row(Deployment, applied)
        try:
            clear = (
                vault().open(deployment.token, bound_to(integration_id, "token")) if deployment.token else ""
            )
        except VaultLocked:
            locked = True
            continue
        # Every one is compared, so that the time tells nothing of which it was.
        if hmac.compare_digest(clear.encode(), token.encode("utf-8", "replace")) and clear:
            found = _Owner(integration_id, state, deployment.auto_addition)
    if found is None:
        raise ApiError("unavailable" if locked else "token_unknown")
    return found
