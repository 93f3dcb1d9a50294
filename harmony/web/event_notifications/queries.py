"""The rows behind the page of event notifications: events by kind, and the newest ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, case, func, select

from harmony.db import db
from harmony.event_notifications.wire import EventKind
from harmony.models import Device, UemEvent

_NEWEST = 20


@dataclass(frozen=True, slots=True)
class KindCount:
    """The events of a kind: of the last day, and of all days that events are kept."""

    kind: EventKind
    day: int
    kept: int


def by_kind(integration_id: int, now: datetime) -> list[KindCount]:
    """Count the events of each kind that was received, in the order of the kinds."""
    lately = func.sum(case((UemEvent.received_at > now - timedelta(days=1), 1), else_=0))
    counts = select(UemEvent.kind, lately, func.count()).where(UemEvent.integration_id == integration_id)
    found = {kind: (day, kept) for kind, day, kept in db.session.execute(counts.group_by(UemEvent.kind))}
    return [KindCount(kind, *found[kind.value]) for kind in EventKind if kind.value in found]


def newest(integration_id: int) -> Sequence[Any]:
    """Return the newest events, each with our device of the id that it named."""
    same = and_(Device.integration_id == integration_id, Device.external_id == UemEvent.external_id)
    columns = (
        UemEvent.received_at, UemEvent.happened_at, UemEvent.kind, UemEvent.external_id, UemEvent.due_at,
        UemEvent.checks, Device.id.label("device_id"), Device.name,
    )  # fmt: skip
    rows = select(*columns).outerjoin(Device, same).where(UemEvent.integration_id == integration_id)
    order = (UemEvent.received_at.desc(), UemEvent.id.desc())
    return db.session.execute(rows.order_by(*order).limit(_NEWEST)).all()


def waiting(integration_id: int) -> int:
    """Count the devices that are still to be read because of an event, now or once more later."""
    rows = (UemEvent.integration_id == integration_id, UemEvent.due_at.is_not(None))
    return db.session.scalar(select(func.count(UemEvent.external_id.distinct())).where(*rows)) or 0
