"""The addresses that UEMs post their event notifications to: HTTP Basic, no session, stored before 2xx."""

from __future__ import annotations

import logging
import math

from flask import Blueprint, Flask, Response, current_app, request
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import RequestEntityTooLarge

from harmony.clock import now
from harmony.db import db
from harmony.event_notifications import inbox, listeners
from harmony.event_notifications.inbox import Arrival
from harmony.event_notifications.limits import ListenerLimits
from harmony.event_notifications.wire import LARGEST_BODY, UnreadableEvent, read_event
from harmony.jobs.kinds import JobKind
from harmony.jobs.queue import enqueue_later
from harmony.models import EventListener
from harmony.security.auth import public
from harmony.security.rate_limit import counted_address
from harmony.sync.event_plan import GATHER

log = logging.getLogger(__name__)

PREFIX = "/hooks/ws1"
_EXTENSION = "harmony.event_notifications"
_CHALLENGE = {"WWW-Authenticate": 'Basic realm="Harmony events", charset="UTF-8"'}

blueprint = Blueprint("event_listener", __name__, url_prefix=PREFIX)


def init_app(app: Flask) -> None:
    """Register the addresses."""
    app.extensions[_EXTENSION] = ListenerLimits()
    app.register_blueprint(blueprint)


@blueprint.get("/<address>", provide_automatic_options=False)
@public
def test(address: str) -> ResponseReturnValue:
    """Answer *Test Connection* of the UEM's console."""
    listener = _signed_in(address)
    if isinstance(listener, Response):
        return listener
    inbox.count_test(listener.integration_id, now())
    return _text("ok", 200)


@blueprint.post("/<address>", provide_automatic_options=False)
@public
def receive(address: str) -> ResponseReturnValue:
    """Store an event, then answer; the devices that it names are read later."""
    listener = _signed_in(address)
    if isinstance(listener, Response):
        return listener
    integration_id = listener.integration_id
    if wait := _limits().events.wait(str(integration_id)):
        return _too_many(wait)
    if "xml" in (request.mimetype or ""):
        inbox.count_unreadable(integration_id)
        return _text("Choose JSON as the format of the rule.", 415)
    return _take(integration_id)


@blueprint.errorhandler(OperationalError)
def _busy(error: OperationalError) -> ResponseReturnValue:
    """Answer that the database is busy: the event was not stored."""
    db.session.rollback()
    log.error("An event of a UEM was turned away: %s", error.orig)
    return _text("The dashboard cannot answer now.", 503)


def _take(integration_id: int) -> Response:
    request.max_content_length = LARGEST_BODY
    try:
        event = read_event(request.get_data())
    except RequestEntityTooLarge:
        inbox.count_unreadable(integration_id)
        return _text("An event is smaller.", 413)
    except UnreadableEvent as error:
        inbox.count_unreadable(integration_id)
        return _text(str(error), 400)
    if inbox.store(integration_id, event, now()) is Arrival.WAKE:
        enqueue_later(JobKind.DEVICES, GATHER, integration_id)
    return Response("{}", 200, mimetype="application/json")


def _signed_in(address: str) -> EventListener | Response:
    """Return the listener, or the answer to a request that may not use it.

    A right password counts also where wrong ones from the same address have used up the limit: what keeps it
    from being guessed are its 192 bits, and one UEM sends for many tenants.
    """
    listener, given = listeners.of_address(address), request.authorization
    user_name = (given.username if given else None) or ""
    password = (given.password if given else None) or ""
    if listeners.is_signed(listener, user_name, password, now()) and listener is not None:
        return listener
    if wait := _limits().failures.wait(counted_address(request.remote_addr)):
        return _too_many(wait)
    if listener is None:
        return _text("There is nothing at this address.", 404)
    inbox.count_refused(listener.integration_id, now())
    refusal = _text("User name or password are wrong.", 401)
    refusal.headers.update(_CHALLENGE)
    return refusal


def _limits() -> ListenerLimits:
    limits: ListenerLimits = current_app.extensions[_EXTENSION]
    return limits


def _too_many(wait: float) -> Response:
    answer = _text("Too many requests.", 429)
    answer.headers["Retry-After"] = str(math.ceil(wait))
    return answer


def _text(text: str, status: int) -> Response:
    return Response(text, status, mimetype="text/plain")
