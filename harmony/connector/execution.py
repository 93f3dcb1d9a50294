"""Carries out one piece of work: a call to the UEM, a mail, a look at what can be reached; always a reply."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import datetime

import msgspec

from harmony import clock
from harmony.connector.allow_list import LISTED, call_refusal, mail_refusal, server_refusal
from harmony.connector.mail import hand_over
from harmony.connector.settings import AgentSettings
from harmony.connector.wire import (
    CALL,
    MAIL,
    PROBE,
    Reply,
    WireAnswer,
    WireCall,
    WireCheck,
    WireFailure,
    WireMail,
    WireProbe,
    Work,
    decode,
)
from harmony.uem.connection import Basic, Connection
from harmony.uem.errors import UemError
from harmony.uem.http.deadline import Deadline
from harmony.uem.http.error_mapping import CallTarget
from harmony.uem.http.exchange import DirectExchange, ExchangeOptions
from harmony.uem.http.request import Request
from harmony.uem.http.response import Answer
from harmony.uem.trust.address import Address, parse_address
from harmony.uem.verify.run_checks import network_results

# Whatever else a dashboard might want to say to a server.
_HEADERS = frozenset({"authorization", "aw-tenant-code", "accept", "content-type"})
# What the dashboard reads of an answer; the body travels without its encoding.
_KEPT = ("Content-Type", "Date", "Retry-After", "Www-Authenticate")
_KEPT_PREFIX = "x-ratelimit-"
_MOST_SECONDS = 120.0


class Executor:
    """Makes calls within the allow-list of the agent. Safe to use from several threads."""

    def __init__(self, settings: AgentSettings) -> None:
        self._settings, self._policy = settings, replace(LISTED, proxy=settings.uem_proxy)
        self._exchanges: dict[tuple[str, str | None], DirectExchange] = {}
        self._lock = threading.Lock()

    def carry_out(self, work: Work) -> Reply:
        """Return the reply to a piece of work; a failure is a reply too."""
        try:
            if work.kind == CALL:
                return self._call(decode(work.body, WireCall), work.seconds)
            if work.kind == MAIL:
                return self._mail(decode(work.body, WireMail))
            if work.kind == PROBE:
                return self._probe(decode(work.body, WireProbe), clock.now())
        except UemError as error:
            return Reply(failure=WireFailure(code=error.code, sentence=error.sentence, advice=error.advice))
        except msgspec.MsgspecError:
            return _refused("The call is not in a form that this version understands.")
        return _refused(f"This version of the agent cannot do what was asked ({work.kind[:16]}).")

    def close(self) -> None:
        """End the connections to the UEM."""
        with self._lock:
            for exchange in self._exchanges.values():
                exchange.close()

    def _call(self, call: WireCall, seconds: float) -> Reply:
        server = parse_address(call.server, LISTED)
        if refusal := call_refusal(self._settings.allowed, server, call):
            return _refused(refusal)
        headers = {name: value for name, value in call.headers.items() if name.lower() in _HEADERS}
        request = Request(
            call.method, call.path, params=call.params, headers=headers, form=call.form, json=call.json,
            largest=call.largest, packed=True,
        )  # fmt: skip
        deadline = Deadline(max(0.0, min(seconds, _MOST_SECONDS)))
        return Reply(answer=_wire(self._exchange(server, call.ca_pem).send(request, deadline)))

    def _mail(self, mail: WireMail) -> Reply:
        if refusal := mail_refusal(self._settings.allowed, mail.host, mail.port):
            return _refused(refusal)
        # The proxy is for HTTP; few let a connection to a mail server pass.
        return Reply(delivery=hand_over(mail, replace(self._policy, proxy=None)))

    def _probe(self, probe: WireProbe, now: datetime) -> Reply:
        server = parse_address(probe.server, LISTED)
        if refusal := server_refusal(self._settings.allowed, server):
            return _refused(refusal)
        nobody = Basic("", "", "")
        connection = Connection(probe.server, nobody, self._settings.uem_ca or probe.ca_pem, self._policy)
        checks = tuple(
            WireCheck(
                name=result.name, state=result.state.value, milliseconds=result.milliseconds,
                sentence=result.sentence, advice=result.advice,
            )
            for result in network_results(connection, now)
        )  # fmt: skip
        return Reply(checks=checks)

    def _exchange(self, server: Address, ca_pem: str | None) -> DirectExchange:
        pem = self._settings.uem_ca or ca_pem
        with self._lock:
            found = self._exchanges.get((server.url, pem))
            if found is None:
                options = ExchangeOptions(self._settings.calls, clock.now)
                found = DirectExchange(CallTarget(server, self._policy, pem), options)
                self._exchanges[server.url, pem] = found
            return found


def _wire(answer: Answer) -> WireAnswer:
    headers = {
        name: value
        for name, value in answer.headers.items()
        if name.title() in _KEPT or name.lower().startswith(_KEPT_PREFIX)
    }
    return WireAnswer(status=answer.status, headers=headers, body=answer.body)


def _refused(sentence: str) -> Reply:
    failure = WireFailure(code="connector-refused", sentence=sentence, advice="", refused_by_agent=True)
    return Reply(failure=failure)
