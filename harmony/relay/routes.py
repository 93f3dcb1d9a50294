"""The addresses that agents of Connectors call, /connector/v1: a key instead of a session, MessagePack."""

from __future__ import annotations

import logging
import threading

import msgspec
from flask import Blueprint, Flask, Response, current_app, request
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import OperationalError

from harmony import clock
from harmony.clock import now
from harmony.connector.wire import (
    BUSY_HOLD_SECONDS,
    IDLE_HOLD_SECONDS,
    KEY_PREFIX,
    MIMETYPE,
    PART_BYTES,
    PREFIX,
    Poll,
    decode,
)
from harmony.db import db
from harmony.relay import agents
from harmony.relay.agents import RefusedAgent
from harmony.relay.changes import Changes
from harmony.security.auth import public
from harmony.security.vault import VaultLocked

log = logging.getLogger(__name__)

_BEARER = "Bearer "
# Each agent that waits for work has a thread of this process.
_MOST_WAITING = 8
_QUICK_FOR_SECONDS = 3.0
_LARGEST_POLL = 64 * 1024

blueprint = Blueprint("connector", __name__, url_prefix=PREFIX)


class Waiting:
    """The agents of this process that wait for work: how many may, and since when nothing was to do."""

    def __init__(self) -> None:
        self.room = threading.BoundedSemaphore(_MOST_WAITING)
        self.busy_at = clock.monotonic()
        self.over = threading.Event()


def init_app(app: Flask) -> None:
    """Register the addresses."""
    app.extensions["harmony.relay"] = Waiting()
    app.register_blueprint(blueprint)


@blueprint.post("/poll", provide_automatic_options=False)
@public
def poll() -> ResponseReturnValue:
    """Answer with calls to make as soon as there are any; with none when there were none for a while."""
    # Before the first look into the database, so that no commit after it is missed.
    changes = Changes(db.engine)
    connector_id = agents.authenticate(_key(), now())
    asked = decode(_body(_LARGEST_POLL), Poll)
    agents.arrive(connector_id, asked, now())
    has_work = asked.free > 0 and _wait_for_work(connector_id, changes, bool(asked.running))
    works = agents.take(connector_id, asked, now()) if has_work else []
    # Not 204: waitress ends a connection after an answer without a length.
    return Response(msgspec.msgpack.encode(works), 200, mimetype=MIMETYPE)


@blueprint.put("/calls/<call_id>/parts/<int:number>", provide_automatic_options=False)
@public
def store(call_id: str, number: int) -> ResponseReturnValue:
    """Take a part of an answer; 200. The last one carries `last=1`."""
    connector_id = agents.authenticate(_key(), now())
    ticket, last = request.headers.get("Harmony-Ticket", ""), request.args.get("last") == "1"
    agents.store(connector_id, call_id, ticket, number, _body(PART_BYTES), last=last, now=now())
    return Response(status=200, mimetype=MIMETYPE)


@blueprint.errorhandler(RefusedAgent)
def _refuse(refused: RefusedAgent) -> ResponseReturnValue:
    """Answer with the sentence, which the agent logs."""
    return Response(refused.sentence, refused.status, mimetype="text/plain")


@blueprint.errorhandler(msgspec.MsgspecError)
def _misread(_error: Exception) -> ResponseReturnValue:
    """Answer a body that is no message of an agent."""
    return Response("The body is not what an agent of this version sends.", 400, mimetype="text/plain")


@blueprint.errorhandler(OperationalError)
@blueprint.errorhandler(VaultLocked)
def _busy(error: Exception) -> ResponseReturnValue:
    """Answer that the database or the vault is busy: the agent tries again."""
    db.session.rollback()
    log.error("An agent of a Connector was turned away: %s", getattr(error, "orig", error))
    return Response("The dashboard cannot answer now.", 503, mimetype="text/plain")


def _wait_for_work(connector_id: int, changes: Changes, at_work: bool) -> bool:
    """Tell whether there is work, as soon as there is; look often while there was some a moment ago."""
    waiting: Waiting = current_app.extensions["harmony.relay"]
    until = clock.monotonic() + (BUSY_HOLD_SECONDS if at_work else IDLE_HOLD_SECONDS)
    if not waiting.room.acquire(blocking=False):
        until = 0.0
    try:
        while not agents.has_work(connector_id, now()):
            at = clock.monotonic()
            if at >= until or waiting.over.is_set():
                return False
            quick = at_work or at - waiting.busy_at < _QUICK_FOR_SECONDS
            changes.wait(until - at, quick=quick)
        waiting.busy_at = clock.monotonic()
        return True
    finally:
        if until:
            waiting.room.release()


def _body(largest: int) -> bytes:
    """Return the body, which may come in chunks without a length. Raises RefusedAgent when it is larger."""
    if (request.content_length or 0) > largest or len(body := request.get_data()) > largest:
        raise RefusedAgent(413, "The request is too large.")
    return body


def _key() -> str:
    shown = request.headers.get("Authorization", "")
    key = shown.removeprefix(_BEARER).strip()
    if not shown.startswith(_BEARER) or not key.startswith(KEY_PREFIX):
        raise RefusedAgent(401, "Send the key of a Connector.")
    return key
