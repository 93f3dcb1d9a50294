"""PURE: a mail as the bytes that go over the wire; nothing in it can add a header or a recipient."""

from __future__ import annotations

import re
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage, MIMEPart
from email.policy import SMTP
from email.utils import format_datetime

from harmony.mail.envelope import Envelope

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[^\s@<>\[\]\"(),:;\\]{1,253}")
_MAIL_ADDRESS_IN_TEXT = re.compile(r"[^\s<>\"(),:;]+@[^\s<>\"(),:;]+")
_LONGEST_ANSWER = 300


def ascii_address(typed: str) -> str | None:
    """Return a mail address as a server takes it; None for what is none.

    >>> ascii_address("kim@bücher.example"), ascii_address("kim@example.com, lee@example.com")
    ('kim@xn--bcher-kva.example', None)
    """
    if not _ADDRESS.fullmatch(typed):
        return None
    local, _, domain = typed.partition("@")
    try:
        return f"{local}@{domain.encode('idna').decode()}"
    except UnicodeError:
        return None


def _one_line(text: str) -> str:
    """Return the text with a blank for every line break and control character.

    >>> _one_line("Hello" + chr(13) + chr(10) + "Bcc: everybody@example.com")
    'Hello  Bcc: everybody@example.com'
    """
    return "".join(character if character.isprintable() else " " for character in text).strip()


def server_answer(code: int, text: bytes | str) -> str:
    """Return what a server said, without mail addresses: it is stored and shown.

    >>> server_answer(550, b"5.1.1 <kim@example.com>: no such mailbox")
    '550 5.1.1 <(address)>: no such mailbox'
    """
    said = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return _MAIL_ADDRESS_IN_TEXT.sub("(address)", _one_line(f"{code} {said}"))[:_LONGEST_ANSWER]


def mail_bytes(envelope: Envelope, sender: str, sender_name: str, reference: str, now: datetime) -> bytes:
    """Return the whole mail. Its Message-ID is made of `reference` alone, so that each try has the same."""
    mail = EmailMessage(policy=SMTP)
    mail["From"] = Address(_one_line(sender_name), addr_spec=sender)
    mail["To"] = Address(addr_spec=envelope.recipient)
    mail["Subject"] = _one_line(envelope.subject)
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = f"<{reference}@{sender.partition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(envelope.text)
    if envelope.html:
        _add_html(mail, envelope)
    return mail.as_bytes()


def _add_html(mail: EmailMessage, envelope: Envelope) -> None:
    mail.add_alternative(envelope.html, subtype="html")
    parts = mail.get_payload()
    page = parts[-1] if isinstance(parts, list) else None
    assert isinstance(page, MIMEPart)
    for image in envelope.images:
        page.add_related(image.content, "image", image.subtype, cid=f"<{image.name}>")
