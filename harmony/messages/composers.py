"""The composers of messages, one for each kind; delivery knows none of them."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy.orm import Session

from harmony.mail.envelope import Envelope
from harmony.messages.notices.composing import compose_notice
from harmony.messages.registration.composer import compose_registration
from harmony.messages.results import NotSent
from harmony.models import Message, MessageKind

# Called outside of any write(): `session` is for reading, and who stores something opens a write() itself.
# It is called again for the same message after a failure or a death.
_Composer = Callable[[Session, Message], Envelope | NotSent]

# One line for each MessageKind that waits in the outbox.
COMPOSERS: dict[str, _Composer] = {
    MessageKind.REGISTRATION: compose_registration,
    MessageKind.NOTICE: compose_notice,
    MessageKind.SUMMARY: compose_notice,
}


def compose(session: Session, message: Message) -> Envelope | NotSent:
    """Return what is to be sent, or why nothing is."""
    composer = COMPOSERS.get(message.kind)
    return composer(session, message) if composer else NotSent("Harmony does not write such messages.", True)
