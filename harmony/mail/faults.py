"""The failures of a mail server, each with a next step, and the record of its address."""

from __future__ import annotations

import smtplib
import ssl
from dataclasses import dataclass, field

from harmony.mail.envelope import DeliveryError
from harmony.mail.text import server_answer
from harmony.uem.errors import CertificateUntrusted, UemError
from harmony.uem.trust.address import Address
from harmony.uem.trust.tls import handshake_error

STARTTLS, TLS, NONE = "starttls", "tls", "none"
GOES_ON = "It is tried again by itself."
CORRECT_IT = "Correct the mail server on the Messages page."
_BESIDE_THE_SERVER = "Upload the certificate of its authority beside the mail server on the Messages page."


@dataclass(frozen=True, slots=True)
class MailAccess:
    """The address of the mail server and its sign-in; `certificate` is PEM, "" for the public store."""

    host: str
    port: int
    security: str
    sender: str
    sender_name: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    certificate: str = field(default="", repr=False)


class MailServerUnreachable(DeliveryError):
    """No connection, no trusted encryption, or it ended too early."""


class MailSignInRefused(DeliveryError):
    """The server refused the user name or the password."""


class SenderRefused(DeliveryError):
    """The server does not take mail from this sender."""


class MailServerUnfit(DeliveryError):
    """The server does not offer what the settings ask for, or answers something unexpected."""


def meaning(error: Exception, access: MailAccess) -> DeliveryError:
    """Return the typed error for whatever a call to the mail server raised."""
    if isinstance(error, UemError):
        return MailServerUnreachable(error.sentence, error.advice)
    if isinstance(error, ssl.SSLError):
        return _of_tls(error, access)
    if isinstance(error, UnicodeError):
        return MailSignInRefused("The user name or password has letters that SMTP cannot carry.", CORRECT_IT)
    if isinstance(error, smtplib.SMTPException):
        return _of_smtp(error, access.host)
    return MailServerUnreachable(f"The connection to {access.host}:{access.port} broke.", GOES_ON)


def _of_smtp(error: smtplib.SMTPException, host: str) -> DeliveryError:
    if isinstance(error, smtplib.SMTPNotSupportedError):
        missing = "STARTTLS" if "STARTTLS" in str(error) else "signing in"
        return MailServerUnfit(f"{host} does not offer {missing}.", "Choose another encryption or port.")
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return MailServerUnreachable(f"{host} closed the connection.", GOES_ON)
    if not isinstance(error, smtplib.SMTPResponseException):
        return MailServerUnfit(f"{host} does not speak SMTP as it should.", "Check the port.")
    answer = server_answer(error.smtp_code, error.smtp_error)
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return MailSignInRefused(f"{host} refused the user name or the password: {answer}", CORRECT_IT)
    return MailServerUnfit(f"{host} refused to go on: {answer}", GOES_ON)


def _of_tls(error: ssl.SSLError, access: MailAccess) -> DeliveryError:
    address = Address("https", access.host, access.port, "")
    found = handshake_error(error, address, access.certificate or None, None)
    advice = _BESIDE_THE_SERVER if isinstance(found, CertificateUntrusted) else found.advice
    return MailServerUnreachable(found.sentence, advice)
