"""The integrations as pages ask for them: the one a page is about, and all of them to choose from."""

from __future__ import annotations

from flask import abort
from sqlalchemy import select

from harmony.db import db
from harmony.models import Integration, IntegrationState

_SUFFIXES: dict[str, str] = {
    IntegrationState.REMOVED: " (removed)",
    IntegrationState.REMOVING: " (being removed)",
}


def connected_or_404(integration_id: int) -> Integration:
    """Return the integration while it is a link to a UEM; a removed one has only its own page."""
    integration: Integration = db.get_or_404(Integration, integration_id)
    if not integration.connected:
        abort(404)
    return integration


def integration_choices() -> list[tuple[int, str]]:
    """Return id and name of every integration by name, of those that are removed with a remark."""
    rows = select(Integration.id, Integration.name, Integration.state).order_by(Integration.name)
    return [(id_, name + _SUFFIXES.get(state, "")) for id_, name, state in db.session.execute(rows)]
