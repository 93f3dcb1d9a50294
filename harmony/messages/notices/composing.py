"""Writes the mail or chat message of a notice from what was queued."""

from __future__ import annotations

from sqlalchemy.orm import Session

from harmony.config import current_settings
from harmony.mail.envelope import Envelope
from harmony.messages.results import NotSent
from harmony.models import ChannelKind, Message, NoticeSubscription

_NOT_WANTED = NotSent("Nobody asks for this notice any more.")


def compose_notice(session: Session, message: Message) -> Envelope | NotSent:
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
