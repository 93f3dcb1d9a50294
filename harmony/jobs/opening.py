"""Opens the run of a job that was claimed, and takes what it is to do off the job."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from harmony.audit import EVENTS, SCHEDULE
from harmony.jobs.kinds import JobKind
from harmony.models import Integration, Job, JobRun, SyncKind, SyncRunState


def open_run(session: Session, job: Job, now: datetime) -> tuple[JobRun, bool]:
    """Add the run of a job whose lease was just taken; return it, and whether it looks at everything.

    Inside the caller's `write()`.
    """
    by, whole = job.requested_by or SCHEDULE, _take_due(job, now)
    job.requested_at = job.requested_by = None
    named = not whole and _take_named(job, now)
    run = _new_run(session, job, EVENTS if named else by, now)
    if job.kind == JobKind.DEVICES:
        run.sync_kind = _sync_kind(whole, named)
    session.add(run)
    session.flush()
    return run, whole


def _take_due(job: Job, now: datetime) -> bool:
    """Return whether everything is to be looked at; what is asked for from here on is for the next run."""
    if job.kind == JobKind.DEVICES:  # stays due until `device_sync.plan` has seen how the run ended
        return job.next_at is not None and job.next_at <= now
    whole, job.whole, job.next_at = job.whole, False, None
    return whole


def _take_named(job: Job, now: datetime) -> bool:
    """Return whether devices that events named are due; what arrives from here on is for the next run."""
    if job.events_at is None or job.events_at > now:
        return False
    job.events_at = None
    return True


def _sync_kind(whole: bool, named: bool) -> SyncKind:
    if whole:
        return SyncKind.SNAPSHOT
    return SyncKind.EVENTS if named else SyncKind.DELTA


def _new_run(session: Session, job: Job, by: str, now: datetime) -> JobRun:
    return JobRun(
        integration_id=job.integration_id, kind=job.kind, state=SyncRunState.RUNNING, counts={},
        version=session.get_one(Integration, job.integration_id).version,
        started_by=by, started_at=now, heartbeat_at=now, owner=job.lease_owner, fence=job.fence,
    )  # fmt: skip
