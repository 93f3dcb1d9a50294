"""Refuses what does not show: integrations that were removed and can be undone, devices out of scope."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import Flask, abort, g, request
from sqlalchemy import ColumnElement, bindparam, or_, select

from harmony.db import db
from harmony.models import Device, Integration, IntegrationState, Message
from harmony.web.shared.scope import has_in_scope

# Built once, which takes longer than to run it.
_SELECT_INTEGRATION = select(Integration).where(Integration.id == bindparam("id"))
# What an address names, and which integration that belongs to.
_OWNERS: dict[str, Any] = {"device_id": Device, "message_id": Message}
_PAGES_OF_THE_REMOVAL = "removal"


def init_app(app: Flask) -> None:
    """Answer 404 for every address of one, of its devices and messages; after sign-in."""
    app.before_request(_refuse)


def hidden_ids() -> tuple[int, ...]:
    """Return the ids of these integrations."""
    rows = select(Integration.id).where(Integration.state == IntegrationState.HIDDEN)
    return tuple(db.session.scalars(rows).all())


def shown(column: Any) -> tuple[ColumnElement[bool], ...]:
    """Return the condition of a list whose rows name their integration; none while nothing is hidden."""
    ids = hidden_ids()
    return (or_(column.is_(None), column.not_in(ids)),) if ids else ()


def shown_device(device_id: int | None) -> Device | None:
    """Return the device that a filter names, if there is one that shows."""
    device = db.session.get(Device, device_id) if device_id else None
    if device is None or device.integration_id in hidden_ids() or not has_in_scope(device):
        return None
    return device


def _refuse() -> None:
    named = request.view_args or {}
    if request.blueprint == _PAGES_OF_THE_REMOVAL or not named.keys() & {"integration_id", *_OWNERS}:
        return
    # Kept, so that the view which asks for the same rows finds them in the session.
    g.addressed = rows = list(_addressed(named))
    if any(isinstance(row, Device) and not has_in_scope(row) for row in rows):
        abort(404)
    if any(isinstance(row, Integration) and row.state == IntegrationState.HIDDEN for row in rows):
        abort(404)


def _addressed(named: dict[str, Any]) -> Iterator[object]:
    """Yield the rows that an address names, and the integration that they belong to."""
    integration_id = named.get("integration_id")
    for name in named.keys() & _OWNERS.keys():
        row = db.session.get(_OWNERS[name], named[name])
        yield row
        integration_id = row.integration_id if row else integration_id
    if integration_id is not None:
        yield db.session.scalar(_SELECT_INTEGRATION, {"id": integration_id})
