"""Begin, pause, resume and cancel jobs, and plan their usual times."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from harmony.audit import audit
from harmony.db import db, write
from harmony.feed import record_run_line
from harmony.jobs import device_sync, lease
from harmony.jobs import schedule as jobs_schedule
from harmony.jobs.device_sync import choice
from harmony.jobs.kinds import KINDS, FollowsSync, JobKind, due_at_finish, using_ids
from harmony.jobs.lease import under_way
from harmony.jobs.outcome import Outcome
from harmony.models import Integration, IntegrationState, Job, JobRun, SyncRunState, UemTag
from harmony.models.configuration import Synchronization

READ_IS_KEPT = "What it had read was kept."
_USUAL_TIME = f"{READ_IS_KEPT} The next sync starts at its usual time."


def interval(integration: Integration, kind: JobKind) -> timedelta:
    """Return how often the job is due when nothing else calls for it."""
    return KINDS[kind].interval(choice(integration))


def usual_time(integration: Integration, kind: JobKind, started: datetime, now: datetime) -> datetime:
    """Return the next point of its grid; one of the opposite phase lies apart from the device sync's."""
    phase = -integration.id if KINDS[kind].opposite_phase else integration.id
    return jobs_schedule.next_point(phase, interval(integration, kind), started, now)


def schedule(session: Session, integration: Integration, kind: JobKind, now: datetime) -> None:
    """Plan the job for its usual time, inside the caller's `write()`."""
    lease.make_due(session, integration.id, kind, usual_time(integration, kind, now, now), whole=True)


def schedule_all(session: Session, integration: Integration, now: datetime) -> None:
    """Plan every kind that Finish and Resume plan, inside the caller's `write()`."""
    for kind in due_at_finish():
        schedule(session, integration, kind, now)


def schedule_missing(now: datetime) -> int:
    """Plan kinds that came with an upgrade for the integrations that run. Return how many jobs."""
    active = db.session.scalars(select(Integration.id).where(Integration.state == IntegrationState.ACTIVE))
    known = {(job.integration_id, job.kind) for job in db.session.scalars(select(Job))}
    missing = [(id_, kind) for id_ in active for kind in due_at_finish() if (id_, kind) not in known]
    for id_, kind in missing:
        with write() as session:
            schedule(session, session.get_one(Integration, id_), kind, now)
    return len(missing)


def after_sync(
    session: Session,
    integration: Integration,
    complete: bool,
    now: datetime,
    *,
    version: int | None = None,
    was_read: bool = False,
) -> None:
    """Make due what follows a device sync (`KindSpec.follows_sync`).

    The first since there are jobs of a kind counts as the first. `version` is that of the settings the sync
    was made with: one made with former Server Details proves no id of another UEM. `was_read`: a snapshot
    came to its end, though it may not count as complete; what it placed has an id of this UEM.
    """
    if (complete or was_read) and integration.awaits_sync and version in {None, integration.version}:
        integration.awaits_sync = False
        waiting = update(Job).where(Job.integration_id == integration.id, Job.kind.in_(using_ids()))
        session.execute(waiting.values(whole=True, next_at=now))
    for kind, spec in KINDS.items():
        if spec.follows_sync is FollowsSync.EACH:
            lease.make_due(session, integration.id, kind, now)
        elif spec.follows_sync is FollowsSync.FIRST and complete:
            _follow_first_sync(session, integration, kind, now)


def _follow_first_sync(session: Session, integration: Integration, kind: JobKind, now: datetime) -> None:
    known = session.get(Job, (integration.id, kind)) is not None
    if integration.snapshots == 1 or not known:
        lease.make_due(session, integration.id, kind, now, whole=True)


def reschedule(session: Session, integration: Integration, before: Synchronization, now: datetime) -> None:
    """Take jobs with a new interval to their new grid at once; what is due or asked for stays so."""
    for kind in due_at_finish():
        if KINDS[kind].interval(before) == interval(integration, kind):
            continue
        job = session.get(Job, (integration.id, kind))
        if job is None:
            schedule(session, integration, kind, now)
        elif job.next_at is not None and job.next_at > now:
            job.next_at = usual_time(integration, kind, now, now)


def wake(session: Session, integration_id: int, now: datetime) -> None:
    """Make every job that follows the device sync due, the parked ones too: what kept them may be mended."""
    parked = update(Job).where(Job.integration_id == integration_id, Job.kind.in_(using_ids()))
    session.execute(parked.values(next_at=now, parked_why=None, failures=0))


def restart(session: Session, integration_id: int, kind: JobKind, now: datetime) -> None:
    """Make the whole of a job due at once, even a parked one: what it goes by was changed."""
    lease.make_due(session, integration_id, kind, now, whole=True)
    selected = update(Job).where(Job.integration_id == integration_id, Job.kind == kind)
    session.execute(selected.values(next_at=now, parked_why=None, failures=0))


def await_sync(session: Session, integration_id: int, now: datetime) -> None:
    """Do nothing by ids of another UEM: those of its devices and tags are not the ones we know.

    No job is claimed, whoever asks, until a device sync has read all of it; and nothing is ever done by the
    id of a device that no run has placed since.
    """
    interrupt(session, integration_id, "Server Details were changed.", now, using_ids())
    for kind in using_ids():
        restart(session, integration_id, kind, now)
    moved = update(Integration).where(Integration.id == integration_id)
    generation = Integration.uem_generation + 1
    session.execute(moved.values(awaits_sync=True, uem_generation=generation))
    session.execute(update(Job).where(Job.integration_id == integration_id).values(batch_limit=None))
    session.execute(update(UemTag).where(UemTag.integration_id == integration_id).values(proven=False))


def interrupt(
    session: Session,
    integration_id: int,
    reason: str,
    now: datetime,
    kinds: Collection[JobKind] = tuple(JobKind),
) -> None:
    """Close the runs under way as cancelled and make their workers powerless; the rest is due later.

    Inside the caller's `write()`. A worker finds its lease gone within seconds and writes nothing more.
    """
    jobs = select(Job).where(Job.integration_id == integration_id, Job.kind.in_(list(kinds)))
    for job in session.scalars(jobs).all():
        revoke(session, job, reason, now)


def cancel(integration_id: int, kind: JobKind, by: str, now: datetime) -> bool:
    """End the run under way; the next one starts at its usual time. False when none was under way."""
    with write() as session:
        job = session.get(Job, (integration_id, kind))
        integration = session.get(Integration, integration_id)
        if job is None or integration is None:
            return False
        run = revoke(session, job, f"Cancelled by {by}.", now, advice=_USUAL_TIME)
        if run is None:
            return False
        if kind is JobKind.DEVICES:
            device_sync.plan(session, integration, run, Outcome(SyncRunState.CANCELLED), now)
        else:
            job.next_at = usual_time(integration, kind, now, now)
        audit(session, by, KINDS[kind].words.cancelled, now, integration)
        return True


def revoke(
    session: Session, job: Job, reason: str, now: datetime, advice: str = READ_IS_KEPT
) -> JobRun | None:
    """Close the run under way as cancelled and make its worker powerless; None when there was none.

    The words of advice are those of a device sync.
    """
    pairs = under_way(session, Job.integration_id == job.integration_id, Job.kind == job.kind)
    run = next((run for run, _job in pairs if run.fence == job.fence), None)
    job.lease_owner, job.lease_until, job.fence = None, None, job.fence + 1
    if run is None:
        return None
    run.state, run.reason, run.step, run.finished_at = SyncRunState.CANCELLED, reason, "", now
    record_run_line(session, job.kind, (job.integration_id, run.id), run.state, reason=reason, at=now)
    if job.kind == JobKind.DEVICES:
        run.advice = advice
    else:  # what the run should have looked at is left to the next one
        job.next_at, job.whole = min(job.next_at or now, now), True
    return run


def unlink(session: Session, integration: Integration) -> None:
    """Plan nothing more for a removed integration; the history of the runs stays."""
    others = (Job.integration_id == integration.id, Job.kind != JobKind.DEVICES)
    session.execute(delete(Job).where(*others))
    job = integration.sync_job
    job.next_at = job.refresh_at = job.events_at = job.requested_at = job.requested_by = None
    job.failures = 0
