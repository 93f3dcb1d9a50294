"""Caution mode: after a restore no tag is written, no device deleted and no message sent until confirmed.

The restored database knows less than the UEM, the devices and the people who got messages. Syncs and
check-ins go on, so that it learns what it missed.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, delete, exists, or_, select, update
from sqlalchemy.orm import Session

from harmony.audit import audit
from harmony.db import changed, db, write
from harmony.jobs.kinds import resting_in_caution
from harmony.models import Caution, Installation, Job, Message, MessageState

# For pages and refusals.
SENTENCE = "The database was restored: no tags are written, no devices are deleted and no messages are sent."

MAY_HAVE_BEEN_SENT = "It may have been sent after the backup was made from which the database was restored."
WAITING = (MessageState.QUEUED, MessageState.SENDING)


def is_off() -> ColumnElement[bool]:
    """Return the condition under which such work may be claimed."""
    return ~exists(select(Caution.id))


def lets_run() -> ColumnElement[bool]:
    """Return the condition under which a job may be claimed and go on."""
    return or_(Job.kind.not_in(resting_in_caution()), is_off())


def since() -> datetime | None:
    """Return when the restore was that nobody has confirmed; None: there is no caution."""
    return db.session.scalar(select(Caution.since).order_by(Caution.id).limit(1))


def begin(session: Session, now: datetime, after: int = 0) -> None:
    """Begin the caution, inside the caller's `write()`; one that has begun goes on.

    Either way the database gets a timeline of its own, higher than `after`, the highest this machine knows.
    """
    if session.scalar(select(Caution.id)) is None:
        cancel_messages(session)
        session.add(Caution(id=1, since=now))
    installation = session.get(Installation, 1)
    if installation is not None:
        # By the clock, so that two copies of a database never begin the same one.
        installation.timeline = max(int(now.timestamp()), installation.timeline + 1, after + 1)


def cancel_messages(session: Session) -> None:
    """Cancel what waits to be sent: a backup does not know which of it was sent after it was made."""
    waiting = update(Message).where(Message.state.in_(WAITING))
    session.execute(waiting.values(state=MessageState.CANCELLED, answer=MAY_HAVE_BEEN_SENT))


def end(by: str, now: datetime) -> bool:
    """Let everything go on. Return False when there was no caution."""
    with write() as session:
        ended = changed(session, delete(Caution)) > 0
        if ended:
            audit(session, by, "Ended the caution mode", now)
    return ended
