"""The control port: state, actions and the page for a tester's browser, all under /control."""

from __future__ import annotations

from harmony.simulator import arguments, pages, state
from harmony.simulator.actions import ACTIONS
from harmony.simulator.answers import HTML, Answer, Call, error, ok
from harmony.simulator.context import Tenant
from harmony.simulator.records import ENCODE


def answer(tenant: Tenant, call: Call) -> Answer:
    """Read with GET, act with POST; faults, latency and counters never touch this port."""
    name = call.path[len("/control") :].strip("/")
    if call.method in ("GET", "HEAD"):
        return _read(tenant, call, name)
    if call.method == "POST" and name in ACTIONS:
        return _act(tenant, call, name)
    return error(404, 404, "There is no such control.")


def _read(tenant: Tenant, call: Call, name: str) -> Answer:
    if name == "":
        return Answer(200, pages.control(tenant, call.query).encode("utf-8", "replace"), HTML)
    if name == "style.css":
        return Answer(200, pages.style(), "text/css; charset=utf-8")
    if name == "state":
        return ok(state.whole(tenant))
    if name == "devices":
        return ok(state.devices(tenant, call.query))
    return error(404, 404, "There is no such control.")


def _act(tenant: Tenant, call: Call, name: str) -> Answer:
    """Do it; a form is sent back to the page (303), a program gets JSON, and 422 says what was wrong."""
    try:
        result = ACTIONS[name](tenant, arguments.read(call))
    except ValueError as complaint:
        return Answer(422, ENCODE({"error": str(complaint)}))
    if arguments.is_form(call):
        return Answer(303, headers={"location": "/control"})
    return ok(result)
