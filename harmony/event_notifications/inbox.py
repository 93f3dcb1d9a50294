"""Stores what a UEM announced before it is answered, and plans the run that reads the devices."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from harmony.db import write
from harmony.event_notifications.wire import Announcement
from harmony.models import EventListener, UemEvent
from harmony.sync.event_plan import GATHER
from harmony.sync.named_devices import plan_next
from harmony.uem.text import clean

# More than this is never read one by one. What is named beyond it is read by a full sync.
MOST_WAITING = 5000


class Arrival(Enum):
    """The fate of an event; WAKE: it is stored, and the worker is to be woken for it."""

    STORED = "stored"
    WAKE = "wake"
    REPEATED = "repeated"
    UNKNOWN = "unknown"
    OVERFLOWED = "overflowed"


def store(integration_id: int, event: Announcement, now: datetime) -> Arrival:
    """Store one event, or count why not. It is on disk when this returns."""
    try:
        with write() as session:
            return _store(session, session.get_one(EventListener, integration_id), event, now)
    except IntegrityError:  # the same event at the same time, on PostgreSQL
        return Arrival.REPEATED


def count_test(integration_id: int, now: datetime) -> None:
    """Note that somebody pressed Test Connection in the UEM."""
    _set(integration_id, tested_at=now)


def count_refused(integration_id: int, now: datetime) -> None:
    """Count a request with a wrong user or password."""
    _set(integration_id, refused=EventListener.refused + 1, refused_at=now)


def count_unreadable(integration_id: int) -> None:
    """Count a body that was no event."""
    _set(integration_id, unreadable=EventListener.unreadable + 1)


def _set(integration_id: int, **values: object) -> None:
    with write() as session:
        listener = update(EventListener).where(EventListener.integration_id == integration_id)
        session.execute(listener.values(values))


def _store(session: Session, listener: EventListener, event: Announcement, now: datetime) -> Arrival:
    listener.received_at, listener.missed, listener.missed_at = now, 0, None
    if event.kind is None:
        listener.unknown, listener.last_unknown = listener.unknown + 1, clean(event.type, 64)
        return Arrival.UNKNOWN
    digest, own = event.digest(now), UemEvent.integration_id == listener.integration_id
    if session.scalar(select(UemEvent.id).where(own, UemEvent.digest == digest)) is not None:
        listener.repeated += 1
        return Arrival.REPEATED
    listener.accepted += 1
    if _is_full(session, listener.integration_id):
        listener.overflowed = True
        return Arrival.OVERFLOWED
    row = UemEvent(integration_id=listener.integration_id, external_id=event.external_id, digest=digest)
    row.kind, row.happened_at = event.kind.value, event.happened_at
    row.received_at, row.due_at = now, now + GATHER
    session.add(row)
    session.flush()
    return Arrival.WAKE if plan_next(session, listener.integration_id) else Arrival.STORED


def _is_full(session: Session, integration_id: int) -> bool:
    waiting = (UemEvent.integration_id == integration_id, UemEvent.due_at.is_not(None))
    return session.scalar(select(UemEvent.id).where(*waiting).offset(MOST_WAITING - 1).limit(1)) is not None
