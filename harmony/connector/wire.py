"""The messages between the dashboard and an agent of a Connector, in MessagePack."""

from __future__ import annotations

from typing import TypeVar

import msgspec

KEY_PREFIX = "hmconnector_"
PREFIX = "/connector/v1"
MIMETYPE = "application/msgpack"
CALL, PROBE, MAIL, POST, STREAM = "call", "probe", "mail", "post", "stream"
# A part of an answer: well below the largest request that the dashboard takes.
PART_BYTES = 1024 * 1024
# What an answer may have on the wire, compressed, whatever its call allows.
MOST_PARTS = 64
# An agent asks again, or answers, within this; else what it took is given to another.
LEASE_SECONDS = 15.0
# The longest that the dashboard keeps an agent waiting for work; shorter while the agent is at work.
IDLE_HOLD_SECONDS, BUSY_HOLD_SECONDS = 20.0, 4.0

_Body = TypeVar("_Body", bound=msgspec.Struct)


class Poll(msgspec.Struct, frozen=True, kw_only=True):
    """An agent asks for work: who it is, how many calls it can take, and the ids of those it still has."""

    agent: str
    host: str
    version: str
    free: int
    running: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    error: str = ""


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """A call for an agent: the answer is accepted once, with this ticket, for so many seconds."""

    id: str
    ticket: str
    kind: str
    seconds: float
    body: bytes


class WireCall(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP request to a server; see `uem.http.request.Request` for the fields."""

    server: str
    method: str
    path: str
    params: dict[str, str]
    headers: dict[str, str]
    form: dict[str, str] | None
    json: bytes | None
    largest: int
    ca_pem: str | None

    def __repr__(self) -> str:
        return f"<WireCall {self.method} {self.server}>"


class WireProbe(msgspec.Struct, frozen=True, kw_only=True):
    """A look at a server without any credential: can it be reached, and is it trusted?"""

    server: str
    ca_pem: str | None


class WireMail(msgspec.Struct, frozen=True, kw_only=True):
    """A mail to hand to a mail server; see `mail.faults.MailAccess` for the fields of the server."""

    host: str
    port: int
    security: str
    username: str
    password: str
    certificate: str
    sender: str
    recipient: str
    raw: bytes

    def __repr__(self) -> str:
        return f"<WireMail to {self.host}:{self.port}>"


class WireStream(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes for a syslog server; see `uem.http.byte_stream.StreamServer` for the fields of the server."""

    host: str
    port: int
    is_tls: bool
    certificate: str
    data: bytes

    def __repr__(self) -> str:
        return f"<WireStream to {self.host}:{self.port}>"


class WireDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a mail or a stream: what its server answered, or the sentence why it took nothing.

    See `mail.envelope.DeliveryError` for `of_channel` and `permanent`.
    """

    answer: str = ""
    sentence: str = ""
    advice: str = ""
    of_channel: bool = True
    permanent: bool = False


class WireAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of a server; `body` is in gzip, as the server sent it where it did so."""

    status: int
    headers: dict[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"<WireAnswer {self.status}>"


class WireCheck(msgspec.Struct, frozen=True, kw_only=True):
    """One result of a probe; see `uem.verify.checks.CheckResult`."""

    name: str
    state: str
    milliseconds: int | None
    sentence: str
    advice: str | None


class WireFailure(msgspec.Struct, frozen=True, kw_only=True):
    """A call that failed inside the customer's network; `code` as of `uem.errors`."""

    code: str
    sentence: str
    advice: str
    refused_by_agent: bool = False


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a call: exactly one of these."""

    answer: WireAnswer | None = None
    checks: tuple[WireCheck, ...] | None = None
    delivery: WireDelivery | None = None
    failure: WireFailure | None = None


def encode(body: msgspec.Struct) -> bytes:
    """Return the bytes of a message."""
    return msgspec.msgpack.encode(body)


def decode(raw: bytes, kind: type[_Body]) -> _Body:
    """Return the message in these bytes. Raises msgspec.MsgspecError when it is none of that kind."""
    return msgspec.msgpack.decode(raw, type=kind)


def decode_works(raw: bytes) -> list[Work]:
    """Return the calls that an agent was given. Raises msgspec.MsgspecError."""
    return msgspec.msgpack.decode(raw, type=list[Work])
