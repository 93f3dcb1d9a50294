"""Events a day; what was counted before is kept for an hour, and only newer events are added to it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from sqlalchemy import func, select

from harmony.db import db
from harmony.models import Event
from harmony.web.shared.hidden import hidden_ids, shown
from harmony.web.shared.scope import device_in_scope

# Events go with their device, so that a day may lose some, and SQLite may give the newest id out again.
_COUNTED_AGAIN_AFTER = timedelta(hours=1)


class EventDay(NamedTuple):
    """A day in UTC with its events; `last_id` is the newest of them, 0 if there is none."""

    day: date
    events: int
    last_id: int = 0


class CountedDays(NamedTuple):
    """The days as they were counted from `since` on; never changed, only replaced."""

    since: datetime
    days: Mapping[date, EventDay]
    hidden: tuple[int, ...] = ()

    @property
    def last_id(self) -> int:
        """The newest event that was counted. Events become visible in the order of their ids."""
        return max((line.last_id for line in self.days.values()), default=0)


def events_by_day(
    days: int, now: datetime, counted: CountedDays | None = None
) -> tuple[list[EventDay], CountedDays]:
    """Return the last `days` days, oldest first, and what the next call need not count again."""
    wanted = [now.date() - timedelta(days=ago) for ago in reversed(range(days))]
    before = counted if counted is not None and _holds(counted, wanted[0], now) else None
    before = before or CountedDays(now, {}, hidden_ids())
    found = _counted(wanted[0], before.last_id)
    lines = [_sum(day, before.days.get(day), found.get(day)) for day in wanted]
    return lines, CountedDays(before.since, {line.day: line for line in lines}, before.hidden)


def _holds(counted: CountedDays, first: date, now: datetime) -> bool:
    """Tell whether nothing but newer events is missing."""
    is_fresh = now - _COUNTED_AGAIN_AFTER < counted.since <= now
    return is_fresh and first >= min(counted.days, default=first) and counted.hidden == hidden_ids()


def _sum(day: date, before: EventDay | None, newer: EventDay | None) -> EventDay:
    events = (before.events if before else 0) + (newer.events if newer else 0)
    last_id = max(before.last_id if before else 0, newer.last_id if newer else 0)
    return EventDay(day, events, last_id)


def _counted(since: date, after_id: int) -> dict[date, EventDay]:
    start = datetime.combine(since, time(), UTC)
    of_day = func.date(Event.at)
    rows = (
        select(of_day, func.count(), func.max(Event.id))
        .where(Event.id > after_id, Event.at >= start, *shown(Event.integration_id))
        .where(*device_in_scope(Event.device_id))
        .group_by(of_day)
    )
    lines = [EventDay(date.fromisoformat(str(day)), *more) for day, *more in db.session.execute(rows)]
    return {line.day: line for line in lines}
