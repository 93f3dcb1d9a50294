"""The devices that events named: which are due, what becomes of them after a run, and which none named."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from harmony.audit import EVENTS
from harmony.config import current_settings
from harmony.db import db, release
from harmony.jobs import call_share, runs
from harmony.jobs.kinds import JobKind
from harmony.jobs.outcome import GOOD, Outcome
from harmony.jobs.quota import Share
from harmony.jobs.schedule import EVENTS_RETRY
from harmony.jobs.tally import Tally
from harmony.models import EventListener, Job, JobRun, SyncRunState, UemEvent
from harmony.sync.deletion import soft_delete
from harmony.sync.event_plan import (
    BETWEEN_FULL_SYNCS,
    EventAction,
    EventDecision,
    EventFacts,
    decide,
    next_check,
    rest,
)

# The kinds of event after which the UEM needs some minutes until all that it says of the device is true.
_LATE_KINDS = frozenset({"enrolled", "unenrolled", "wiped", "deleted"})

# So many devices that changed unannounced since the last event are no accident: rules exist for few changes.
_MISSED_BEFORE_WARNING = 5


@dataclass(frozen=True, slots=True)
class NamedDevices:
    """The events that are due, by their row ids, the devices that they name, and what is done about them."""

    event_ids: tuple[int, ...]
    external_ids: tuple[str, ...]
    decision: EventDecision

    @property
    def outcome(self) -> Outcome | None:
        """Return how the run ends where no device is read; None where they are."""
        count = len(self.external_ids)
        if self.decision.action is EventAction.FULL_SYNC:
            reason = f"Events named {count:,} devices. A full sync reads them instead, in fewer calls."
            return Outcome(SyncRunState.OK, reason)
        if self.decision.action is EventAction.WAIT:
            reason = f"Events named {count:,} devices. They wait: events may use no more calls for now."
            return Outcome(SyncRunState.OK, reason, "The next full sync reads them too.")
        return None


def load(integration_id: int, now: datetime) -> NamedDevices:
    """Return what is due, and the decision about it. Reads only."""
    due = (UemEvent.integration_id == integration_id, UemEvent.due_at <= now)
    rows = db.session.execute(select(UemEvent.id, UemEvent.external_id).where(*due)).all()
    named = tuple(dict.fromkeys(external_id for _, external_id in rows))
    listener = db.session.get(EventListener, integration_id)
    facts = EventFacts(
        len(named),
        soft_delete.live(integration_id),
        share(integration_id, now),
        listener is not None and listener.overflowed,
        _last_full_sync(integration_id),
    )
    release()
    return NamedDevices(tuple(id_ for id_, _ in rows), named, decide(facts, now))


def share(integration_id: int, now: datetime) -> Share:
    """Return what events have used of their share of the UEM's daily calls."""
    return call_share.of_events(integration_id, current_settings().uem_events_quota_percent, now)


def settle(
    session: Session, integration_id: int, named: NamedDevices, outcome: Outcome, now: datetime
) -> None:
    """Write what became of the events of a run, and plan the next one, inside the caller's `write()`."""
    listener = session.get(EventListener, integration_id)
    if outcome.good and named.decision.action is not EventAction.WAIT:
        _collect(session, named, now)
    is_decided = named.decision.action is EventAction.FULL_SYNC
    if outcome.good and (is_decided or (outcome.full_sync and _may_ask(integration_id, now))):
        _ask_for_full_sync(session, integration_id, now)
    if listener is not None:
        listener.overflowed &= named.decision.action is not EventAction.FULL_SYNC
        listener.rests_until = _rests_until(integration_id, named, outcome, now)
    session.flush()
    plan_next(session, integration_id)


def settle_read(session: Session, integration_id: int, started_at: datetime) -> None:
    """After a full sync that read everything: the events that were due before it began are done with."""
    due = (UemEvent.integration_id == integration_id, UemEvent.due_at < started_at)
    session.execute(update(UemEvent).where(*due).values(due_at=None))
    plan_next(session, integration_id)


def plan_next(session: Session, integration_id: int) -> bool:
    """Plan the next run for the events that wait; return True if it is due sooner than before.

    Inside the caller's `write()`. Derived from the table of events alone, so that it may be done at any time.
    """
    job = session.get_one(Job, (integration_id, JobKind.DEVICES))
    listener = session.get(EventListener, integration_id)
    waiting = select(func.min(UemEvent.due_at)).where(
        UemEvent.integration_id == integration_id, UemEvent.due_at.is_not(None)
    )
    due_at, before = session.scalar(waiting), job.events_at
    if due_at is not None and listener is not None and listener.rests_until is not None:
        due_at = max(due_at, listener.rests_until)
    job.events_at = due_at
    return due_at is not None and (before is None or due_at < before)


def _ask_for_full_sync(session: Session, integration_id: int, now: datetime) -> None:
    """Make the full sync due at once, unless a person asked for one or the last ones failed."""
    job = session.get_one(Job, (integration_id, JobKind.DEVICES))
    if job.requested_at is None and not job.failures:
        job.next_at, job.requested_at, job.requested_by = now, now, EVENTS


def _may_ask(integration_id: int, now: datetime) -> bool:
    """Tell whether the last full sync for events is long enough ago; else the regular one decides."""
    last = _last_full_sync(integration_id)
    return last is None or now >= last + BETWEEN_FULL_SYNCS


def _collect(session: Session, named: NamedDevices, now: datetime) -> None:
    """Note that the devices were read; those whose event the UEM takes time for are read again later."""
    is_read = named.decision.action is EventAction.READ
    for event in session.scalars(select(UemEvent).where(UemEvent.id.in_(named.event_ids))):
        event.checks += 1
        again = is_read and event.kind in _LATE_KINDS
        event.due_at = next_check(event.received_at, event.checks, again, now)


def _rests_until(
    integration_id: int, named: NamedDevices, outcome: Outcome, now: datetime
) -> datetime | None:
    if not outcome.good:
        return max(outcome.not_before or now, now + EVENTS_RETRY)
    if named.decision.action is EventAction.WAIT:
        return named.decision.until
    last = runs.newest(db.session(), integration_id, JobKind.DEVICES)
    return now + rest(last.calls if last else 0, share(integration_id, now))


def _last_full_sync(integration_id: int) -> datetime | None:
    asked = (runs.FULL_SYNC, JobRun.started_by == EVENTS)
    last = runs.newest(db.session(), integration_id, JobKind.DEVICES, *asked)
    return last.started_at if last else None


def count_missed(session: Session, run: JobRun, tally: Tally, now: datetime) -> None:
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
