"""Mail: one SMTP connection for some messages; every failure is a DeliveryError with a next step."""

from __future__ import annotations

import contextlib
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from harmony.clock import now
from harmony.mail.envelope import DeliveryError, Envelope, RecipientRefused
from harmony.mail.faults import (
    CORRECT_IT,
    GOES_ON,
    STARTTLS,
    TLS,
    MailAccess,
    MailServerUnreachable,
    SenderRefused,
    meaning,
)
from harmony.mail.text import ascii_address, mail_bytes, server_answer
from harmony.uem.errors import TimedOut, UemError
from harmony.uem.http.deadline import Deadline
from harmony.uem.http.sockets import open_socket
from harmony.uem.trust.address import Address
from harmony.uem.trust.outbound import OutboundPolicy
from harmony.uem.trust.tls import handshake, trusting_context

OPEN_SECONDS, SEND_SECONDS = 20.0, 60.0
_CLOSING = 421


class _Connection(smtplib.SMTP):
    """An SMTP connection whose socket is checked by the outbound policy, and encrypted at once with TLS."""

    def __init__(self, access: MailAccess, policy: OutboundPolicy, deadline: Deadline) -> None:
        self.access, self.policy, self.deadline = access, policy, deadline
        super().__init__(access.host, access.port, local_hostname="localhost")

    def _get_socket(self, host: str, port: int, timeout: float) -> ssl.SSLSocket | object:
        plain = open_socket(host, port, self.policy, self.deadline)
        own = plain.getsockname()[0]
        self.local_hostname = f"[IPv6:{own}]" if ":" in own else f"[{own}]"
        plain.settimeout(SEND_SECONDS)
        if self.access.security != TLS:
            return plain
        try:
            return handshake(plain, Address("https", host, port, ""), self.access.certificate or None)
        except BaseException:
            plain.close()
            raise


@dataclass(frozen=True, slots=True)
class PreparedMail:
    """A mail as its recipient and the bytes that go over the wire."""

    recipient: str = field(repr=False)
    raw: bytes = field(repr=False)


def prepare(access: MailAccess, envelope: Envelope, reference: str) -> PreparedMail:
    """Write one mail. Raises RecipientRefused when its recipient has no usable address."""
    recipient = ascii_address(envelope.recipient)
    if recipient is None:
        raise RecipientRefused("The recipient has no mail address that can be used.", permanent=True)
    addressed = replace(envelope, recipient=recipient)
    return PreparedMail(recipient, mail_bytes(addressed, access.sender, access.sender_name, reference, now()))


@dataclass(slots=True)
class MailSender:
    """An open connection to the mail server."""

    access: MailAccess
    smtp: smtplib.SMTP

    def send(self, envelope: Envelope, reference: str) -> str:
        """Send one mail and return the answer. Raises DeliveryError."""
        return self.transmit(prepare(self.access, envelope, reference))

    def transmit(self, mail: PreparedMail) -> str:
        """Send a mail that is written already and return the answer. Raises DeliveryError."""
        with _translated(self.access, Deadline(SEND_SECONDS)) as deadline:
            if self.smtp.sock is not None:
                deadline.watch(self.smtp.sock)
            return self._transaction(mail)

    def _transaction(self, mail: PreparedMail) -> str:
        sender = self.access.sender
        code, said = self.smtp.mail(sender)
        if code != 250:
            self._reset(code)
            answer = server_answer(code, said)
            raise SenderRefused(f"{self.access.host} takes no mail from {sender}: {answer}", CORRECT_IT)
        code, said = self.smtp.rcpt(mail.recipient)
        if code not in {250, 251}:
            self._reset(code)
            raise self._refused(code, said, "the recipient")
        code, said = self.smtp.data(mail.raw)
        if code != 250:
            self._reset(code)
            raise self._refused(code, said, "the message")
        return server_answer(code, said)

    def _refused(self, code: int, said: bytes, what: str) -> DeliveryError:
        answer = server_answer(code, said)
        if code == _CLOSING:
            return MailServerUnreachable(f"{self.access.host} closes the connection: {answer}", GOES_ON)
        permanent = code >= 500
        sentence = f"{self.access.host} refused {what}{'' if permanent else ' for now'}: {answer}"
        return RecipientRefused(sentence, "" if permanent else GOES_ON, permanent=permanent)

    def _reset(self, code: int) -> None:
        if code != _CLOSING:
            with contextlib.suppress(smtplib.SMTPException, OSError):
                self.smtp.rset()


@contextmanager
def open_mail(access: MailAccess, policy: OutboundPolicy) -> Iterator[MailSender]:
    """Connect, encrypt and sign in; the connection is closed afterwards. Raises DeliveryError."""
    smtp = _opened(access, policy)
    try:
        yield MailSender(access, smtp)
    finally:
        with contextlib.suppress(smtplib.SMTPException, OSError), Deadline(1.0) as deadline:
            if smtp.sock is not None:
                deadline.watch(smtp.sock)
            smtp.quit()
        smtp.close()


def _opened(access: MailAccess, policy: OutboundPolicy) -> smtplib.SMTP:
    with _translated(access, Deadline(OPEN_SECONDS)) as deadline:
        smtp = _Connection(access, policy, deadline)
        try:
            smtp.ehlo_or_helo_if_needed()
            if access.security == STARTTLS:
                smtp.starttls(context=trusting_context(access.certificate or None))
                smtp.ehlo_or_helo_if_needed()
            if access.username:
                smtp.login(access.username, access.password)
        except BaseException:
            smtp.close()
            raise
        return smtp


@contextmanager
def _translated(access: MailAccess, deadline: Deadline) -> Iterator[Deadline]:
    """Around what talks to the server: turn every failure into a DeliveryError."""
    try:
        with deadline:
            yield deadline
    except DeliveryError:
        raise
    except (smtplib.SMTPException, OSError, UemError, UnicodeError) as error:
        if deadline.expired:
            slow = TimedOut(f"{access.host} did not finish its answer within {deadline.seconds:.0f} seconds.")
            raise MailServerUnreachable(slow.sentence, slow.advice) from None
        raise meaning(error, access) from None
