"""Notices when events have stopped: full syncs find changes that none announced."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from harmony.jobs import runs
from harmony.jobs.kinds import JobKind
from harmony.jobs.outcome import GOOD
from harmony.jobs.tally import Tally
from harmony.models import EventListener, JobRun, UemEvent

# So many devices that changed unannounced since the last event are no accident: rules exist for few changes.
_MISSED_BEFORE_WARNING = 5


def note(session: Session, run: JobRun, tally: Tally, now: datetime) -> None:
    """Count the devices that a full sync found changed and no event named, inside the caller's `write()`.

    Only what changed while events could arrive counts: since a full sync that began after they were on.
    """
    listener = session.get(EventListener, run.integration_id)
    before = _began_before(session, run)
    if listener is None or not listener.is_on or before is None or before < listener.since:
        return
    named = select(func.count(UemEvent.external_id.distinct())).where(
        UemEvent.integration_id == run.integration_id, UemEvent.received_at >= before
    )
    missed = tally.added + tally.updated + tally.missing - (session.scalar(named) or 0)
    if missed > 0:
        listener.missed, listener.missed_at = listener.missed + missed, now


def have_stopped(listener: EventListener) -> bool:
    """Tell whether enough changed unannounced that events seem to arrive no more."""
    return listener.is_on and listener.missed >= _MISSED_BEFORE_WARNING


def _began_before(session: Session, run: JobRun) -> datetime | None:
    """Return when the full sync before this one began; what changed since then is what this one found."""
    before = (runs.FULL_SYNC, JobRun.id < run.id, JobRun.state.in_(GOOD))
    newest = runs.newest(session, run.integration_id, JobKind.DEVICES, *before)
    return newest.started_at if newest else None
