"""Events a day; days that have ended are counted once an hour, because nothing is added to them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from sqlalchemy import func, select

from harmony.db import db
from harmony.models import Event
from harmony.web.shared.hidden import hidden_ids, shown
from harmony.web.shared.scope import device_in_scope

# A write that began before midnight may end after it.
_ENDED_AFTER = timedelta(hours=1)
# Events go with their device, so that a day that has ended may lose some.
_COUNTED_AGAIN_AFTER = timedelta(hours=1)


class EventDay(NamedTuple):
    """A day in UTC with its events; `last_id` is the newest of them, 0 if there is none."""

    day: date
    events: int
    last_id: int = 0


class EndedDays(NamedTuple):
    """The days that have ended, as they were counted from `since` on; never changed, only replaced."""

    since: datetime
    days: Mapping[date, EventDay]
    hidden: tuple[int, ...] = ()


def events_by_day(
    days: int, now: datetime, counted: EndedDays | None = None
) -> tuple[list[EventDay], EndedDays]:
    """Return the last `days` days, oldest first, and what the next call need not count again."""
    is_fresh = counted is not None and now - _COUNTED_AGAIN_AFTER < counted.since <= now
    is_same = counted is not None and counted.hidden == hidden_ids()
    ended = counted if counted is not None and is_fresh and is_same else EndedDays(now, {}, hidden_ids())
    wanted = [now.date() - timedelta(days=ago) for ago in reversed(range(days))]
    missing = next((day for day in wanted if day not in ended.days), wanted[-1])
    before = max((line.last_id for day, line in ended.days.items() if day < missing), default=0)
    found = _counted(missing, before)
    lines = [ended.days[day] if day < missing else found.get(day, EventDay(day, 0)) for day in wanted]
    closed = (now - _ENDED_AFTER).date()
    days_over = {line.day: line for line in lines if line.day < closed}
    return lines, EndedDays(ended.since, days_over, ended.hidden)


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
