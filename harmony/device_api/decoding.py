"""Read the bodies of requests: what is required must be right, what is optional spoils nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from flask import Request

from harmony.device_api.errors import ApiError
from harmony.device_api.partial import APPS, BodyReader, shallow
from harmony.device_api.report import CheckInReport, Omission, ReportedApp, clock_of
from harmony.device_api.schemas import CheckIn, Omitted, Register
from harmony.uem.text import clean

LARGEST_BODY = 64 * 1024
# What a registered device may report: ten thousand apps with all their names.
LARGEST_REPORT = 2 * 1024 * 1024
_LONGEST_VERSION = _LONGEST_TIME = 64
_LONGEST_INTEGER = 20
JSON = "application/json"
_REGISTRATION_TEXTS = {
    "model": 256, "os_version": _LONGEST_VERSION, "client_version": _LONGEST_VERSION, "serial": 128,
    "device_key": 128,
}  # fmt: skip

_Body = TypeVar("_Body", bound=msgspec.Struct)


def read_registration(request: Request) -> tuple[Register, tuple[Omission, ...]]:
    """Read the body of `register`, its texts cleaned, and what could not be read of it. Raises ApiError."""
    fields, reader = _fields(request, LARGEST_BODY), BodyReader()
    for name, longest in _REGISTRATION_TEXTS.items():
        fields[name] = reader.text(name, fields.get(name), longest)
    body = _converted(fields, Register)
    if (body.token is None) == (body.code is None):
        raise ApiError("invalid", "Give either `token` or `code`, one of the two.")
    return msgspec.structs.replace(body, udid=clean(body.udid, 128)), reader.omissions


def read_report(
    request: Request, key_hash: str, at: datetime, largest: int = LARGEST_REPORT
) -> CheckInReport:
    """Read the body of `check-in`, its texts cleaned, as far as it can be read. Raises ApiError."""
    body, reader = _converted(_fields(request, largest), CheckIn), BodyReader()
    threats = reader.threats(body.findings)
    system = reader.text("os_version", body.os_version, _LONGEST_VERSION)
    client = reader.text("client_version", body.client_version, _LONGEST_VERSION)
    apps = _apps(reader, body.apps)
    clock = clock_of(body.device_time[:_LONGEST_TIME] if isinstance(body.device_time, str) else None)
    return CheckInReport(key_hash, at, threats, system, client, apps, clock, reader.omissions)


def omitted(omissions: Iterable[Omission]) -> list[Omitted]:
    """Return the omissions for an answer."""
    return [Omitted(field=name, left_out=left_out, cut=cut) for name, left_out, cut in omissions]


def is_large(request: Request) -> bool:
    """Return True for a body that only a registered device may send, or that does not say how long it is."""
    return request.content_length is None or request.content_length > LARGEST_BODY


def _apps(reader: BodyReader, value: object) -> tuple[ReportedApp, ...] | None:
    """Read the list of apps; None if it is left out, or no list."""
    if value is not None and not isinstance(value, list):
        reader.left_out[APPS] += 1
    return reader.apps(value) if isinstance(value, list) else None


def _fields(request: Request, largest: int) -> dict[str, Any]:
    request.max_content_length = largest
    if request.mimetype != JSON:
        raise ApiError("not_json")
    body = _decoded(request.get_data(cache=False))
    if not isinstance(body, dict):
        raise ApiError("invalid", "The body is not a JSON object.")
    return {_encodable(name): _encodable(value) for name, value in body.items()}


def _decoded(raw: bytes) -> object:
    """Decode JSON, even if a text holds control characters, half a surrogate pair or bytes that are no UTF-8.

    What is nested so deeply that it cannot be read is emptied: no field that counts is.
    """
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    text = raw.decode("utf-8-sig", "replace")
    try:
        return _lenient(text)
    except RecursionError:
        return _lenient(shallow(text))


def _lenient(text: str) -> object:
    try:
        return json.loads(text, strict=False, parse_int=_integer)
    except ValueError:
        raise ApiError("malformed") from None


def _integer(digits: str) -> float:
    """Read an integer; thousands of digits would take long, and nobody means them."""
    return int(digits) if len(digits) < _LONGEST_INTEGER else float("inf")


def _converted(fields: dict[str, Any], record: type[_Body]) -> _Body:
    try:
        return msgspec.convert(fields, record)
    except msgspec.ValidationError as wrong:
        raise ApiError("invalid", _sentence(str(wrong))) from None


def _encodable(value: Any) -> Any:
    """Drop halves of surrogate pairs, which have no bytes, from text; return anything else as it is."""
    return value.encode("utf-8", "ignore").decode() if isinstance(value, str) else value


def _sentence(text: str) -> str:
    """Put the field first in msgspec's words: "`udid`: expected `str`, got `int`."."""
    what, _, where = text.partition(" - at `$.")
    return f"`{where.rstrip('`')}`: {what[:1].lower()}{what[1:]}." if where else f"{what}."
