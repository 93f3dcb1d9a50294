"""The entrance of the public API: key, rights and rate of each request; refusals as problem+json."""

from __future__ import annotations

import logging

import msgspec
from flask import Blueprint, Response, current_app, g, request

from harmony.api.limits import ApiLimits, RatePolicy
from harmony.api.problems import ApiProblem, by_status
from harmony.clock import monotonic, now
from harmony.security import api_keys
from harmony.security.api_keys import UnusableKey
from harmony.security.json_errors import JsonErrors
from harmony.security.permissions import Permission, is_permitted, needed_by, refusal
from harmony.security.principal import Principal, current_principal, set_principal
from harmony.security.rate_limit import counted_address

log = logging.getLogger(__name__)

PREFIX = "/api/v1"
JSON, PROBLEM_JSON = "application/json", "application/problem+json"
LIMITS = "harmony.api"
# Open to everybody: it says what there is, and nothing of anybody's data.
DOCUMENT, POSTURE = "document", "posture"
_BEARER = "bearer"

blueprint = Blueprint("api", __name__, url_prefix=PREFIX)


def principal() -> Principal:
    """Return who this request acts for; it has a key."""
    found = current_principal()
    assert found is not None  # `_admit` has let it through
    return found


def api_key_id() -> int:
    """Return the id of the key of this request."""
    return int(g.api_key_id)


@blueprint.before_request
def _admit() -> None:
    """Find out whose key it is, count the request, and ask for the permission. Raises ApiProblem."""
    if _own_endpoint() == DOCUMENT:
        return
    g.api_key_id, found = _opened()
    set_principal(found)
    _policy().take(str(g.api_key_id), monotonic())
    needed = needed_by(current_app.view_functions[request.endpoint or ""], request.method)
    _require(needed)


def _require(permission: Permission) -> None:
    """Refuse a request that needs more than its key has. Raises ApiProblem."""
    if not is_permitted(principal(), permission):
        raise ApiProblem("not_permitted", refusal(principal(), permission))


@blueprint.after_request
def _finish(response: Response) -> Response:
    """Say what is left of the rate, and what a client that has the same answer need not read again."""
    if key_id := g.get("api_key_id"):
        _policy().say(response.headers, str(key_id), monotonic())
    response.vary.add("Authorization")
    if request.method in {"GET", "HEAD"} and response.status_code == 200:
        response.add_etag(weak=True)
        response.make_conditional(request)
    return response


def _opened() -> tuple[int, Principal]:
    scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
    try:
        if scheme.lower() != _BEARER:  # a scheme has no case (RFC 9110)
            raise UnusableKey("key_unknown")
        return api_keys.opened_by(shown.strip(" "), now())
    except UnusableKey as refused:
        wait = _limits().wrong.wait(counted_address(request.remote_addr), monotonic())
        code = "too_many" if wait else refused.code
        raise ApiProblem(code, retry_after=int(wait) + 1 if wait else None) from None


def _limits() -> ApiLimits:
    """Return the counters that the requests of one application share."""
    shared: ApiLimits = current_app.extensions[LIMITS]
    return shared


def _policy() -> RatePolicy:
    return _limits().posture if _own_endpoint() == POSTURE else _limits().requests


def _own_endpoint() -> str:
    return (request.endpoint or "").rpartition(".")[2]


def json_answer(value: object, status: int = 200) -> Response:
    """Return a record as JSON."""
    return Response(msgspec.json.encode(value), status, mimetype=JSON)


@blueprint.errorhandler(ApiProblem)
def answer_problem(problem: ApiProblem) -> Response:
    """Answer a refusal."""
    answer = Response(msgspec.json.encode(problem.body), problem.status, mimetype=PROBLEM_JSON)
    if problem.retry_after is not None:
        answer.headers["Retry-After"] = str(problem.retry_after)
    if problem.status == 401:
        answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def _answer_code(code: str, retry_after: int | None) -> Response:
    return answer_problem(ApiProblem(code, retry_after=retry_after))


ERRORS = JsonErrors(log, _answer_code, by_status)
ERRORS.register(blueprint)
