"""The integrations as pages ask for them: the one a page is about, and all of them to choose from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from flask import abort
from sqlalchemy import select

from harmony.db import db
from harmony.models import Integration, IntegrationState
from harmony.sync.deletion import soft_delete
from harmony.web.shared.hidden import shown
from harmony.web.shared.scope import integrations_in_scope

_SUFFIXES: dict[str, str] = {
    IntegrationState.REMOVED: " (removed)",
    IntegrationState.REMOVING: " (being removed)",
}

_IN_FORCE = (IntegrationState.ACTIVE, IntegrationState.PAUSED)
# The ids of the integrations that are in force.
CONNECTED = select(Integration.id).where(Integration.state.in_(_IN_FORCE))


def connected_or_404(integration_id: int) -> Integration:
    """Return the integration while it is a link to a UEM; a removed one has only its own page."""
    integration: Integration = db.get_or_404(Integration, integration_id)
    if not integration.connected:
        abort(404)
    return integration


def connected_integrations() -> Sequence[Integration]:
    """Return the integrations that are in force, active or paused."""
    return db.session.scalars(select(Integration).where(Integration.state.in_(_IN_FORCE))).all()


class LeftDevices(NamedTuple):
    """Devices that a removed integration left: nothing updates them any more."""

    integration_id: int
    name: str
    devices: int


def left_devices() -> list[LeftDevices]:
    """Return the removed integrations whose devices were kept, with how many are left."""
    removed = select(Integration.id, Integration.name).where(Integration.state == IntegrationState.REMOVED)
    rows = db.session.execute(removed.order_by(Integration.name)).all()
    counted = [LeftDevices(id_, name, soft_delete.live(id_)) for id_, name in rows]
    return [left for left in counted if left.devices]


def integration_choices() -> list[tuple[int, str]]:
    """Return id and name of every integration by name, of those that are removed with a remark."""
    rows = select(Integration.id, Integration.name, Integration.state).order_by(Integration.name)
    rows = rows.where(*shown(Integration.id), *integrations_in_scope(Integration.id))
    return [(id_, name + _SUFFIXES.get(state, "")) for id_, name, state in db.session.execute(rows)]
