"""Event notifications of an integration: set up, rotate, on and off, and what was received."""

from __future__ import annotations

from flask import Blueprint, abort, flash, g, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from harmony.clock import now
from harmony.config import current_settings
from harmony.db import db
from harmony.event_notifications import listeners
from harmony.event_notifications.listeners import OVERLAP, ListenerSecret
from harmony.event_notifications.routes import PREFIX
from harmony.models import EventListener, Integration, IntegrationState
from harmony.security.auth import needs_recent_proof
from harmony.security.permissions import Permission, needs
from harmony.sync import named_devices
from harmony.web.app_configuration.views import server_address
from harmony.web.event_notifications import queries, text
from harmony.web.shared.integrations import connected_or_404

blueprint = Blueprint(
    "event_notifications", __name__, url_prefix="/integrations/<int:integration_id>/event-notifications"
)

_IS_MADE = "Event notifications were set up already. Rotate the password to see a new one."


@blueprint.get("")
@needs(Permission.VIEW_ALL)
def show(integration_id: int) -> ResponseReturnValue:
    """Show how to set them up, and what was received."""
    return _page(_integration(integration_id))


@blueprint.post("")
@needs(Permission.ADMINISTER)
@needs_recent_proof
def create(integration_id: int) -> ResponseReturnValue:
    """Make an address and a password, and show the password this once."""
    integration = _integration(integration_id)
    secret = listeners.create(integration_id, g.user.name, now())
    if secret is None:
        flash(_IS_MADE, "warning")
        return _back(integration_id)
    return _page(integration, secret)


@blueprint.post("/rotate")
@needs(Permission.ADMINISTER)
@needs_recent_proof
def rotate(integration_id: int) -> ResponseReturnValue:
    """Make another user and password, and show the password this once."""
    integration = _integration(integration_id)
    secret = listeners.rotate(integration_id, g.user.name, now())
    return _page(integration, secret) if secret else _back(integration_id)


@blueprint.post("/on")
@needs(Permission.ADMINISTER)
def turn_on(integration_id: int) -> ResponseReturnValue:
    """Take events again."""
    return _turn(integration_id, True)


@blueprint.post("/off")
@needs(Permission.ADMINISTER)
def turn_off(integration_id: int) -> ResponseReturnValue:
    """Take no events any more."""
    return _turn(integration_id, False)


def _turn(integration_id: int, on: bool) -> ResponseReturnValue:
    _integration(integration_id)
    if listeners.switch(integration_id, on, g.user.name, now()):
        flash(f"Event notifications are {'on' if on else 'off'}.", "success")
    return _back(integration_id)


def _integration(integration_id: int) -> Integration:
    """Return the integration; one whose set-up is not finished has none of this."""
    integration = connected_or_404(integration_id)
    if integration.state == IntegrationState.DRAFT:
        abort(404)
    return integration


def _back(integration_id: int) -> ResponseReturnValue:
    return redirect(url_for("event_notifications.show", integration_id=integration_id), 303)


def _page(integration: Integration, secret: ListenerSecret | None = None) -> str:
    listener = db.session.get(EventListener, integration.id)
    context = {"integration": integration, "listener": listener, "secret": secret, "boxes": text.BOXES}
    if listener is None:
        return render_template("event_notifications/show.html", **context)
    share = named_devices.share(integration.id, now())
    return render_template(
        "event_notifications/show.html",
        state=text.state(listener),
        address=f"{server_address()}{PREFIX}/{listener.address}",
        is_guessed=not current_settings().public_url,
        stopped=text.stopped(integration, listener),
        used_up=text.used_up(listener, share, now()),
        share=share,
        kinds={kind.value: word for kind, word in text.KINDS.items()},
        counts=queries.by_kind(integration.id, now()),
        newest=queries.newest(integration.id),
        waiting=queries.waiting(integration.id),
        overlap=OVERLAP,
        now=now(),
        **context,
    )
