"""The composers of messages, one for each kind, and that of notices; delivery knows none of them."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy.orm import Session

from harmony.config import current_settings
from harmony.mail.envelope import Envelope
from harmony.messages.registration.composer import compose_registration
from harmony.messages.results import NotSent
from harmony.models import ChannelKind, Message, MessageKind, NoticeSubscription

# Called outside of any write(): `session` is for reading, and who stores something opens a write() itself.
# It is called again for the same message after a failure or a death.
_Composer = Callable[[Session, Message], Envelope | NotSent]

_NOT_WANTED = NotSent("Nobody asks for this notice any more.")


def _compose_notice(session: Session, message: Message) -> Envelope | NotSent:
    """Return the envelope for the address that stands in the subscription now."""
    line = session.get(NoticeSubscription, message.user_id) if message.user_id else None
    recipient = line.address if line else ""
    if message.channel == ChannelKind.EMAIL and not recipient:
        return _NOT_WANTED
    said = message.details
    return Envelope(recipient, f"{said['text']}\n\n{_where(said['href'])}\n", f"Harmony: {said['title']}")


def _where(href: str) -> str:
    """Say where to look; without HARMONY_PUBLIC_URL the path alone."""
    address = current_settings().public_url
    place = f"{address}{href or '/'}" if address else f"the page {href or '/'} of the dashboard"
    return f"See {place}"


# One line for each MessageKind that waits in the outbox.
COMPOSERS: dict[str, _Composer] = {
    MessageKind.REGISTRATION: compose_registration,
    MessageKind.NOTICE: _compose_notice,
    MessageKind.SUMMARY: _compose_notice,
}


def compose(session: Session, message: Message) -> Envelope | NotSent:
    """Return what is to be sent, or why nothing is."""
    composer = COMPOSERS.get(message.kind)
    return composer(session, message) if composer else NotSent("Harmony does not write such messages.", True)
