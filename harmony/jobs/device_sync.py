"""Plans the device sync: what the end of a run means for its integration, and when the next one is due."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from harmony.jobs import runs
from harmony.jobs import schedule as jobs_schedule
from harmony.jobs.kinds import KINDS, JobKind
from harmony.jobs.lease import LEASE, Lease, release
from harmony.jobs.outcome import GOOD, Outcome
from harmony.jobs.schedule import Times
from harmony.models import Integration, Job, JobRun, StopReason, SyncKind, SyncRunState
from harmony.models.configuration import SYNCHRONIZATION, Synchronization, from_row


def settle(session: Session, lease: Lease, outcome: Outcome, now: datetime) -> None:
    """Give the job back, keep what the run taught, and plan the next one, if it is still ours."""
    if release(session, lease) is None:
        return
    integration = session.get_one(Integration, lease.integration_id)
    run = session.get_one(JobRun, lease.run_id)
    _learn(integration, run, outcome)
    if outcome.stop is not None:
        stop(integration, outcome.stop, f"{outcome.reason} {outcome.advice}")
    else:
        plan(session, integration, run, outcome, now)


def _learn(integration: Integration, run: JobRun, outcome: Outcome) -> None:
    """Keep what a run says of its integration: how fresh it is, how many snapshots, failures in a row.

    Only a run that got nothing done counts as a failure: an incomplete one shows that the UEM answers, an
    aborted one has a back-off of its own, and a person cancelled the cancelled one.
    """
    if outcome.good and run.sync_kind != SyncKind.EVENTS:
        integration.fresh_as_of = run.started_at
    if run.sync_kind != SyncKind.SNAPSHOT:
        return
    if outcome.complete:
        integration.snapshots += 1
        # An edit during the run was not part of it: the next snapshot is the one to doubt.
        if run.version == integration.version:
            integration.suspect = None
    if outcome.good:
        integration.sync_job.failures = 0
    elif outcome.failed:
        integration.sync_job.failures += 1


def plan(session: Session, integration: Integration, run: JobRun, outcome: Outcome, now: datetime) -> None:
    """Set the due times after `run`. A delta moves no snapshot, and a person who asked is not put off.

    A run for events moves nothing but the next one for events, which the events that wait bring forward.
    """
    snapshot, job = run.sync_kind == SyncKind.SNAPSHOT, integration.sync_job
    if run.sync_kind == SyncKind.EVENTS:
        job.events_at = now if outcome.again_at_once else now + jobs_schedule.EVENTS_RETRY
        return
    if snapshot and job.requested_at is None:
        job.next_at = now if outcome.again_at_once else _after(integration, run, outcome, now)
    plan_delta(session, integration, now, outcome.not_before)
    if outcome.again_at_once and not snapshot:
        job.refresh_at = now


def plan_delta(
    session: Session, integration: Integration, now: datetime, not_before: datetime | None = None
) -> None:
    """Set when to refresh what was in contact lately: where wanted, with a UEM that was last seen working."""
    page, job = choice(integration), integration.sync_job
    sensible = page.delta and integration.snapshots > 0 and not job.failures and not integration.awaits_sync
    quota = _quota(session, integration)
    job.refresh_at = jobs_schedule.next_delta(sensible, job.next_at, quota, not_before, now)


def plan_after_abort(session: Session, integration: Integration, run: JobRun, now: datetime) -> None:
    """Set the due time after a worker died; a person who asked meanwhile is not put off."""
    job = integration.sync_job
    if run.sync_kind == SyncKind.EVENTS:
        aborted = _aborted_in_a_row(session, integration.id, SyncKind.EVENTS)
        job.events_at = now + jobs_schedule.retry_after_abort(aborted, interval(integration))
    elif run.sync_kind == SyncKind.DELTA:
        job.refresh_at = now + jobs_schedule.DELTA_EVERY
    elif job.requested_at is None:
        aborted = _aborted_in_a_row(session, integration.id, SyncKind.SNAPSHOT)
        job.next_at = now + jobs_schedule.retry_after_abort(aborted, interval(integration))


def stop(integration: Integration, why: StopReason, reason: str) -> None:
    """Sync no more until somebody edits Server Details."""
    integration.stopped_why, integration.stopped_reason = why, reason[:1024]
    integration.sync_job.requested_at = integration.sync_job.requested_by = None


def free(integration: Integration) -> None:
    """Sync again: what stopped it is mended."""
    integration.stopped_why = integration.stopped_reason = None


def choice(integration: Integration) -> Synchronization:
    """Return the Synchronization page that is in force."""
    page = integration.page(SYNCHRONIZATION)
    return from_row(Synchronization, page.applied if page else None)


def interval(integration: Integration) -> timedelta:
    """Return how often the devices of this integration are synced."""
    return KINDS[JobKind.DEVICES].interval(choice(integration))


def mended(session: Session, integration: Integration, now: datetime) -> Times:
    """Return the times of its job without what only a clock that was set back explains."""
    every = interval(integration)
    # After a good run nothing but the interval is waited for; quota and quarantine may take up to a day.
    usual = not integration.sync_job.quarantined and _last_end(session, integration.id) in {None, *GOOD}
    planned = jobs_schedule.next_point(integration.id, every, now, now)
    longest = every if usual else jobs_schedule.LONGEST_WAIT
    return jobs_schedule.mended(times(integration.sync_job), planned, longest, LEASE, now)


def times(job: Job) -> Times:
    """Return what of a job lies in the future while the clock is right."""
    return Times(job.next_at, job.refresh_at, job.lease_until, job.events_at)


def _after(integration: Integration, run: JobRun, outcome: Outcome, now: datetime) -> datetime:
    every = interval(integration)
    planned = jobs_schedule.next_point(integration.id, every, run.started_at, now)
    rest = jobs_schedule.rest(integration.sync_job.failures, every)
    return jobs_schedule.next_sync(planned, rest, outcome.not_before, now)


def _quota(session: Session, integration: Integration) -> tuple[int, int] | None:
    """Return what the UEM last said of its calls: (left, limit)."""
    run = runs.newest(session, integration.id, JobKind.DEVICES, JobRun.quota_limit.is_not(None))
    if run is None or run.quota_left is None or run.quota_limit is None:
        return None
    return run.quota_left, run.quota_limit


def _last_end(session: Session, integration_id: int) -> str | None:
    """Return how the last snapshot that ended did so."""
    run = runs.newest(session, integration_id, JobKind.DEVICES, runs.FULL_SYNC, runs.ENDED)
    return run.state if run else None


def _aborted_in_a_row(session: Session, integration_id: int, kind: SyncKind) -> int:
    of_kind = runs.of_job(integration_id, JobKind.DEVICES, JobRun.sync_kind == kind, columns=(JobRun.state,))
    ends = session.scalars(of_kind.limit(12)).all()
    return next((n for n, state in enumerate(ends) if state != SyncRunState.ABORTED), len(ends))
