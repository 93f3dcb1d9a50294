"""Hands a mail to the mail server of the customer's network."""

from __future__ import annotations

from harmony.connector.wire import WireDelivery, WireMail
from harmony.mail.envelope import DeliveryError
from harmony.mail.faults import MailAccess
from harmony.mail.smtp import PreparedMail, open_mail
from harmony.uem.trust.outbound import OutboundPolicy


def hand_over(mail: WireMail, policy: OutboundPolicy) -> WireDelivery:
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
