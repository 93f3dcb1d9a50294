"""Sends the calls of a UEM client through a Connector, and asks its agent what it can reach."""

from __future__ import annotations

from contextlib import closing
from functools import partial

from flask import current_app

from harmony.connector.wire import CALL, PROBE, Reply, WireCall, WireCheck, WireProbe, encode
from harmony.relay.calls import Relay
from harmony.relay.errors import sentence_of
from harmony.security.vault import vault
from harmony.uem.connection import Connection
from harmony.uem.errors import MalformedAnswer
from harmony.uem.http.deadline import Deadline
from harmony.uem.http.error_mapping import CallTarget
from harmony.uem.http.exchange import Exchange, ExchangeOptions, Route
from harmony.uem.http.request import Request
from harmony.uem.http.response import Answer, answer_of, unpack
from harmony.uem.verify.checks import CheckResult, CheckState
from harmony.uem.verify.run_checks import Probe

_PROBE_SECONDS = 25.0
_MOST_CHECKS = 20


class _RelayExchange:
    """Calls through a Connector to one server; `kind` says on which list of the agent it has to be."""

    def __init__(self, relay: Relay, target: CallTarget, kind: str = CALL) -> None:
        self._relay, self._target, self._kind = relay, target, kind

    def send(self, request: Request, deadline: Deadline) -> Answer:
        """See `Exchange`."""
        reply = self._relay.ask(
            self._kind, encode(_wire_call(self._target, request)), deadline, repeatable=request.repeatable
        )
        return self._answer(reply, request.largest)

    def _answer(self, reply: Reply, largest: int) -> Answer:
        found = reply.answer
        if found is None:
            raise MalformedAnswer("The Connector sent no answer of the server.")
        try:
            body = unpack(found.body, largest)
        except ValueError:
            raise MalformedAnswer(
                f"The compressed answer of {self._target.address.host} is damaged."
            ) from None
        return answer_of(found.status, found.headers, body)

    def close(self) -> None:
        """Forget the calls; whoever still waits notices that its deadline was cut."""
        self._relay.close()


def route_of(name: str, kind: str = CALL) -> Route:
    """Return the route through this Connector, for calls from any thread of the running application."""
    relay = relay_of(name)

    def route(target: CallTarget, _options: ExchangeOptions) -> Exchange:
        return _RelayExchange(relay, target, kind)

    return route


def relay_of(name: str) -> Relay:
    """Return the way through this Connector, for the running application."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # outlives the proxy
    return Relay(app, vault(), name)


def probe_of(name: str) -> Probe:
    """Return the question what an agent of this Connector sees of a server."""
    return Probe(f"Connector {name}", partial(_probe, relay_of(name)))


def _probe(relay: Relay, connection: Connection) -> tuple[CheckResult, ...]:
    """Return the checks that an agent made. Raises UemError."""
    question = WireProbe(server=connection.server_url, ca_pem=connection.ca_pem)
    with closing(relay):
        reply = relay.ask(PROBE, encode(question), Deadline(_PROBE_SECONDS), repeatable=True)
    try:
        return tuple(_result(check) for check in (reply.checks or ())[:_MOST_CHECKS])
    except ValueError:
        raise MalformedAnswer("What the Connector said of the server is not readable.") from None


def _result(check: WireCheck) -> CheckResult:
    """Return a result as an agent saw it. Raises ValueError for a state that is none."""
    advice = None if check.advice is None else sentence_of(check.advice)
    state, sentence = CheckState(check.state), sentence_of(check.sentence)
    return CheckResult(sentence_of(check.name), state, check.milliseconds, sentence, advice)


def _wire_call(target: CallTarget, request: Request) -> WireCall:
    """Return the call as it goes to an agent."""
    return WireCall(
        server=target.address.url,
        method=request.method,
        path=request.path,
        params=dict(request.params),
        headers=dict(request.headers),
        form=None if request.form is None else dict(request.form),
        json=request.json,
        largest=request.largest,
        ca_pem=target.ca_pem,
    )
