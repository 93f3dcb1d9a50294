"""Gateways for SMS and chat: the customer's webhook, or a service by its Apprise address."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from harmony.mail.envelope import DeliveryError, Envelope, RecipientRefused
from harmony.mail.text import server_answer
from harmony.messages.gateway_address import (
    CHAT_SERVICES,
    NUMBER,
    SMS_SERVICES,
    address_fault,
    scheme_of,
    telephone,
    without_numbers,
)
from harmony.messages.results import NotConfigured
from harmony.models import ChannelKind
from harmony.uem.errors import UemError
from harmony.uem.http.checked_calls import CheckedCalls, call_once
from harmony.uem.trust.outbound import OutboundPolicy

_GOES_ON = "It is tried again by itself."
_CORRECT_IT = "Correct the channel on the Messages page."
# Of one message, not of the account or the address.
_OF_MESSAGE = frozenset({400, 413, 422})
_calls = CheckedCalls()
# Its lines name recipients and bodies.
logging.getLogger("apprise").disabled = True


class GatewayUnreachable(DeliveryError):
    """The gateway could not be called."""


class GatewayRefused(DeliveryError):
    """The gateway took no message: it refuses the account, or has a trouble of its own."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """The customer's gateway: each message is a POST of JSON with `to`, `text` and `id`."""

    url: str = field(repr=False)
    kind: ChannelKind
    policy: OutboundPolicy

    def send(self, envelope: Envelope, reference: str) -> str:
        """Post one message and return the answer. Raises DeliveryError."""
        body = {"id": reference, "to": _recipient(envelope, self.kind), "text": _text(envelope)}
        try:
            answer = call_once(
                self.policy, "POST", self.url, json=body, headers={"Idempotency-Key": reference}
            )
        except UemError as error:
            raise GatewayUnreachable(error.sentence, error.advice) from None
        return _judged(answer.status_code, answer.text)


@dataclass(frozen=True, slots=True)
class ApprisedService:
    """A service that Apprise knows; `url` has a place for the number if it sends SMS."""

    url: str = field(repr=False)
    kind: ChannelKind
    policy: OutboundPolicy

    def send(self, envelope: Envelope, _reference: str) -> str:
        """Send one message and return the answer. Raises DeliveryError."""
        fault = address_fault(self.url, self.kind)
        if fault:
            raise NotConfigured(fault, _CORRECT_IT)
        service = _service(self.url.replace(NUMBER, _recipient(envelope, self.kind).lstrip("+")))
        with _calls.under(self.policy) as outcomes:
            taken = service.notify(body=_text(envelope))
        last = outcomes[-1] if outcomes else None
        if isinstance(last, UemError):
            raise GatewayUnreachable(last.sentence, last.advice)
        if last is None:
            raise NotConfigured("The address has not all that this service needs.", _CORRECT_IT)
        answer = _judged(last.status_code, last.text)
        if not taken:
            raise GatewayRefused(f"The service did not take the message: {answer}", _CORRECT_IT)
        return answer


def _judged(status: int, body: str) -> str:
    """Return the answer of a gateway that took a message. Raises DeliveryError for any other."""
    answer = without_numbers(server_answer(status, body[:1000]))
    if 200 <= status < 300:
        return answer
    if status in _OF_MESSAGE:
        raise RecipientRefused(f"The gateway refused the message: {answer}", permanent=True)
    busy = status == 429 or status >= 500
    raise GatewayRefused(f"The gateway took no message: {answer}", _GOES_ON if busy else _CORRECT_IT)


def _recipient(envelope: Envelope, kind: ChannelKind) -> str:
    if kind is not ChannelKind.SMS:
        return ""
    number = telephone(envelope.recipient)
    if number is None:
        raise RecipientRefused("The recipient has no telephone number that can be used.", permanent=True)
    return number


def _text(envelope: Envelope) -> str:
    return "\n".join(filter(None, (envelope.subject, envelope.text)))


def _service(url: str) -> Any:
    """Return the service that the address names, with its calls replaced by checked ones."""
    from apprise import AppriseAsset  # noqa: PLC0415 - a start need not wait for it

    module_name, class_name = {**SMS_SERVICES, **CHAT_SERVICES}[scheme_of(url)]
    module = import_module(f"apprise.plugins.{module_name}")
    module.requests = _calls  # type: ignore[attr-defined]
    service = getattr(module, class_name)
    try:
        return service(**service.parse_url(url), asset=AppriseAsset(async_mode=False, secure_logging=True))
    except TypeError:  # also of what it could not read at all
        raise NotConfigured("This address has not all that its service needs.", _CORRECT_IT) from None
