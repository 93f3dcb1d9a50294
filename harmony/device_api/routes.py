"""The device API, /protect/v1: Protect apps register, check in, unregister; no session, only JSON."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

import msgspec
from flask import Blueprint, Flask, Response, current_app, request
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException

from harmony.clock import monotonic, now
from harmony.db import db
from harmony.device_api import check_in as device_api_check_in
from harmony.device_api import decoding, openapi
from harmony.device_api.batching import Gathering
from harmony.device_api.check_in import Answer
from harmony.device_api.errors import Refused, by_status
from harmony.device_api.rate_limit import Limits
from harmony.device_api.registration import register as registration_register
from harmony.device_api.registration import unregister as registration_unregister
from harmony.device_api.registration.keys import KEY_PREFIX, key_hash
from harmony.device_api.report import Report
from harmony.device_api.schemas import CheckedIn, Problem, Registered
from harmony.protection.record import Standing
from harmony.security.auth import public
from harmony.security.rate_limit import counted_address
from harmony.security.vault import VaultLocked

log = logging.getLogger(__name__)

PREFIX = "/protect/v1"
_CHECK_IN_SECONDS = 900
BEARER = "bearer"

blueprint = Blueprint("protect", __name__, url_prefix=PREFIX)


@dataclass(frozen=True, slots=True)
class Desk:
    """What the requests of one application share."""

    reports: Gathering[Report, Answer] = field(default_factory=lambda: Gathering(device_api_check_in.take))
    limits: Limits = field(default_factory=Limits)


def init_app(app: Flask) -> None:
    """Let devices in."""
    app.extensions["harmony.protect"] = Desk()
    app.register_blueprint(blueprint)


@blueprint.post("/register", provide_automatic_options=False)
@public
def register() -> ResponseReturnValue:
    """Register with the dashboard token or a one-time code; 201 with the device key."""
    limits, address, at = _desk().limits, counted_address(request.remote_addr), monotonic()
    limits.addresses.take(address, at)
    asked, omissions = decoding.read_registration(request)
    try:
        made = registration_register.register(
            asked, now(), lambda device_id: limits.registrations.take(str(device_id), at)
        )
    except Refused as refused:
        raise _counted(refused) from None
    stands = _stands(Standing(made.status, made.risk))
    unread = decoding.omitted(omissions)
    return _json(Registered(device_key=made.key, device_id=made.device_id, unread=unread, **stands), 201)


@blueprint.post("/check-in", provide_automatic_options=False)
@public
def check_in() -> ResponseReturnValue:
    """Take a report; 200 with how the device stands."""
    key = _key()
    _desk().limits.check_ins.take(key, monotonic())
    if decoding.is_large(request) and not device_api_check_in.is_known(key):
        raise _counted(Refused("key_unknown"))
    report = decoding.read_report(request, key, now())
    answer = _desk().reports.submit(report)
    if isinstance(answer, Refused):
        raise _counted(answer)
    return _json(CheckedIn(unread=decoding.omitted(report.omissions), **_stands(answer)))


@blueprint.post("/unregister", provide_automatic_options=False)
@public
def unregister() -> ResponseReturnValue:
    """End the registration of the key; 204."""
    try:
        registration_unregister.unregister(_key(), now())
    except Refused as refused:
        raise _counted(refused) from None
    return "", 204


@blueprint.get("/openapi.json", provide_automatic_options=False)
@public
def document() -> ResponseReturnValue:
    """What this API is, for people and for programs."""
    return _json(openapi.document(request.url_root.rstrip("/") + PREFIX))


@blueprint.errorhandler(Refused)
def refuse(refused: Refused) -> ResponseReturnValue:
    """Every refusal in one form."""
    answer = _json(Problem(error=refused.error, message=refused.message), refused.status)
    if refused.retry_after is not None:
        answer.headers["Retry-After"] = str(refused.retry_after)
    if refused.error == "key_unknown":
        answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


@blueprint.errorhandler(HTTPException)
def refuse_http(error: HTTPException) -> ResponseReturnValue:
    """What Flask refuses, in the same form."""
    answer = current_app.make_response(refuse(by_status(error.code or 500)))
    for name, value in error.get_headers():
        if name in {"Allow", "Retry-After"}:
            answer.headers[name] = value
    return answer


@blueprint.errorhandler(OperationalError)
@blueprint.errorhandler(VaultLocked)
def busy(error: Exception) -> ResponseReturnValue:
    """The database or the vault does not answer: nothing was half saved, and it may be tried again."""
    db.session.rollback()
    log.error("A device was turned away: %s", getattr(error, "orig", error))
    return refuse(Refused("unavailable", retry_after=5))


@blueprint.errorhandler(Exception)
def unexpected(error: Exception) -> ResponseReturnValue:
    """An error of our own."""
    if current_app.testing:
        raise error
    db.session.rollback()
    log.exception("Unexpected error of the device API")
    return refuse(Refused("internal"))


def _desk() -> Desk:
    desk: Desk = current_app.extensions["harmony.protect"]
    return desk


def _key() -> str:
    """The hash of the device key that the request shows. Raises Refused when it shows none."""
    scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
    key = shown.strip(" ")
    if scheme.lower() != BEARER or not key.startswith(KEY_PREFIX):  # a scheme has no case (RFC 9110)
        raise _counted(Refused("key_unknown"))
    return key_hash(key)


def _counted(refused: Refused) -> Refused:
    """Count what is wrong against its address. Raises Refused: too many by now."""
    if refused.status == 401:
        _desk().limits.wrong.take(counted_address(request.remote_addr), monotonic())
    return refused


def _stands(standing: Standing) -> dict[str, Any]:
    risk = standing.risk.name.lower()
    return {"status": standing.status, "risk": risk, "check_in_seconds": _CHECK_IN_SECONDS}


def _json(value: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, mimetype=decoding.JSON)
