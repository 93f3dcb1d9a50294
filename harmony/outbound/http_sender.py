"""Destinations over HTTPS: a webhook, one call a record, and a collector, one call a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import urlsplit

from harmony.clock import now
from harmony.mail.text import server_answer
from harmony.outbound.as_json import webhook_body
from harmony.outbound.errors import RecordRefused, SendError
from harmony.outbound.formats import as_line
from harmony.outbound.record import OutboundRecord
from harmony.outbound.schedule import CALL_SECONDS
from harmony.outbound.syslog import SyslogHeader
from harmony.outbound.webhook_signature import signed_headers
from harmony.uem.errors import UemError
from harmony.uem.http.checked_calls import web_address
from harmony.uem.http.deadline import Deadline
from harmony.uem.http.error_mapping import CallTarget
from harmony.uem.http.exchange import DirectExchange, ExchangeOptions, Route
from harmony.uem.http.request import Request
from harmony.uem.http.response import Answer
from harmony.uem.http.retry import asked_wait
from harmony.uem.trust.outbound import OutboundPolicy

_GOES_ON = "It is tried again by itself."
_CORRECT_IT = "Correct the destination."
_LONGEST_SHOWN = 1024
_LARGEST_ANSWER = 1024 * 1024
_GONE = 410
# Of one record, not of the account or the address.
_OF_RECORD = frozenset({400, 413, 422})


class Receiver:
    """The server of a destination, called over connections that are kept for a round, by some route."""

    def __init__(
        self, url: str, certificate: str, policy: OutboundPolicy, route: Route = DirectExchange
    ) -> None:
        parts = urlsplit(url)
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        target = CallTarget(web_address(url, policy), policy, certificate or None)
        self._exchange = route(target, ExchangeOptions(1, now))

    def post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Post a body and return the answer, whatever its status. Raises SendError when there is none."""
        request = Request(
            "POST", self._path, headers=headers, json=body, repeatable=False, largest=_LARGEST_ANSWER
        )
        try:
            return self._exchange.send(request, Deadline(CALL_SECONDS))
        except UemError as error:
            raise SendError(error.sentence, error.advice) from None

    def close(self) -> None:
        """Close the connections."""
        self._exchange.close()


@dataclass(frozen=True, slots=True)
class WebhookSender:
    """Posts each record by itself, signed with the secrets in force."""

    receiver: Receiver
    secret_texts: Sequence[str] = field(repr=False)

    def send(self, records: Sequence[OutboundRecord]) -> str:
        """Post one record and return the answer. Raises SendError or RecordRefused."""
        (record,) = records
        body = webhook_body(record)
        signed = signed_headers(record.uid, int(now().timestamp()), body, self.secret_texts)
        answer = self.receiver.post(body, {"Content-Type": "application/json", **signed})
        if answer.status in _OF_RECORD:
            raise RecordRefused(_shown(answer))
        return _judged(answer)


@dataclass(frozen=True, slots=True)
class CollectorSender:
    """Posts a batch of OCSF records as newline-delimited JSON; `authorization` is a whole header."""

    receiver: Receiver
    format: str
    header: SyslogHeader
    authorization: str = field(default="", repr=False)

    def send(self, records: Sequence[OutboundRecord]) -> str:
        """Post the records and return the answer. Raises SendError."""
        body = b"".join(as_line(record, self.format, self.header) for record in records)
        headers = {"Content-Type": "application/x-ndjson"}
        if self.authorization:
            headers["Authorization"] = self.authorization
        return _judged(self.receiver.post(body, headers))


def _judged(answer: Answer) -> str:
    """Return the words of an answer that took what was sent. Raises SendError for any other."""
    shown = _shown(answer)
    if 200 <= answer.status < 300:
        return shown
    if answer.status == _GONE:
        raise SendError(f"The receiver wants no more: {shown}", _CORRECT_IT, is_gone=True)
    seconds = asked_wait(answer.headers, now())
    busy = answer.status in {408, 429} or answer.status >= 500
    raise SendError(
        f"The receiver took nothing: {shown}", _GOES_ON if busy else _CORRECT_IT,
        asked_wait=timedelta(seconds=seconds) if busy and seconds else None,
    )  # fmt: skip


def _shown(answer: Answer) -> str:
    return server_answer(answer.status, answer.body[:_LONGEST_SHOWN])
