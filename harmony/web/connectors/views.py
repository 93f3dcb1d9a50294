"""Connectors: add one, see how its agents are, give it a new key, revoke it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import StringField
from wtforms.validators import DataRequired, Length, ValidationError

from harmony.clock import now
from harmony.config import current_settings
from harmony.db import db
from harmony.messages import settings
from harmony.models import Connector, Destination
from harmony.outbound.senders import connector_of
from harmony.relay import connectors
from harmony.security.auth import needs_recent_proof, shown_on
from harmony.security.permissions import Permission, needs
from harmony.web.shared.integrations import connected_integrations
from harmony.web.shared.pasted import stripped
from harmony.web.shared.typed import ConsoleForm

blueprint = Blueprint("connectors", __name__, url_prefix="/settings/connectors")

# The words of a state, and its badge.
_STATES = {
    "connected": ("Connected", "ok"),
    "silent": ("Silent", "warning"),
    "never": ("Never connected", "pending"),
    "revoked": ("Revoked", "cancelled"),
}
_DESTINATIONS = db.select(Destination).order_by(Destination.name)
_REVOKED = "The Connector was revoked: its agents are refused from now on."
_WAS_REVOKED = "This Connector was revoked already."


class _ConnectorForm(ConsoleForm):
    """A new Connector."""

    name = StringField(
        "Name", [DataRequired("Give the Connector a name."), Length(max=64)], filters=[stripped]
    )

    def validate_name(self, field: StringField) -> None:
        """Refuse a name that is taken."""
        if connectors.is_taken(field.data or ""):
            raise ValidationError("Another Connector has this name.")


@blueprint.get("")
@needs(Permission.ADMINISTER)
def index() -> ResponseReturnValue:
    """Show every Connector."""
    return _index(_ConnectorForm())


@blueprint.post("")
@shown_on("connectors.index")
@needs_recent_proof
def add() -> ResponseReturnValue:
    """Add a Connector and show its key this once; a redirect would need a place to keep it."""
    form = _ConnectorForm(request.form)
    if not form.validate():
        return _index(form), 422
    connector_id, key = connectors.add(form.name.data or "", g.user.name, now())
    return _page(db.session.get_one(Connector, connector_id), key)


@blueprint.get("/<int:connector_id>")
@needs(Permission.ADMINISTER)
def show(connector_id: int) -> ResponseReturnValue:
    """Show one Connector and its agents."""
    return _page(db.get_or_404(Connector, connector_id))


@blueprint.post("/<int:connector_id>/rotate")
@needs_recent_proof
def rotate(connector_id: int) -> ResponseReturnValue:
    """Make a new key and show it this once."""
    connector = db.get_or_404(Connector, connector_id)
    key = connectors.rotate(connector_id, g.user.name, now())
    if key is None:
        flash(_WAS_REVOKED, "warning")
        return redirect(url_for("connectors.show", connector_id=connector_id), 303)
    return _page(connector, key)


@blueprint.post("/<int:connector_id>/revoke")
@needs_recent_proof
def revoke(connector_id: int) -> ResponseReturnValue:
    """Accept the agents of this Connector no more."""
    db.get_or_404(Connector, connector_id)
    done = connectors.revoke(connector_id, g.user.name, now())
    flash(_REVOKED if done else _WAS_REVOKED, "success" if done else "warning")
    return redirect(url_for("connectors.show", connector_id=connector_id), 303)


def _index(form: _ConnectorForm) -> str:
    rows = [(status, status.state(now())) for status in connectors.statuses()]
    return render_template("connectors/index.html", rows=rows, states=_STATES, form=form)


def _page(connector: Connector, key: str | None = None) -> str:
    db.session.refresh(connector)
    status = next(row for row in connectors.statuses() if row.connector.id == connector.id)
    return render_template(
        "connectors/show.html",
        connector=connector,
        status=status,
        state=status.state(now()),
        states=_STATES,
        agents=connectors.agents_of(connector.id),
        silent_after=connectors.SILENT_AFTER,
        **_through(connector.name),
        key=key,
        now=now(),
        address=current_settings().public_url or request.url_root.rstrip("/"),
    )


def _through(name: str) -> dict[str, Any]:
    mail_server = settings.mail_server(db.session())
    return {
        "integrations": [row for row in connected_integrations() if row.in_force.server.connector == name],
        "destinations": [row for row in db.session.scalars(_DESTINATIONS) if connector_of(row) == name],
        "mail_server": mail_server if mail_server and mail_server.connector == name else None,
    }
