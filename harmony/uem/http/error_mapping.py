"""Maps exceptions of requests, urllib3, ssl and the system to errors a person can act on."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import requests
import urllib3

from harmony.uem.errors import (
    ConnectionLost,
    MalformedAnswer,
    NotTheApi,
    TimedOut,
    TlsFailed,
    UemError,
    Unreachable,
)
from harmony.uem.http.deadline import Deadline
from harmony.uem.trust.address import Address
from harmony.uem.trust.outbound import OutboundPolicy
from harmony.uem.trust.tls import handshake_error, presented_certificate

_TIMEOUTS = (TimeoutError, requests.Timeout, urllib3.exceptions.TimeoutError)
_DAMAGED = (urllib3.exceptions.DecodeError,)
_CUT = (urllib3.exceptions.ProtocolError, ConnectionError)
_UNSENDABLE = (requests.exceptions.InvalidHeader, ValueError)
_UNSENDABLE_ADVICE = "Check the credentials for line breaks or odd characters."


@dataclass(frozen=True, slots=True)
class CallTarget:
    """The address of a call, its outbound policy, and the certificates it trusts (None: the public store)."""

    address: Address
    policy: OutboundPolicy
    ca_pem: str | None


def call_error(
    error: Exception | None,
    deadline: Deadline,
    target: CallTarget,
    now: datetime,
) -> UemError:
    """Return the typed error for a call that ended in `error`, or, without one, was cut by its deadline."""
    if error is None or deadline.expired:
        return TimedOut(
            f"{target.address.host} did not finish its answer within {deadline.seconds:.0f} seconds."
        )
    chain = list(_chain(error))
    for link in chain:
        if isinstance(link, ssl.SSLError):
            shown = None
            if isinstance(link, ssl.SSLCertVerificationError):
                shown = presented_certificate(target.address, target.policy, now)
            return handshake_error(link, target.address, target.ca_pem, shown)
    return _plain_error(chain, target.address)


def _plain_error(chain: list[BaseException], address: Address) -> UemError:
    host = address.host
    kinds: tuple[tuple[tuple[type[BaseException], ...], UemError], ...] = (
        (_TIMEOUTS, TimedOut(f"{host} did not answer in time.")),
        (_DAMAGED, MalformedAnswer(f"The compressed answer of {host} is damaged.")),
        ((ConnectionRefusedError,), Unreachable(f"Nothing listens at {host}:{address.port}.")),
        (_CUT, ConnectionLost(f"{host} closed the connection before its answer was complete.")),
        (_UNSENDABLE, UemError("The call could not be built.", _UNSENDABLE_ADVICE)),
    )
    if any(_is_not_http(link) for link in chain):
        return NotTheApi(f"{host}:{address.port} does not speak HTTP as it should.")
    for types, meaning in kinds:
        if any(isinstance(link, types) for link in chain):
            return meaning
    if not isinstance(chain[0], requests.RequestException | urllib3.exceptions.HTTPError):
        return TlsFailed("The list of trusted certificates could not be read.", "Verify again.")
    return ConnectionLost(f"The call to {host} failed on the way.")


def _is_not_http(link: BaseException) -> bool:
    # These two are kinds of BadStatusLine and HTTPException too, but mean a connection that was cut.
    if isinstance(link, http.client.RemoteDisconnected | http.client.IncompleteRead):
        return False
    return isinstance(link, http.client.BadStatusLine | http.client.LineTooLong) or (
        type(link) is http.client.HTTPException
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the exception and all it wraps; requests keeps the cause in `args` and urllib3 in `reason`."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        link = waiting.pop(0)
        if not isinstance(link, BaseException) or id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        waiting += [link.__cause__, link.__context__, getattr(link, "reason", None), *link.args]
