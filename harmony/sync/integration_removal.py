"""Deletes, hides or brings back a removed integration, a batch at a time; whoever dies in it, it goes on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, and_, delete, or_, select, update
from sqlalchemy.orm import Session

from harmony.clock import now
from harmony.db import changed, db, write
from harmony.jobs import caution
from harmony.jobs.lease import LEASE
from harmony.jobs.presence import identity
from harmony.models import Device, Integration, IntegrationState, Job, JobRun
from harmony.models.job import SYNC_JOB
from harmony.sync import removal_undo

log = logging.getLogger(__name__)

# Small enough that no other writer waits long for its turn; runs take their lists of skipped devices along.
DEVICES_PER_WRITE = 1000
_RUNS_PER_WRITE = 20


def pending(time: datetime) -> Sequence[int]:
    """The ids of the integrations that a removal or its undo still works on, and that nobody works on now."""
    rows = select(Job.integration_id).join(Integration).where(Job.kind == SYNC_JOB, *_claimable(time))
    return db.session.scalars(rows).all()


def carry_out(integration_id: int, should_stop: Callable[[], bool] = lambda: False) -> None:
    """Go on until nothing is left to do, or `should_stop` says so; then another call goes on."""
    fence = _claim(integration_id, now())
    if fence is None:
        return
    while not should_stop():
        with write() as session:
            if not _renewed(session, integration_id, fence, now()):
                return
            if not _step(session, session.get_one(Integration, integration_id)):
                return
    _give_back(integration_id, fence)


def _claimable(time: datetime) -> tuple[ColumnElement[bool], ...]:
    free = or_(Job.lease_until.is_(None), Job.lease_until < time)
    unfinished = and_(Integration.state == IntegrationState.HIDDEN, Job.requested_at.is_not(None))
    return (or_(Integration.state == IntegrationState.REMOVING, unfinished), free, caution.is_off())


def _claim(integration_id: int, time: datetime) -> int | None:
    """Return the fence that makes the deletion ours, so that two workers do not do the same."""
    with write() as session:
        ready = select(Job).join(Integration).where(*_job_of(integration_id), *_claimable(time))
        job = session.scalar(ready)
        if job is None:
            return None
        job.lease_owner, job.lease_until, job.fence = identity(), time + LEASE, job.fence + 1
        return job.fence


def _job_of(integration_id: int) -> tuple[ColumnElement[bool], ...]:
    """Return the condition for the job whose lease a deletion takes: no sync may run meanwhile."""
    return (Job.integration_id == integration_id, Job.kind == SYNC_JOB)


def _renewed(session: Session, integration_id: int, fence: int, time: datetime) -> bool:
    leased = (*_job_of(integration_id), Job.fence == fence)
    return changed(session, update(Job).where(*leased).values(lease_until=time + LEASE)) == 1


def _step(session: Session, integration: Integration) -> bool:
    """One batch of what its state asks for. False when nothing was left."""
    if integration.state == IntegrationState.HIDDEN:
        return removal_undo.step(session, integration, now())
    if _delete_some(session, integration.id):
        return True
    session.execute(delete(Integration).where(Integration.id == integration.id))
    log.info("Integration %d is removed.", integration.id)
    return False


def _delete_some(session: Session, integration_id: int) -> bool:
    """One batch; what hangs on a row goes with it. False when nothing was left."""
    ids = select(Device.id).where(Device.integration_id == integration_id).limit(DEVICES_PER_WRITE)
    if changed(session, delete(Device).where(Device.id.in_(ids))):
        return True
    runs = select(JobRun.id).where(JobRun.integration_id == integration_id).limit(_RUNS_PER_WRITE)
    return changed(session, delete(JobRun).where(JobRun.id.in_(runs))) > 0


def _give_back(integration_id: int, fence: int) -> None:
    leased = (*_job_of(integration_id), Job.fence == fence)
    with write() as session:
        session.execute(update(Job).where(*leased).values(lease_owner=None, lease_until=None))
