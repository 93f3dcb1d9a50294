"""The device API, /protect/v1: Protect apps register, check in, unregister; no session, only JSON."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

import msgspec
from flask import Blueprint, Flask, Response, current_app, request
from flask.typing import ResponseReturnValue

from harmony.clock import monotonic, now
from harmony.device_api import check_in as check_in_reports
from harmony.device_api import decoding, openapi
from harmony.device_api.batching import GroupCommit
from harmony.device_api.check_in import Answer
from harmony.device_api.errors import ApiError, by_status
from harmony.device_api.rate_limit import Limits
from harmony.device_api.registration import refusals
from harmony.device_api.registration import register as registration_register
from harmony.device_api.registration import unregister as registration_unregister
from harmony.device_api.registration.credentials import KEY_PREFIX, RefusedRegistration, key_hash
from harmony.device_api.report import CheckInReport
from harmony.device_api.schemas import CheckedIn, Problem, Registered
from harmony.protection.change import ProtectionStatus
from harmony.security.auth import public
from harmony.security.json_errors import JsonErrors
from harmony.security.rate_limit import counted_address

log = logging.getLogger(__name__)

PREFIX = "/protect/v1"
_CHECK_IN_SECONDS = 900
_BEARER = "bearer"

blueprint = Blueprint("protect", __name__, url_prefix=PREFIX)


@dataclass(frozen=True, slots=True)
class DeviceApi:
    """State that the requests of one application share."""

    reports: GroupCommit[CheckInReport, Answer] = field(
        default_factory=lambda: GroupCommit(check_in_reports.take)
    )
    limits: Limits = field(default_factory=Limits)


def init_app(app: Flask) -> None:
    """Register the device API."""
    app.extensions["harmony.protect"] = DeviceApi()
    app.register_blueprint(blueprint)


@blueprint.post("/register", provide_automatic_options=False)
@public
def register() -> ResponseReturnValue:
    """Register with the dashboard token or a one-time code; 201 with the device key."""
    limits, address, at = _device_api().limits, counted_address(request.remote_addr), monotonic()
    limits.addresses.take(address, at)
    asked, omissions = decoding.read_registration(request)
    try:
        registration = registration_register.register(
            asked, now(), lambda device_id: limits.registrations.take(str(device_id), at)
        )
    except ApiError as error:
        if isinstance(error, RefusedRegistration):
            refusals.count(error.integration_id, error.code, now())
        raise counted(error) from None
    stands = _status_fields(ProtectionStatus(registration.status, registration.risk))
    unread = decoding.omitted(omissions)
    return _json(
        Registered(device_key=registration.key, device_id=registration.device_id, unread=unread, **stands),
        201,
    )


@blueprint.post("/check-in", provide_automatic_options=False)
@public
def check_in() -> ResponseReturnValue:
    """Take a report; 200 with status and risk of the device."""
    key = _key()
    _device_api().limits.check_ins.take(key, monotonic())
    if decoding.is_large(request) and not check_in_reports.is_known(key):
        raise counted(ApiError("key_unknown"))
    report = decoding.read_report(request, key, now())
    answer = _device_api().reports.submit(report)
    if isinstance(answer, ApiError):
        raise counted(answer)
    return _json(CheckedIn(unread=decoding.omitted(report.omissions), **_status_fields(answer)))


@blueprint.post("/unregister", provide_automatic_options=False)
@public
def unregister() -> ResponseReturnValue:
    """End the registration of the key; 204."""
    try:
        registration_unregister.unregister(_key(), now())
    except ApiError as error:
        raise counted(error) from None
    return "", 204


@blueprint.get("/openapi.json", provide_automatic_options=False)
@public
def document() -> ResponseReturnValue:
    """Return the OpenAPI document."""
    return _json(openapi.document(request.url_root.rstrip("/") + PREFIX))


@blueprint.errorhandler(ApiError)
def _answer_error(error: ApiError) -> Response:
    """Answer an error of the API."""
    answer = _json(Problem(error=error.code, message=error.message), error.status)
    if error.retry_after is not None:
        answer.headers["Retry-After"] = str(error.retry_after)
    if error.code == "key_unknown":
        answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def _answer_code(code: str, retry_after: int | None) -> Response:
    return _answer_error(ApiError(code, retry_after=retry_after))


ERRORS = JsonErrors(log, _answer_code, by_status)
ERRORS.register(blueprint)


def _device_api() -> DeviceApi:
    device_api: DeviceApi = current_app.extensions["harmony.protect"]
    return device_api


def _key() -> str:
    """Return the hash of the request's device key. Raises ApiError without one."""
    scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
    key = shown.strip(" ")
    if scheme.lower() != _BEARER or not key.startswith(KEY_PREFIX):  # a scheme has no case (RFC 9110)
        raise counted(ApiError("key_unknown"))
    return key_hash(key)


def counted(error: ApiError) -> ApiError:
    """Count a wrong secret against the address of this request. Raises ApiError: too many by now."""
    if error.status == 401:
        _device_api().limits.wrong.take(counted_address(request.remote_addr), monotonic())
    return error


def _status_fields(protection: ProtectionStatus) -> dict[str, Any]:
    risk = protection.risk.name.lower()
    return {"status": protection.status, "risk": risk, "check_in_seconds": _CHECK_IN_SECONDS}


def _json(value: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, mimetype=decoding.JSON)
