"""The OpenAPI 3.1 document of the device API: kept by hand, its bodies taken from the records themselves."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import msgspec

from harmony.device_api.errors import ERRORS
from harmony.device_api.schemas import (
    AppEntry,
    CheckedIn,
    CheckIn,
    FindingEntry,
    Problem,
    Register,
    Registered,
)

Json = dict[str, Any]

_DESCRIPTION = (
    "How a Protect app registers a device with this dashboard, reports what it finds, and leaves. "
    "Bodies are JSON in UTF-8, at most 64 KiB; the report of a registered device may have 2 MiB. A text that "
    "is too long is cut, an optional value or an entry of a list that cannot be read is left out: the rest "
    "counts, and `unread` of the answer says in numbers what did not. Every refusal is `{error, message}`: "
    "`error` never changes its meaning, `message` is for a person. Unknown fields are ignored. Times are the "
    "dashboard's own."
)
# What any address may answer.
_ALWAYS = ("refused", "internal", "unavailable", "malformed")
_BODY = ("too_large", "not_json", "invalid", "too_many")
_REGISTER = (
    "token_unknown", "token_replaced", "code_unknown", "code_expired", "code_used", "code_void",
    "device_unknown", "integration_closed", "already_registered", "platform_differs", "profile_differs",
    "udid_shared", "request_changed", "device_deleted", "udid_placeholder", "udid_not_unique",
)  # fmt: skip
_KEY = ("key_unknown", "device_deleted", "too_many")
_REPORT = (*_BODY, *_KEY)
# What answers of these statuses say of waiting.
WAITING = frozenset({429, 503})
RETRY_AFTER: Json = {
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}
}

_REGISTER_EXAMPLE = {
    "token": "hmtoken_the-token-of-the-dashboard",
    "udid": "3F2504E0-4F89-11D3-9A0C-0305E82C3301",
    "profile": "device",
    "platform": "android",
    "model": "Pixel 9",
    "os_version": "15",
    "client_version": "4.2.0",
    "serial": "R58M123ABC",
    "request_id": "7d1f9e0a-6c1b-4a5e-9d57-0d8f2f3e4b5c",
}
_CHECK_IN_EXAMPLE = {
    "findings": [{"code": "SUSPICIOUS_APP", "subject": "com.example.torch"}],
    "os_version": "15",
    "client_version": "4.2.0",
    "device_time": "2026-01-15T12:00:00Z",
}


def document(server: str) -> Json:
    """Return the whole document; `server` is the address of the API."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Harmony device API", "version": "1.0.0", "description": _DESCRIPTION},
        "servers": [{"url": server}],
        "paths": _paths(),
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {
                "deviceKey": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The device key that `register` answered.",
                }
            },
        },
    }


def _paths() -> Json:
    registered = answer("The device is registered; the key is not shown again.", "Registered")
    reported = answer("How the device stands now.", "CheckedIn")
    return {
        "/register": {
            "post": _operation("register", "Register a device", (*_BODY, *_REGISTER), {"201": registered})
            | body("Register", _REGISTER_EXAMPLE)
        },
        "/check-in": {
            "post": _operation("checkIn", "Report everything that is open", _REPORT, {"200": reported})
            | body("CheckIn", _CHECK_IN_EXAMPLE)
            | {"security": [{"deviceKey": []}]}
        },
        "/unregister": {
            "post": _operation(
                "unregister", "Leave; the key is worthless then", _KEY, {"204": {"description": "Done."}}
            )
            | {"security": [{"deviceKey": []}]}
        },
        "/openapi.json": {
            "get": _operation("document", "This document", (), {"200": {
                "description": "OpenAPI 3.1.", "content": content({"type": "object"})
            }})
        },
    }  # fmt: skip


def _operation(name: str, summary: str, refusals: tuple[str, ...], answers: Json) -> Json:
    statuses: dict[int, list[str]] = {}
    for error in dict.fromkeys((*refusals, *_ALWAYS)):
        statuses.setdefault(ERRORS[error][0], []).append(error)
    refused = {str(status): _refused(status, errors) for status, errors in sorted(statuses.items())}
    return {"operationId": name, "summary": summary, "responses": answers | refused}


def _refused(status: int, errors: list[str]) -> Json:
    """Describe the answer of a status: the errors it may carry and what each of them means."""
    meanings = " ".join(f"`{error}`: {ERRORS[error][1]}" for error in errors)
    schema = {"allOf": [ref("Problem"), {"properties": {"error": {"enum": errors}}}]}
    refusal: Json = {"description": f"{HTTPStatus(status).phrase}. {meanings}", "content": content(schema)}
    if status in WAITING:
        refusal["headers"] = RETRY_AFTER
    return refusal


def answer(description: str, schema: str) -> Json:
    """Describe an answer whose body is a record."""
    return {"description": description, "content": content(ref(schema))}


def body(schema: str, example: Json) -> Json:
    """Describe the body of a request, a record, with an example."""
    described = {"application/json": {"schema": ref(schema), "example": example}}
    return {"requestBody": {"required": True, "content": described}}


def content(schema: Json, mimetype: str = "application/json") -> Json:
    """Describe the content of an answer."""
    return {mimetype: {"schema": schema}}


def ref(name: str) -> Json:
    """Refer to the schema of a record."""
    return {"$ref": f"#/components/schemas/{name}"}


def _schemas() -> Json:
    records = (Register, Registered, CheckIn, FindingEntry, AppEntry, CheckedIn, Problem)
    _references, schemas = msgspec.json.schema_components(records, ref_template="#/components/schemas/{name}")
    # A token or a code, and not both.
    schemas["Register"]["oneOf"] = [{"required": ["token"]}, {"required": ["code"]}]
    for name in ("token", "code"):
        schemas["Register"]["properties"][name] = _given(schemas["Register"]["properties"][name])
    return schemas


def _given(schema: Json) -> Json:
    """Return the schema of an optional field, without null."""
    return next(choice for choice in schema["anyOf"] if choice.get("type") != "null")
