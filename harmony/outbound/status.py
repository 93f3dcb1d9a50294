"""The condition of destinations: backlog, the oldest line that waits, and why; for pages and metrics."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from harmony.models import Destination, DestinationState, FeedRow
from harmony.outbound.loading import MOST_COUNTED, selection_of, waiting_condition


@dataclass(frozen=True, slots=True)
class DestinationStatus:
    """A destination and what waits for it; more than `MOST_COUNTED` are counted as one more."""

    row: Destination
    backlog: int
    oldest_at: datetime | None

    @property
    def condition(self) -> str:
        """The word of its state: active, failing, paused or stopped."""
        failing = self.row.state == DestinationState.ACTIVE and self.row.failures > 0
        return "failing" if failing else self.row.state

    @property
    def backlog_text(self) -> str:
        """The backlog as a page shows it."""
        return f"{self.backlog:,}" if self.backlog <= MOST_COUNTED else f"more than {MOST_COUNTED:,}"


def statuses(session: Session) -> Iterator[DestinationStatus]:
    """Yield every destination by name with its backlog."""
    for row in session.scalars(select(Destination).order_by(Destination.name, Destination.id)).all():
        yield status_of(session, row)


def status_of(session: Session, row: Destination) -> DestinationStatus:
    """Return the condition of one destination."""
    waiting = waiting_condition(selection_of(row), row.cursor)
    some = select(FeedRow.id).where(waiting).limit(MOST_COUNTED + 1).subquery()
    backlog = session.scalar(select(func.count()).select_from(some)) or 0
    oldest = select(FeedRow.at).where(waiting).order_by(FeedRow.id).limit(1)
    return DestinationStatus(row, backlog, session.scalar(oldest) if backlog else None)
