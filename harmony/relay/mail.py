"""Sends mail through a Connector: an agent of it hands each to the mail server of its network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from harmony.connector.wire import MAIL, WireDelivery, WireMail, encode
from harmony.mail.envelope import DeliveryError, Envelope, RecipientRefused
from harmony.mail.faults import MailAccess, MailServerUnreachable, meaning
from harmony.mail.smtp import OPEN_SECONDS, SEND_SECONDS, PreparedMail, prepare
from harmony.relay.calls import Relay
from harmony.relay.errors import sentence_of
from harmony.relay.exchange import relay_of
from harmony.uem.errors import UemError
from harmony.uem.http.deadline import Deadline


@dataclass(frozen=True, slots=True)
class RelayedMailSender:
    """The mail server as an agent of the Connector `name` reaches it."""

    access: MailAccess
    name: str
    relay: Relay

    def send(self, envelope: Envelope, reference: str) -> str:
        """Send one mail and return the answer. Raises DeliveryError.

        It is given to one agent only: a second would send it a second time.
        """
        mail = prepare(self.access, envelope, reference)
        body, deadline = encode(_wire_mail(self.access, mail)), Deadline(OPEN_SECONDS + SEND_SECONDS)
        try:
            delivery = self.relay.ask(MAIL, body, deadline, repeatable=False).delivery
        except UemError as error:
            raise meaning(error, self.access) from None
        if delivery is None:
            raise MailServerUnreachable(f"Connector {self.name} did not say what became of the mail.")
        if delivery.sentence:
            raise _failure(self.name, delivery)
        return sentence_of(delivery.answer)


@contextmanager
def open_relayed_mail(access: MailAccess, name: str) -> Iterator[RelayedMailSender]:
    """Open the way to the mail server through the Connector `name`."""
    with closing(relay_of(name)) as relay:
        yield RelayedMailSender(access, name, relay)


def _wire_mail(access: MailAccess, mail: PreparedMail) -> WireMail:
    return WireMail(
        host=access.host, port=access.port, security=access.security, username=access.username,
        password=access.password, certificate=access.certificate, sender=access.sender,
        recipient=mail.recipient, raw=mail.raw,
    )  # fmt: skip


def _failure(name: str, delivery: WireDelivery) -> DeliveryError:
    sentence, advice = (
        f"Through Connector {name}: {sentence_of(delivery.sentence)}",
        sentence_of(delivery.advice),
    )
    if not delivery.of_channel:
        return RecipientRefused(sentence, advice, permanent=delivery.permanent)
    return DeliveryError(sentence, advice)
