"""Puts right what a dead worker or a clock that was set back left behind; the tick calls it."""

from __future__ import annotations

import logging
from datetime import datetime

from sqlalchemy import and_, or_, select, update
from sqlalchemy.orm import Session

from harmony.db import db, write
from harmony.feed import record_run_line
from harmony.jobs import device_sync
from harmony.jobs.kinds import KINDS, JobKind
from harmony.jobs.lease import LEASE, under_way
from harmony.jobs.presence import is_gone
from harmony.models import Integration, Job, JobRun, SyncRunState

log = logging.getLogger(__name__)

_DIED = "The worker stopped before this was done. What it had done was kept; the next run goes on."
_SYNC_DIED = (
    "The worker stopped before the sync was done. What it had read was kept; nothing was marked missing."
)
SILENT = (
    "The worker was silent for too long: it was stopped, or it could not write, as on a full disk. "
    "What it had written was kept."
)


def reap(now: datetime) -> int:
    """Close the runs whose worker is gone or whose lease ended; their jobs are due again."""
    if not under_way(db.session()):
        return 0
    with write() as session:
        dead = [pair for pair in under_way(session) if _is_dead(*pair, now)]
        for run, job in dead:
            _abort(session, run, job, now)
    return len(dead)


def mend(now: datetime) -> int:
    """Pull in due times and leases that only a clock that was set back explains. Return how many rows."""
    return _mend_device_syncs(now) + _mend_others(now)


def _is_dead(run: JobRun, job: Job, now: datetime) -> bool:
    ours = (job.lease_owner, job.fence) == (run.owner, run.fence)
    return is_gone(run.owner) or not ours or (job.lease_until or now) <= now


def _abort(session: Session, run: JobRun, job: Job, now: datetime) -> None:
    log.warning("Run %d of job %s of integration %d lost its worker.", run.id, job.kind, job.integration_id)
    died = _SYNC_DIED if job.kind == JobKind.DEVICES else _DIED
    # Its step stays: it tells how far the worker had come.
    run.state, run.finished_at = SyncRunState.ABORTED, now
    run.reason = died if is_gone(run.owner) else SILENT
    record_run_line(session, job.kind, (job.integration_id, run.id), run.state, reason=run.reason, at=now)
    if job.fence != run.fence:
        return
    session.flush()
    job.lease_owner = job.lease_until = None
    if job.kind == JobKind.DEVICES:
        integration = session.get_one(Integration, job.integration_id)
        device_sync.plan_after_abort(session, integration, run, now)
    else:
        job.next_at, job.whole = now, True


def _mend_device_syncs(now: datetime) -> int:
    integrations = db.session.scalars(select(Integration)).all()
    wrong = [
        integration.id
        for integration in integrations
        if device_sync.mended(db.session(), integration, now) != device_sync.times(integration.sync_job)
    ]
    for id_ in wrong:
        with write() as session:
            integration = session.get_one(Integration, id_)
            log.warning("The clock was set back: integration %d is planned anew.", id_)
            times, job = device_sync.mended(session, integration, now), integration.sync_job
            job.next_at, job.refresh_at = times.next_sync_at, times.next_delta_at
            job.lease_until, job.events_at = times.lease_until, times.events_at
    return len(wrong)


def _mend_others(now: datetime) -> int:
    others = [(kind, spec) for kind, spec in KINDS.items() if kind is not JobKind.DEVICES]
    ahead = or_(*(and_(Job.kind == kind, Job.next_at > now + spec.longest_ahead) for kind, spec in others))
    leased = and_(Job.kind != JobKind.DEVICES, Job.lease_until > now + LEASE)
    wrong = db.session.scalars(select(Job).where(ahead | leased)).all()
    if wrong:
        log.warning("The clock was set back: %d jobs are planned anew.", len(wrong))
        with write() as session:
            session.execute(update(Job).where(ahead).values(next_at=now))
            session.execute(update(Job).where(leased).values(lease_until=now + LEASE))
    return len(wrong)
