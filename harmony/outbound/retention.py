"""Forgets lines of the feed: those that have left everywhere, and, later and never in silence, the others."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from harmony.audit import SCHEDULE, audit
from harmony.db import changed, write
from harmony.models import Destination, FeedRow
from harmony.outbound.loading import selection_of, waiting_condition
from harmony.outbound.schedule import UNSENT_KEPT_TIMES

log = logging.getLogger(__name__)

BATCH = 1000
_REPORTED_FOR = timedelta(days=1)


def forget_lines(now: datetime, kept_days: int, should_stop: Callable[[], bool]) -> int:
    """Remove the lines that are too old. Return how many.

    A line that some destination has not sent stays twice as long. Then it is removed, counted in each of
    those destinations and written to the audit log.
    """
    total, count = 0, BATCH
    sent, unsent = timedelta(days=kept_days), timedelta(days=kept_days * UNSENT_KEPT_TIMES)
    while count == BATCH and not should_stop():
        with write() as session:
            rows = session.execute(select(FeedRow.id, FeedRow.at).order_by(FeedRow.id).limit(BATCH)).all()
            first_cursor = session.scalar(select(func.min(Destination.cursor)))
            doomed = [
                row.id
                for row in rows
                if row.at < (now - sent if first_cursor is None or row.id <= first_cursor else now - unsent)
            ]
            _count_lost(session, doomed, now)
            count = changed(session, delete(FeedRow).where(FeedRow.id.in_(doomed))) if doomed else 0
        total += count
    return total


def _count_lost(session: Session, doomed: Sequence[int], now: datetime) -> None:
    if not doomed:
        return
    last = doomed[-1]
    for row in session.scalars(select(Destination).where(Destination.cursor < last)).all():
        waiting = waiting_condition(selection_of(row), row.cursor)
        lost = (
            session.scalar(select(func.count()).select_from(FeedRow).where(waiting, FeedRow.id <= last)) or 0
        )
        if lost:
            _report(session, row, now)
        row.cursor, row.lost = last, row.lost + lost


def _report(session: Session, row: Destination, now: datetime) -> None:
    """Write to the audit log, once a day, that unsent records are being removed."""
    if row.lost_at is None or now - row.lost_at > _REPORTED_FOR:
        audit(session, SCHEDULE, "Removed unsent records", now, detail=f"{row.name}: too old, never sent")
        log.warning("Destination %d: records are removed before they have been sent.", row.id)
        row.lost_at = now
