"""Puts right what a dead worker or a clock that was set back left behind; the tick calls it."""

from __future__ import annotations

import logging
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from harmony.db import db, write
from harmony.jobs import schedule as jobs_schedule
from harmony.jobs.device_sync import LEASE, interval
from harmony.jobs.outcome import GOOD
from harmony.jobs.process_identity import is_gone
from harmony.jobs.schedule import Times
from harmony.models import Integration, SyncKind, SyncRun, SyncRunState

log = logging.getLogger(__name__)

DIED = "The worker stopped before the sync was done. What it had read was kept; nothing was marked missing."

SILENT = (
    "The worker was silent for too long: it was stopped, or it could not write, as on a full disk. "
    "What it had written was kept."
)


def reap(now: datetime) -> int:
    """Close the runs whose worker is gone or whose lease ended; their integrations are due again."""
    running = select(SyncRun, Integration).join(Integration).where(SyncRun.state == SyncRunState.RUNNING)
    with write() as session:
        dead = [pair for pair in session.execute(running) if _is_dead(*pair, now)]
        for run, integration in dead:
            _abort(session, run, integration, now)
    return len(dead)


def mend(now: datetime) -> int:
    """Pull in due times and leases that only a clock that was set back explains. Returns how many rows."""
    every = db.session.scalars(select(Integration)).all()
    wrong = [one.id for one in every if _mended(one, now) != _times(one)]
    for id_ in wrong:
        with write() as session:
            integration = session.get(Integration, id_)
            if integration is not None:
                log.warning("The clock was set back: integration %d is planned anew.", id_)
                _put(integration, _mended(integration, now))
    return len(wrong)


def _times(integration: Integration) -> Times:
    return Times(integration.next_sync_at, integration.next_delta_at, integration.lease_until)


def _put(integration: Integration, times: Times) -> None:
    integration.next_sync_at = times.next_sync_at
    integration.next_delta_at = times.next_delta_at
    integration.lease_until = times.lease_until


def _mended(integration: Integration, now: datetime) -> Times:
    every = interval(integration)
    # After a good run nothing but the interval is waited for; quota and quarantine may take up to a day.
    usual = not integration.quarantined and _last_end(integration.id) in {None, *GOOD}
    planned = jobs_schedule.next_point(integration.id, every, now, now)
    longest = every if usual else jobs_schedule.LONGEST_WAIT
    return jobs_schedule.mended(_times(integration), planned, longest, LEASE, now)


def _last_end(integration_id: int) -> str | None:
    """How the last snapshot that ended did so."""
    mine = (SyncRun.integration_id == integration_id, SyncRun.kind == SyncKind.SNAPSHOT)
    ended = select(SyncRun.state).where(*mine, SyncRun.state != SyncRunState.RUNNING)
    return db.session.scalar(ended.order_by(SyncRun.id.desc()).limit(1))


def _is_dead(run: SyncRun, integration: Integration, now: datetime) -> bool:
    ours = (integration.lease_owner, integration.fence) == (run.owner, run.fence)
    return is_gone(run.owner) or not ours or (integration.lease_until or now) <= now


def _abort(session: Session, run: SyncRun, integration: Integration, now: datetime) -> None:
    log.warning("Run %d of integration %d lost its worker.", run.id, integration.id)
    run.state, run.finished_at = SyncRunState.ABORTED, now
    run.reason = DIED if is_gone(run.owner) else SILENT
    if integration.fence != run.fence:
        return
    session.flush()
    integration.lease_owner = integration.lease_until = None
    if run.kind == SyncKind.DELTA:
        integration.next_delta_at = now + jobs_schedule.DELTA_EVERY
    elif integration.sync_requested_at is None:  # a person who asked meanwhile is not put off
        aborted = _aborted_in_a_row(session, integration.id)
        integration.next_sync_at = now + jobs_schedule.retry_after_abort(aborted, interval(integration))


def _aborted_in_a_row(session: Session, integration_id: int) -> int:
    ends = session.scalars(
        select(SyncRun.state)
        .where(SyncRun.integration_id == integration_id, SyncRun.kind == SyncKind.SNAPSHOT)
        .order_by(SyncRun.id.desc())
        .limit(12)
    ).all()
    return next((n for n, state in enumerate(ends) if state != SyncRunState.ABORTED), len(ends))
