"""Forget events that are over their time: whole months on PostgreSQL, else row by row."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from harmony.db import bulk, write
from harmony.models import event_partitions

log = logging.getLogger(__name__)

_OLDEST = "SELECT id, at FROM {} ORDER BY id LIMIT {}"
_DELETE = "DELETE FROM {} WHERE {}"


def make_months(now: datetime) -> None:
    """Make the months ahead, so that events never wait for theirs. Nothing to do on SQLite."""
    if names := _tried(lambda session: event_partitions.add_months(session.connection(), now)):
        log.info("Events are written to new partitions: %s.", ", ".join(names))


def drop_months(before: datetime) -> None:
    """Drop the months of which every event was written before then. Nothing to do on SQLite."""
    if names := _tried(lambda session: event_partitions.drop_before(session.connection(), before)):
        log.info("Retention: the events of %s are removed.", ", ".join(names))


def _tables(session: Session) -> list[str]:
    """Return the tables whose events are forgotten row by row; a month is dropped as a whole."""
    there = event_partitions.partitions(session.connection())
    return [name for name in (event_partitions.FORMER, event_partitions.REST) if name in there] or ["event"]


def forget_rows(before: datetime, batch: int, should_stop: Callable[[], bool]) -> int:
    """Remove the events that were written before then and lie in no month. How many.

    Events are written in the order of their ids, so that the first one that is young enough ends it.
    """
    with write() as session:
        names = _tables(session)
    return sum(_forget_in(name, before, batch, should_stop) for name in names)


def _forget_in(table: str, before: datetime, batch: int, should_stop: Callable[[], bool]) -> int:
    total, count = 0, batch
    while count == batch and not should_stop():
        with write() as session:
            oldest = bulk.fetch_all(session, _OLDEST.format(table, batch))
            ids = [id_ for id_, at in oldest if (time := bulk.decode_time(at)) is not None and time < before]
            sql = _DELETE.format(table, bulk.in_list("id"))
            count = bulk.execute(session, sql, (bulk.list_param(ids),))
        total += count
    return total


def _tried(act: Callable[[Session], list[str]]) -> list[str]:
    """Act in a write of its own. Whoever reads events for long is let finish; the next sweep tries again."""
    try:
        with write() as session:
            return act(session)
    except OperationalError:
        log.info("The partitions of events are in use; the next sweep tries again.")
        return []
