"""Claims of messages, and how they end: conditional updates, each in a `write()` of its own.

`next_at` of a message that is leaving is when its claim ends; of one that has ended, when it did.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, and_, case, func, or_, select, update
from sqlalchemy.orm import Session

from harmony.db import changed, db, write
from harmony.jobs import caution
from harmony.messages.channel import PER_HOUR, Way
from harmony.messages.schedule import BREAK, HOUR, LEASE, WAITS, allowance
from harmony.models import ChannelKind, Message, MessageState

_WAITING = (MessageState.QUEUED, MessageState.SENDING)
# A time that is further ahead was written while the clock was ahead.
_LONGEST_AHEAD = max(WAITS) + timedelta(minutes=5)
_LONGEST_ANSWER = 512


def ways_due(integration_id: int | None, now: datetime) -> Sequence[Way]:
    """Return the channels that messages of an integration, or of none, are due on."""
    rows = (
        select(Message.channel, Message.channel_id)
        .where(_of(integration_id), _due(now), caution.is_off())
        .distinct()
    )
    found = db.session.execute(rows.order_by(Message.channel, Message.channel_id)).all()
    return [Way(ChannelKind(kind), channel_id) for kind, channel_id in found]


@dataclass(frozen=True, slots=True)
class MessageClaim:
    """The right to send a message until its lease ends, which tells it from every other claim of it."""

    message_id: int
    attempts: int
    until: datetime


def claim(way: Way, integration_id: int | None, now: datetime) -> MessageClaim | None:
    """Take the message that is due longest; None when none is, or the hour of the channel is full."""
    with write() as session:
        if not allowance(PER_HOUR[way.kind], session.scalar(_left_lately(way, now)) or 0):
            return None
        message_id = _first_due(session, way, integration_id, now)
        if message_id is None:
            return None
        taken = update(Message).where(Message.id == message_id).returning(Message.attempts)
        values = {"state": MessageState.SENDING, "attempts": Message.attempts + 1, "next_at": now + LEASE}
        attempts = session.execute(taken.values(values)).scalar_one()
        return MessageClaim(message_id, attempts, now + LEASE)


def end(claimed: MessageClaim, state: MessageState, answer: str, now: datetime) -> bool:
    """Record how a message that is leaving ended. Return False if another worker has taken it over."""
    values = {"state": state, "answer": answer[:_LONGEST_ANSWER], "next_at": now}
    if state == MessageState.SENT:
        values["sent_at"] = now
    with write() as session:
        return changed(session, update(Message).where(_is(claimed)).values(values)) == 1


def postpone(claimed: MessageClaim, answer: str, until: datetime) -> None:
    """Try a message that is leaving again at a later time."""
    values = {"state": MessageState.QUEUED, "answer": answer[:_LONGEST_ANSWER], "next_at": until}
    with write() as session:
        session.execute(update(Message).where(_is(claimed)).values(values))


def postpone_all(way: Way, answer: str, until: datetime, now: datetime) -> None:
    """Let everything that is due on a channel wait like the message that found it failing.

    Each counts as a try, so that a channel that stays broken ends in a day for all of them.
    """
    tries = Message.attempts + 1
    given_up = tries > len(WAITS)
    values = {
        "attempts": tries,
        "answer": answer[:_LONGEST_ANSWER],
        "state": case((given_up, MessageState.FAILED), else_=MessageState.QUEUED),
        "next_at": case((given_up, now), else_=until),
    }
    waiting = update(Message).where(Message.state == MessageState.QUEUED, _on(way), _due(now))
    with write() as session:
        session.execute(waiting.values(values))


def next_due(integration_id: int, now: datetime, *, is_cut: bool = False) -> datetime | None:
    """Return when the delivery of an integration goes on; None when nothing waits.

    `is_cut`: it ended because its time was over, not because nothing more could be sent.
    """
    soonest = select(func.min(Message.next_at)).where(_of(integration_id), Message.state.in_(_WAITING))
    at = db.session.scalar(soonest)
    if at is None or at > now:
        return at
    # What is due and was not taken waits for the hour of its channel.
    return now + (BREAK if is_cut else WAITS[0])


def _first_due(session: Session, way: Way, integration_id: int | None, now: datetime) -> int | None:
    """Find one by walking the index of one state in its order: sorting ten thousand would hold the lock."""
    ahead = now + _LONGEST_AHEAD
    for state in (MessageState.SENDING, MessageState.QUEUED):
        for time_has_come in (Message.next_at <= now, Message.next_at > ahead):
            first = select(Message.id).where(
                Message.state == state, time_has_come, _of(integration_id), _on(way)
            )
            found = session.scalar(first.order_by(Message.next_at).limit(1))
            if found is not None:
                return found
    return None


def _due(now: datetime) -> ColumnElement[bool]:
    time_has_come = or_(Message.next_at <= now, Message.next_at > now + _LONGEST_AHEAD)
    return and_(Message.state.in_(_WAITING), time_has_come)


def _of(integration_id: int | None) -> ColumnElement[bool]:
    return Message.integration_id.is_not_distinct_from(integration_id)


def _on(way: Way) -> ColumnElement[bool]:
    return and_(Message.channel == way.kind, Message.channel_id.is_not_distinct_from(way.channel_id))


def _is(claimed: MessageClaim) -> ColumnElement[bool]:
    leased = (Message.state == MessageState.SENDING, Message.next_at == claimed.until)
    return and_(Message.id == claimed.message_id, *leased)


def _left_lately(way: Way, now: datetime) -> Select[int]:
    leaving = and_(Message.state == MessageState.SENDING, Message.next_at > now)
    left = and_(Message.state == MessageState.SENT, Message.next_at > now - HOUR, Message.next_at <= now)
    return select(func.count()).select_from(Message).where(or_(leaving, left), _on(way))
