"""The OpenAPI 3.1 document of the public API: made of the collections, their filters and their records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from http import HTTPStatus

import msgspec

from harmony.api import action_schemas, schemas
from harmony.api.collection import Collection
from harmony.api.parameters import LARGEST_LIMIT, LONGEST_TEXT, USUAL_LIMIT, longest_of, sorts_of
from harmony.api.posture import ACCEPTED, LONGEST_IDENTIFIER, USUAL
from harmony.api.problems import PROBLEMS
from harmony.device_api.openapi import RETRY_AFTER, WAITING, Json, answer, body, content, ref
from harmony.security.key_format import PATTERN
from harmony.web.devices.related_filters import AppFilter
from harmony.web.shared.filters import Filter, IdFilter, TextFilter
from harmony.web.shared.ids import LARGEST_ID

_DESCRIPTION = (
    "What other systems read and do in Harmony. Requests carry `Authorization: Bearer` with an API key; "
    "the key's role and scope decide what it sees. Lists have pages: `next_cursor` leads to the next, null "
    "ends it. Unknown parameters and values are refused. Refusals are `application/problem+json`; their "
    "`type` never changes its meaning. New fields may be added to records at any time."
)
_RECORDS = (
    schemas.DeviceItem, schemas.FindingItem, schemas.EventItem, schemas.AppItem, schemas.IntegrationItem,
    schemas.RunItem, schemas.HoldItem, action_schemas.HeldList, action_schemas.Approval, schemas.PolicyItem,
    schemas.TagItem, schemas.UserItem, schemas.Posture, action_schemas.ActionAnswer,
    action_schemas.ProblemDetails,
)  # fmt: skip
_ALWAYS = ("refused", "malformed", "too_many", "internal", "unavailable")
_KEY = ("key_unknown", "key_expired", "key_revoked", "key_disabled", "not_permitted")
_LIST = ("parameter", "cursor", "personal_data")
_SINGLE = ("parameter", "not_found")
_ACTION = ("parameter", "not_found", "not_possible", "in_progress", "key_reused")
_APPROVAL = (*_ACTION, "list_changed", "too_large", "not_json", "invalid")
_APPROVAL_EXAMPLE = {"devices": 1496, "digest": "0" * 64}
_INTEGER: Json = {"type": "integer", "minimum": 0, "maximum": LARGEST_ID}
_TEXT_PATTERN = "^[^\\x00-\\x1f]*$"
_ACTIONS = {
    "sync": "Make a full sync due at once",
    "pause": "Stop syncing; nothing is deleted",
    "resume": "Sync again, at once",
}


def document(server: str, collections: Sequence[Collection]) -> Json:
    """Return the whole document; `server` is the address of the API."""
    _references, components = msgspec.json.schema_components(
        _RECORDS, ref_template="#/components/schemas/{name}"
    )
    return {
        "openapi": "3.1.0",
        "info": {"title": "Harmony API", "version": "1.0.0", "description": _DESCRIPTION},
        "servers": [{"url": server}],
        "security": [{"apiKey": []}],
        "paths": dict(_paths(collections)),
        "components": {
            "schemas": components,
            "securitySchemes": {
                "apiKey": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": f"From Settings > API keys. It matches `{PATTERN}`.",
                }
            },
        },
    }


def _paths(collections: Sequence[Collection]) -> Iterator[tuple[str, Json]]:
    for collection in collections:
        yield from _paths_of(collection)
    for name, summary in _ACTIONS.items():
        yield f"/integrations/{{id}}/{name}", {"post": _action(name, summary, _ACTION)}
    yield (
        "/holds/{id}/list",
        {"get": _single("heldList", "Get the list of a hold", "HeldList", "not_possible")},
    )
    approve = _action("approve", "Approve the list that was read", _APPROVAL)
    yield "/holds/{id}/approve", {"post": approve | body("Approval", _APPROVAL_EXAMPLE)}
    yield "/policy", {"get": _get("policy", "Get the policy in force", "PolicyItem", ("parameter",))}
    tags = _get("tags", "List the managed tags", "TagItem", ("parameter",), is_list=True)
    yield "/tags", {"get": tags | {"parameters": [_parameter("integration", _INTEGER)]}}
    yield "/posture", {"get": _posture()}
    about = {"description": "OpenAPI 3.1.", "content": content({"type": "object"})}
    everybody = {"operationId": "document", "summary": "Get this document", "security": []}
    yield "/openapi.json", {"get": everybody | {"responses": {"200": about} | _refusals(_ALWAYS)}}


def _paths_of(collection: Collection) -> Iterator[tuple[str, Json]]:
    name, record = collection.name, collection.record.__name__
    many = _get(f"list-{name}", f"List {name}", record, _LIST, is_list=True)
    yield f"/{name}", {"get": many | {"parameters": list(_list_parameters(collection))}}
    yield f"/{name}/{{id}}", {"get": _single(f"get-{name}", f"Get a {collection.noun}", record)}


def _list_parameters(collection: Collection) -> Iterator[Json]:
    for kind in collection.filters:
        yield _parameter(kind.name, _filter_schema(kind))
    if collection.orders:
        yield _parameter("sort", {"type": "string", "enum": sorts_of(collection)})
    limit = {"type": "integer", "minimum": 1, "maximum": LARGEST_LIMIT, "default": USUAL_LIMIT}
    yield _parameter("limit", limit)
    yield _parameter("cursor", {"type": "string", "description": "`next_cursor` of the page before."})


def _filter_schema(kind: Filter) -> Json:
    """Return the schema of the values that a filter takes."""
    if (choices := kind.choices()) is not None:
        return {"type": "string", "enum": [str(choice) for choice in choices]}
    if isinstance(kind, IdFilter | AppFilter):
        return _INTEGER
    shortest = 0 if isinstance(kind, TextFilter) else 1
    longest = longest_of(kind) if not isinstance(kind, TextFilter) else LONGEST_TEXT
    return {"type": "string", "minLength": shortest, "maxLength": longest, "pattern": _TEXT_PATTERN}


def _posture() -> Json:
    identifier = {"type": "string", "maxLength": LONGEST_IDENTIFIER}
    accept = {"type": "string", "enum": list(ACCEPTED), "default": USUAL}
    asked = [_parameter("serial", identifier), _parameter("udid", identifier), _parameter("accept", accept)]
    summary = "Tell a gateway how a device is: give `serial` or `udid`"
    return _get("posture", summary, "Posture", _SINGLE) | {"parameters": asked}


def _single(name: str, summary: str, record: str, *refusals: str) -> Json:
    return _get(name, summary, record, (*_SINGLE, *refusals)) | {"parameters": [_id()]}


def _get(name: str, summary: str, record: str, refusals: Sequence[str], *, is_list: bool = False) -> Json:
    described = _list_answer(record) if is_list else answer("The record.", record)
    unchanged = {"304": {"description": "It is what the ETag in `If-None-Match` stands for."}}
    responses = {"200": described} | unchanged | _refusals((*_KEY, *_ALWAYS, *refusals))
    return {"operationId": name, "summary": summary, "responses": responses}


def _list_answer(record: str) -> Json:
    properties = {
        "data": {"type": "array", "items": ref(record)},
        "next_cursor": {"type": ["string", "null"]},
    }
    schema = {"type": "object", "properties": properties, "required": ["data", "next_cursor"]}
    return {"description": "A page of the list.", "content": content(schema)}


def _action(name: str, summary: str, refusals: Sequence[str]) -> Json:
    about = "With one, the first answer is stored for a day and given again to the same request."
    key = _parameter("Idempotency-Key", {"type": "string", "pattern": "^[!-~]{1,128}$"}, "header")
    responses = {"200": answer("What was done.", "ActionAnswer")} | _refusals((*_KEY, *_ALWAYS, *refusals))
    parameters = [_id(), key | {"description": about}]
    return {"operationId": name, "summary": summary, "parameters": parameters, "responses": responses}


def _id() -> Json:
    return {"name": "id", "in": "path", "required": True, "schema": _INTEGER}


def _parameter(name: str, schema: Json, place: str = "query") -> Json:
    return {"name": name, "in": place, "schema": schema}


def _refusals(codes: Sequence[str]) -> Json:
    statuses: dict[int, list[str]] = {}
    for code in dict.fromkeys(codes):
        statuses.setdefault(PROBLEMS[code][0], []).append(code)
    return {str(status): _refused(status, found) for status, found in sorted(statuses.items())}


def _refused(status: int, codes: list[str]) -> Json:
    """Describe the answer of a status: the problems it may carry and what each of them means."""
    meanings = " ".join(f"`{code}`: {PROBLEMS[code][1]}" for code in codes)
    types = [f"urn:harmony:problem:{code}" for code in codes]
    schema = {"allOf": [ref("ProblemDetails"), {"properties": {"type": {"enum": types}}}]}
    described = content(schema, "application/problem+json")
    refusal: Json = {"description": f"{HTTPStatus(status).phrase}. {meanings}", "content": described}
    if status in WAITING:
        refusal["headers"] = RETRY_AFTER
    return refusal
