"""Subscriptions to notices, and the messages that carry a notice to each of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from harmony.audit import audit
from harmony.db import write
from harmony.messages import outbox
from harmony.messages.notices.kinds import NoticeKind
from harmony.messages.outbox import NewMessage
from harmony.models import ChannelKind, MessageChannel, MessageKind, NoticeSubscription, User

_BY_HARMONY = "notices"


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice; `name` keeps it from being sent twice, and no personal data stands in it."""

    kind: NoticeKind
    name: str
    title: str
    text: str
    href: str = ""


def announce(session: Session, notice: Notice, now: datetime) -> int:
    """Queue a notice for everybody who asked for its kind, inside the caller's `write()`; return how many."""
    subscriptions = session.scalars(select(NoticeSubscription)).all()
    wanted = [line for line in subscriptions if notice.kind in line.kinds]
    return outbox.queue(session, [each for line in wanted for each in _messages(line, notice)], now)


def subscription_of(session: Session, user_id: int) -> NoticeSubscription:
    """Return what a user asked for; nothing, for one who never did."""
    found = session.get(NoticeSubscription, user_id)
    return found or NoticeSubscription(user_id=user_id, address="", kinds=[], channel_ids=[])


def subscribe(user: User, address: str, kinds: list[str], channel_ids: list[int], now: datetime) -> None:
    """Store what a user asks for, in place of what was."""
    user_id, name = user.id, user.name
    with write() as session:
        row = session.merge(
            NoticeSubscription(user_id=user_id, address=address, kinds=kinds, channel_ids=channel_ids)
        )
        session.add(row)
        audit(session, name, "Edited notices", now, detail=", ".join(kinds) or "none")


def send_test(user: User, now: datetime) -> int:
    """Queue a notice that only says that notices arrive; return on how many ways."""
    user_id = user.id
    name = f"test:{now.isoformat()}"
    notice = Notice(NoticeKind.SUMMARY, name, "Notices arrive", "This is the test that was asked for.")
    with write() as session:
        line = subscription_of(session, user_id)
        return outbox.queue(session, list(_messages(line, notice)), now)


def chat_channels(session: Session) -> list[MessageChannel]:
    """Return the chat rooms that notices can go to."""
    rooms = select(MessageChannel).where(MessageChannel.kind == ChannelKind.CHAT)
    return list(session.scalars(rooms.order_by(MessageChannel.name)))


def _messages(line: NoticeSubscription, notice: Notice) -> Iterator[NewMessage]:
    ways = [(ChannelKind.EMAIL, None)] if line.address else []
    ways_of_chat = [(ChannelKind.CHAT, channel_id) for channel_id in line.channel_ids]
    for channel, channel_id in (*ways, *ways_of_chat):
        yield NewMessage(
            kind=MessageKind.SUMMARY if notice.kind is NoticeKind.SUMMARY else MessageKind.NOTICE,
            channel=channel,
            channel_id=channel_id,
            # A room that several users chose hears it once.
            key=f"notice:{notice.name}:{f'room {channel_id}' if channel_id else line.user_id}"[-128:],
            created_by=_BY_HARMONY,
            user_id=None if channel_id else line.user_id,
            details={"title": notice.title, "text": notice.text, "href": notice.href},
        )
