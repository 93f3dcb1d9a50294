"""One call in, one answer out: control, token or API, with the faults and headers around it."""

from __future__ import annotations

import uuid

from harmony.simulator import control, lies, routes
from harmony.simulator.answers import HTML, Answer, Call, Refusal, error, not_found_page
from harmony.simulator.context import Tenant
from harmony.simulator.meter import Standing

STRICT = "max-age=31536000; includeSubDomains"
_SIGN_IN = (
    b"<!DOCTYPE html>\r\n<html><head><title>Sign in</title></head><body>Please sign in.</body></html>\r\n"
)
_GROUP_PATHS = ("lgid", "organizationgroupid", "organization_group_id")


def answer(tenant: Tenant, call: Call) -> Answer:
    """The answer to any call.

    Only the control page has no strict-transport-security: a browser would keep it for the whole host, where
    the dashboard may listen without TLS.
    """
    lower = call.path.lower()
    if lower == "/control" or lower.startswith("/control/"):
        return control.answer(tenant, call)
    answer = _public(tenant, call, lower)
    answer.headers["strict-transport-security"] = STRICT
    return answer


def _public(tenant: Tenant, call: Call, lower: str) -> Answer:
    tenant.wait(tenant.latency_ms)
    call.faults = tenant.faults.striking(call.path, call.query.get("page", "0"), _group(call))
    if "slow" in call.faults:
        tenant.wait(call.faults["slow"].value)
    if lower == "/connect/token" and call.method == "POST":
        return _token(tenant, call)
    if not lower.startswith("/api/"):
        return not_found_page()
    return _api(tenant, call)


def _group(call: Call) -> str:
    """The group a call is about, in its query or in its path."""
    for key in _GROUP_PATHS:
        if key in call.query:
            return call.query[key]
    parts = call.path.lower().split("/")
    return next((parts[n + 1] for n, part in enumerate(parts[:-1]) if part.endswith("groups")), "")


def _token(tenant: Tenant, call: Call) -> Answer:
    answer = _broken(tenant, call) or tenant.gate.token(call)
    answer = _bent(call, answer)
    tenant.meter.note("POST /connect/token", "POST /connect/token", answer.status)
    return answer


def _api(tenant: Tenant, call: Call) -> Answer:
    route = routes.find(call)
    standing = tenant.meter.count(tenant.switches.number("rate_limit"))
    answer = _bent(call, _answered(tenant, call, route, standing))
    answer.headers |= standing.headers() | {"x-correlation-id": str(uuid.uuid4())}
    if route is not None:
        answer.headers["x-api-version"] = f"v{call.version}"
        answer.headers["api-supported-versions"] = ", ".join(map(str, route.versions))
    query = "&".join(f"{key}={value}" for key, value in call.query.items())
    tenant.meter.note(route.name if route else "unknown", f"{call.method} {call.path}?{query}", answer.status)
    return answer


def _answered(tenant: Tenant, call: Call, route: routes.Route | None, standing: Standing) -> Answer:
    if route is None:
        return not_found_page()
    call.version = route.served(call.asked_version())
    try:
        if not _acceptable(call):
            return error(406, 406, "The requested media type is not supported.")
        tenant.gate.admit(call, route.area)
        if standing.exhausted:
            return _throttled(tenant)
        return _broken(tenant, call) or route.answer(tenant, call)
    except Refusal as refusal:
        return refusal.answer


def _acceptable(call: Call) -> bool:
    accept = call.headers.get("accept", "").lower()
    return not accept or "json" in accept or "*/*" in accept


def _throttled(tenant: Tenant) -> Answer:
    """429, whose body and Retry-After nobody has published (facts 2.3, 12)."""
    answer = error(429, 429, "Rate limit exceeded. Try again later.")
    if tenant.switches["retry_after"]:
        answer.headers["retry-after"] = tenant.switches["retry_after"]
    return answer


def _broken(tenant: Tenant, call: Call) -> Answer | None:
    """The answer of a fault that takes the place of the real one."""
    faults = call.faults
    if "throttled" in faults:
        return _throttled(tenant)
    if "unauthorized" in faults:
        return tenant.gate.expired()
    if "forbidden" in faults:
        return tenant.gate.lacking()
    if "server_error" in faults:
        return error(faults["server_error"].value, 1000, "An error has occurred.")
    return lies.instead(call)


def _bent(call: Call, answer: Answer) -> Answer:
    """The real answer, spoilt on its way out."""
    answer = lies.distort(call, answer)
    if "html" in call.faults:
        return Answer(200, _SIGN_IN, HTML)
    if "empty_200" in call.faults:
        return Answer(200)
    if "truncated" in call.faults:
        answer.cut = len(answer.body) // 2
    answer.drop = "dropped" in call.faults
    return answer
