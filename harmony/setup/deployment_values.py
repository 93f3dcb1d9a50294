"""Writes values of the Deployment page that take effect at once, into what is in force and into the draft."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from harmony.audit import audit
from harmony.db import write
from harmony.models import Integration
from harmony.models.configuration import DEPLOYMENT, Deployment, from_row, to_row


def put(integration: Integration, values: Mapping[str, Any]) -> None:
    """Put values in force, inside the caller's `write()`; what else was drafted on the page stays a draft."""
    page = integration.page(DEPLOYMENT)
    if page is None:
        return
    page.draft = to_row(from_row(Deployment, {**page.draft, **values}))
    if page.applied is not None:
        page.applied = to_row(from_row(Deployment, {**page.applied, **values}))
    page.edition += 1


def save_app_configuration(integration_id: int, values: Mapping[str, Any], by: str, now: datetime) -> None:
    """Save the names of keys, the app's id and the authority that it trusts, as `Deployment` calls them."""
    with write() as session:
        integration = session.get_one(Integration, integration_id)
        put(integration, values)
        audit(session, by, "Edited the app configuration", now, integration)
