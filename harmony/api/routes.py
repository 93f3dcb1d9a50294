"""The addresses of the public API: each collection, the records that stand alone, the actions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial

import msgspec
from flask import Flask, Response, request
from flask.typing import ResponseReturnValue

from harmony.api import actions, idempotency, openapi, parameters
from harmony.api.action_schemas import ActionAnswer, Approval
from harmony.api.blueprint import (
    DOCUMENT,
    ERRORS,
    JSON,
    LIMITS,
    POSTURE,
    PREFIX,
    PROBLEM_JSON,
    api_key_id,
    blueprint,
    json_answer,
    principal,
)
from harmony.api.collection import Collection
from harmony.api.devices import DEVICES
from harmony.api.events import APPS, EVENTS
from harmony.api.findings import FINDINGS
from harmony.api.idempotency import StoredAnswer
from harmony.api.limits import ApiLimits
from harmony.api.operations import HOLDS, RUNS, USERS
from harmony.api.posture import LONGEST_IDENTIFIER, USUAL, posture
from harmony.api.problems import ApiProblem, Complaint
from harmony.api.settings import INTEGRATIONS, policy_in_force, tags
from harmony.clock import now
from harmony.db import db
from harmony.security.auth import public
from harmony.security.permissions import Permission, needs
from harmony.security.principal import Principal
from harmony.web.shared import errors
from harmony.web.shared.filters import Filters
from harmony.web.shared.ids import number

COLLECTIONS = (DEVICES, FINDINGS, EVENTS, APPS, INTEGRATIONS, RUNS, HOLDS, USERS)
_INTEGRATION_ACTIONS = {"sync": actions.sync, "pause": actions.pause, "resume": actions.resume}


def init_app(app: Flask) -> None:
    """Register the public API."""
    app.extensions[LIMITS] = ApiLimits()
    app.register_blueprint(blueprint)
    errors.answer_programs(app, f"{PREFIX}/", ERRORS.answer_http_error)


def listed(collection: Collection) -> ResponseReturnValue:
    """Return a page of a collection."""
    who = principal()
    asked = parameters.read(collection, request.args, who)
    query, order = collection.query(asked.filters)
    page = order.page(query, asked.place(order), asked.limit)
    records = [collection.record_of(row, who) for row in page.rows]
    return json_answer({"data": records, "next_cursor": asked.next_cursor(page)})


def found(collection: Collection, row_id: int) -> ResponseReturnValue:
    """Return a row of a collection."""
    parameters.only(request.args)
    query, order = collection.query(Filters(collection.filters))
    row = db.session.execute(query.where(order.id == row_id)).first()
    if row is None:
        raise ApiProblem("not_found")
    return json_answer(collection.record_of(row, principal()))


@blueprint.get("/posture", endpoint=POSTURE, provide_automatic_options=False)
@public
@needs(Permission.VIEW)
def device_posture() -> ResponseReturnValue:
    """Return how a device is, for a gateway."""
    parameters.only(request.args, "serial", "udid", "accept")
    serial, udid = request.args.get("serial", ""), request.args.get("udid", "")
    if max(len(serial), len(udid)) > LONGEST_IDENTIFIER or "\0" in serial + udid:
        raise ApiProblem("parameter", complaints=[Complaint("serial", "It is too long.")])
    accept = request.args.get("accept", USUAL)
    return json_answer(posture(serial, udid, accept))


@blueprint.get("/policy", provide_automatic_options=False)
@public
@needs(Permission.VIEW_ALL)
def policy() -> ResponseReturnValue:
    """Return the policy in force."""
    parameters.only(request.args)
    return json_answer(policy_in_force())


@blueprint.get("/tags", provide_automatic_options=False)
@public
@needs(Permission.VIEW_ALL)
def managed_tags() -> ResponseReturnValue:
    """Return the managed tags; there are few, and no further page."""
    parameters.only(request.args, "integration")
    text = request.args.get("integration")
    integration_id = number(text) if text is not None else None
    if text is not None and integration_id is None:
        raise ApiProblem("parameter", complaints=[Complaint("integration", "A number.")])
    return json_answer({"data": tags(integration_id), "next_cursor": None})


@blueprint.get("/holds/<int:row_id>/list", provide_automatic_options=False)
@public
@needs(Permission.VIEW_ALL)
def held_list(row_id: int) -> ResponseReturnValue:
    """Return a hold with its list as it is now."""
    parameters.only(request.args)
    return json_answer(actions.held_list(row_id, principal()))


@blueprint.post("/holds/<int:row_id>/approve", provide_automatic_options=False)
@public
@needs(Permission.OPERATE_ALL)
def approve(row_id: int) -> ResponseReturnValue:
    """Approve exactly the list that was read."""
    approval = _approval()
    return _act(lambda: actions.approve(row_id, approval, principal(), now()))


def _act_on_integration(
    action: Callable[[int, Principal, datetime], ActionAnswer], row_id: int
) -> ResponseReturnValue:
    """Do something with an integration."""
    return _act(lambda: action(row_id, principal(), now()))


@blueprint.get("/openapi.json", endpoint=DOCUMENT, provide_automatic_options=False)
@public
def openapi_document() -> ResponseReturnValue:
    """Return the OpenAPI document."""
    return json_answer(openapi.document(request.url_root.rstrip("/") + PREFIX, COLLECTIONS))


def _act(action: Callable[[], ActionAnswer]) -> Response:
    """Carry an action out, once for each `Idempotency-Key`."""
    parameters.only(request.args)
    path = request.full_path.encode("utf-8", "surrogatepass")
    sent = idempotency.sent(api_key_id(), request.headers.get("Idempotency-Key"), path, request.get_data())
    stored = idempotency.answer(sent, lambda: _stored(action), now())
    mimetype = JSON if stored.status < 400 else PROBLEM_JSON
    answer = Response(stored.body, stored.status, mimetype=mimetype)
    if stored.is_replayed:
        answer.headers["Idempotency-Replayed"] = "true"
    return answer


def _stored(action: Callable[[], ActionAnswer]) -> StoredAnswer:
    try:
        return StoredAnswer(200, msgspec.json.encode(action()))
    except ApiProblem as problem:
        return StoredAnswer(problem.status, msgspec.json.encode(problem.body))


def _approval() -> Approval:
    if request.mimetype != JSON:
        raise ApiProblem("not_json")
    try:
        return msgspec.json.decode(request.get_data(), type=Approval)
    except msgspec.ValidationError as error:
        raise ApiProblem("invalid", f"{error}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ApiProblem("malformed", "The body is not JSON in UTF-8.") from None


def _add_rules() -> None:
    """Add two addresses for each collection, and one for each action on an integration."""
    for collection in COLLECTIONS:
        for suffix, view in (("", listed), ("/<int:row_id>", found)):
            marked = needs(collection.permission)(public(partial(view, collection)))
            rule, endpoint = f"/{collection.name}{suffix}", f"{collection.name}_{view.__name__}"
            blueprint.add_url_rule(rule, endpoint, marked, methods=["GET"], provide_automatic_options=False)
    for name, action in _INTEGRATION_ACTIONS.items():
        act = needs(Permission.OPERATE_ALL)(public(partial(_act_on_integration, action)))
        rule = f"/integrations/<int:row_id>/{name}"
        blueprint.add_url_rule(rule, name, act, methods=["POST"], provide_automatic_options=False)


_add_rules()
