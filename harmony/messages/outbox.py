"""The outbox: put messages into it, cancel them, send them again, mostly inside the caller's `write()`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, CursorResult, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from harmony.db import changed, db, is_sqlite, table_of, write
from harmony.jobs import lease
from harmony.jobs.kinds import JobKind
from harmony.models import ChannelKind, Job, Message, MessageKind, MessageState

# What stands between the key of a message and that of one sent again.
_AGAIN = "#"
_WAITING = (MessageState.QUEUED, MessageState.SENDING)
_ENDED = (MessageState.SENT, MessageState.FAILED, MessageState.CANCELLED)


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message to be sent. `key` has no second one (`once` makes it); `details` have no personal data.

    `channel_id` is None for mail, `integration_id` None for what belongs to no integration, such as notices.
    """

    kind: MessageKind
    channel: ChannelKind
    key: str
    created_by: str
    integration_id: int | None = None
    device_id: int | None = None
    user_id: int | None = None
    channel_id: int | None = None
    language: str = "en"
    details: dict[str, Any] = field(default_factory=dict)


def once(kind: MessageKind, channel: ChannelKind, device_id: int, more: str = "") -> str:
    """Return the key of the only message of this kind that a device gets on a channel.

    >>> once(MessageKind.REGISTRATION, ChannelKind.EMAIL, 7)
    'registration:email:7'
    """
    return ":".join(filter(None, (kind, channel, str(device_id), more)))


def queue(session: Session, messages: NewMessage | Sequence[NewMessage], now: datetime) -> int:
    """Put messages into the outbox, except those whose key is there already. Return how many are new.

    The caller enqueues nothing: the jobs of their integrations are due with the same commit.
    """
    rows = [_row(message, now) for message in _listed(messages)]
    if not rows:
        return 0
    statement = (sqlite if is_sqlite() else postgresql).insert(table_of(Message)).on_conflict_do_nothing()
    result = session.execute(statement, rows, execution_options={"preserve_rowcount": True})
    for integration_id in {row["integration_id"] for row in rows} - {None}:
        lease.make_due(session, integration_id, JobKind.MESSAGES, now)
    return cast("CursorResult[Any]", result).rowcount


def cancel(session: Session, *chosen: ColumnElement[bool], why: str, now: datetime) -> int:
    """Cancel the chosen messages that have not left; one that is leaving right now cannot be called back."""
    waiting = update(Message).where(Message.state == MessageState.QUEUED, *chosen)
    return changed(session, waiting.values(state=MessageState.CANCELLED, next_at=now, answer=why))


def retry(session: Session, message_ids: Collection[int], now: datetime) -> int:
    """Try messages that failed or were cancelled once more, and waiting ones at once."""
    open_states = (MessageState.FAILED, MessageState.CANCELLED, MessageState.QUEUED)
    chosen = update(Message).where(Message.id.in_(message_ids), Message.state.in_(open_states))
    count = changed(session, chosen.values(state=MessageState.QUEUED, attempts=0, next_at=now))
    _make_due(session, Message.id.in_(message_ids), now=now)
    return count


def resend(session: Session, message: Message, by: str, now: datetime) -> int:
    """Queue a message once more that has ended. Return 0 if that was done already, or it has not ended."""
    if message.state not in _ENDED:
        return 0
    base = message.key.partition(_AGAIN)[0]
    again = NewMessage(
        MessageKind(message.kind), ChannelKind(message.channel), f"{base}{_AGAIN}{message.id}", by,
        message.integration_id, message.device_id, message.user_id, message.channel_id,
        message.language, dict(message.details),
    )  # fmt: skip
    return queue(session, again, now)


def wake(session: Session, *chosen: ColumnElement[bool], now: datetime) -> None:
    """Make the chosen messages that wait due at once: what kept them may be mended."""
    waiting = (Message.state == MessageState.QUEUED, *chosen)
    session.execute(update(Message).where(*waiting).values(next_at=now))
    _make_due(session, *waiting, now=now)


def plan_forgotten(now: datetime) -> None:
    """Plan the delivery of integrations whose messages are due while nothing plans it."""
    due = select(Message.integration_id).where(Message.state.in_(_WAITING), Message.next_at <= now)
    planned = select(Job.integration_id).where(
        Job.kind == JobKind.MESSAGES, Job.next_at.is_not(None) | Job.lease_until.is_not(None)
    )
    ids = due.where(Message.integration_id.is_not(None), Message.integration_id.not_in(planned)).distinct()
    for integration_id in db.session.scalars(ids).all():
        with write() as session:
            lease.make_due(session, cast(int, integration_id), JobKind.MESSAGES, now)


def _make_due(session: Session, *chosen: ColumnElement[bool], now: datetime) -> None:
    of_integrations = select(Message.integration_id).where(*chosen).distinct()
    for integration_id in session.scalars(of_integrations):
        if integration_id is not None:
            lease.make_due(session, integration_id, JobKind.MESSAGES, now, is_mended=True)


def _listed(messages: NewMessage | Sequence[NewMessage]) -> Sequence[NewMessage]:
    return [messages] if isinstance(messages, NewMessage) else messages


def _row(message: NewMessage, now: datetime) -> dict[str, Any]:
    """Return the row; a value for each column, because the defaults are those of the ORM."""
    started = {"state": MessageState.QUEUED, "attempts": 0, "answer": ""}
    return {**asdict(message), **started, "next_at": now, "created_at": now}
