"""Carries out one piece of work: a call to the UEM, a mail, records, a look around; always a reply."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace

import msgspec

from harmony import clock
from harmony.connector.allow_list import (
    LISTED,
    call_refusal,
    mail_refusal,
    post_refusal,
    server_refusal,
    stream_refusal,
)
from harmony.connector.settings import AgentSettings
from harmony.connector.wire import (
    CALL,
    MAIL,
    POST,
    PROBE,
    STREAM,
    Reply,
    WireAnswer,
    WireCall,
    WireCheck,
    WireDelivery,
    WireFailure,
    WireMail,
    WireProbe,
    WireStream,
    Work,
    decode,
)
from harmony.mail.envelope import DeliveryError
from harmony.mail.faults import MailAccess
from harmony.mail.smtp import PreparedMail, open_mail
from harmony.uem.connection import Basic, Connection
from harmony.uem.errors import UemError
from harmony.uem.http.byte_stream import StreamServer, send_stream
from harmony.uem.http.deadline import Deadline
from harmony.uem.http.error_mapping import CallTarget
from harmony.uem.http.exchange import DirectExchange, ExchangeOptions
from harmony.uem.http.request import Request
from harmony.uem.http.response import Answer
from harmony.uem.trust.address import Address, parse_address
from harmony.uem.trust.outbound import OutboundPolicy
from harmony.uem.verify.run_checks import network_results

# Whatever else a dashboard might want to say to a server.
_HEADERS = frozenset({"authorization", "aw-tenant-code", "accept", "content-type"})
_POST_HEADERS = frozenset(
    {"authorization", "content-type", "webhook-id", "webhook-timestamp", "webhook-signature"}
)
# What the dashboard reads of an answer; the body travels without its encoding.
_KEPT = ("Content-Type", "Date", "Retry-After", "Www-Authenticate")
_KEPT_PREFIX = "x-ratelimit-"
_MOST_SECONDS = 120.0
_BROKEN, _SEE_LOG = "The agent could not carry out the call.", "The reason is in the log of the agent."

log = logging.getLogger(__name__)


class Executor:
    """Makes calls within the allow-list of the agent. Safe to use from several threads."""

    def __init__(self, settings: AgentSettings) -> None:
        self._settings, self._policy = settings, replace(LISTED, proxy=settings.uem_proxy)
        self._exchanges: dict[tuple[str, str | None], DirectExchange] = {}
        self._lock = threading.Lock()
        self._kinds: dict[str, Callable[[bytes, float], Reply]] = {
            CALL: self._call, MAIL: self._mail, PROBE: self._probe, POST: self._post, STREAM: self._stream,
        }  # fmt: skip

    def carry_out(self, work: Work) -> Reply:
        """Return the reply to a piece of work; a failure is a reply too."""
        carry_out = self._kinds.get(work.kind)
        if carry_out is None:
            return _refused(f"This version of the agent cannot do what was asked ({work.kind[:16]}).")
        try:
            return carry_out(work.body, work.seconds)
        except UemError as error:
            return Reply(failure=WireFailure(code=error.code, sentence=error.sentence, advice=error.advice))
        except msgspec.MsgspecError:
            return _refused("The call is not in a form that this version understands.")
        except Exception:
            # Whoever asked would wait in vain for its reply.
            log.exception("A call could not be carried out")
            return Reply(failure=WireFailure(code=UemError.code, sentence=_BROKEN, advice=_SEE_LOG))

    def close(self) -> None:
        """End the connections to the UEM."""
        with self._lock:
            for exchange in self._exchanges.values():
                exchange.close()

    def _call(self, body: bytes, seconds: float) -> Reply:
        call = decode(body, WireCall)
        server = parse_address(call.server, LISTED)
        if refusal := call_refusal(self._settings.allowed, server, call):
            return _refused(refusal)
        return self._send(server, call, _HEADERS, seconds)

    def _post(self, body: bytes, seconds: float) -> Reply:
        call = decode(body, WireCall)
        server = parse_address(call.server, LISTED)
        if refusal := post_refusal(self._settings.allowed, server, call):
            return _refused(refusal)
        return self._send(server, call, _POST_HEADERS, seconds)

    def _send(self, server: Address, call: WireCall, kept: frozenset[str], seconds: float) -> Reply:
        headers = {name: value for name, value in call.headers.items() if name.lower() in kept}
        request = Request(
            call.method, call.path, params=call.params, headers=headers, form=call.form, json=call.json,
            largest=call.largest, packed=True,
        )  # fmt: skip
        deadline = Deadline(max(0.0, min(seconds, _MOST_SECONDS)))
        return Reply(answer=_wire(self._exchange(server, call.ca_pem).send(request, deadline)))

    def _mail(self, body: bytes, _seconds: float) -> Reply:
        mail = decode(body, WireMail)
        if refusal := mail_refusal(self._settings.allowed, mail.host, mail.port):
            return _refused(refusal)
        # The proxy is for HTTP; few let a connection to a mail server pass.
        return Reply(delivery=_hand_over(mail, replace(self._policy, proxy=None)))

    def _stream(self, body: bytes, seconds: float) -> Reply:
        stream = decode(body, WireStream)
        if refusal := stream_refusal(self._settings.allowed, stream.host, stream.port):
            return _refused(refusal)
        server = StreamServer(stream.host, stream.port, stream.is_tls, stream.certificate)
        policy, most = replace(self._policy, proxy=None), max(0.0, min(seconds, _MOST_SECONDS))
        return Reply(delivery=WireDelivery(answer=send_stream(server, stream.data, policy, most)))

    def _probe(self, body: bytes, _seconds: float) -> Reply:
        probe = decode(body, WireProbe)
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
            for result in network_results(connection, clock.now())
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


def _hand_over(mail: WireMail, policy: OutboundPolicy) -> WireDelivery:
    """Return how the mail server took this mail; a failure is a delivery too."""
    access = MailAccess(
        mail.host, mail.port, mail.security, mail.sender, "", mail.username, mail.password, mail.certificate
    )
    try:
        with open_mail(access, policy) as sender:
            return WireDelivery(answer=sender.transmit(PreparedMail(mail.recipient, mail.raw)))
    except DeliveryError as error:
        return WireDelivery(
            sentence=error.sentence, advice=error.advice, of_channel=error.of_channel,
            permanent=error.permanent,
        )  # fmt: skip
