"""The integration a page is about, while it is a link to a UEM: a removed one has only its own page."""

from __future__ import annotations

from flask import abort

from harmony.db import db
from harmony.models import Integration


def connected(integration_id: int) -> Integration:
    """The integration; answers 404 when there is none, or when it was removed."""
    integration: Integration = db.get_or_404(Integration, integration_id)
    if not integration.connected:
        abort(404)
    return integration
