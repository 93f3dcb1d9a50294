"""The jobs of integrations: which are due, who may run them, how a run ends."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.orm import Session

from harmony.audit import audit
from harmony.db import bulk, changed, db, write
from harmony.feed import record_run_line
from harmony.jobs import caution, server_waits
from harmony.jobs.kinds import KINDS, JobKind, asking_uem, resting_in_caution, using_ids
from harmony.jobs.opening import open_run
from harmony.jobs.outcome import Outcome
from harmony.models import Integration, IntegrationState, Job, JobRun, SyncKind, SyncRunState

log = logging.getLogger(__name__)

# A living worker renews it every few seconds (jobs/heartbeat.py); only a dead or a stopped one lets it end.
LEASE = timedelta(seconds=90)
# While ids are those of the former UEM, whoever asks.
FIRST_SYNC = "It waits for the first complete device sync with these Server Details."


# With each write of a run: the ORM takes many times as long for it.
_UPDATE_JOB_RENEWED = """UPDATE job SET lease_until = ?
 WHERE integration_id = ? AND kind = ? AND lease_owner = ? AND fence = ? AND EXISTS
 (SELECT 1 FROM integration WHERE integration.id = job.integration_id AND integration.state = ?)"""
_UPDATE_JOB_RENEWED_WITHOUT_CAUTION = f"{_UPDATE_JOB_RENEWED} AND NOT EXISTS (SELECT 1 FROM caution)"  # noqa: S608 - ours


class LeaseLost(Exception):
    """Somebody else has the lease now, or the integration is no longer active: stop without writing."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to do one job of one integration until it ends; `fence` makes an older lease powerless.

    `whole`: everything is to be looked at, not only what changed; `by` is who asked. `named`: it is a device
    sync that reads the devices that events named.
    """

    integration_id: int
    kind: JobKind
    run_id: int
    owner: str
    fence: int
    whole: bool
    by: str
    named: bool = False


def under_way(session: Session, *conditions: ColumnElement[bool]) -> list[tuple[JobRun, Job]]:
    """Return the runs that are under way, each with its job."""
    same_job = and_(Job.integration_id == JobRun.integration_id, Job.kind == JobRun.kind)
    rows = select(JobRun, Job).join(Job, same_job).where(JobRun.state == SyncRunState.RUNNING, *conditions)
    return [(run, job) for run, job in session.execute(rows)]


def due(now: datetime) -> Sequence[tuple[int, JobKind]]:
    """Return the jobs whose time has come and that nobody does, the longest due first."""
    rows = select(Job.integration_id, Job.kind).join(Integration).where(*_claimable(now))
    first = rows.order_by(Job.next_at, Job.integration_id, Job.kind.desc())
    found = [(id_, JobKind(kind)) for id_, kind in db.session.execute(first).all()]
    waiting = server_waits.waiting({id_ for id_, _kind in found}, now)
    return [(id_, kind) for id_, kind in found if id_ not in waiting or not KINDS[kind].asks_uem]


def due_of(kind: JobKind, now: datetime) -> list[int]:
    """Return the integrations whose job of this kind is due."""
    return [id_ for id_, due_kind in due(now) if due_kind is kind]


def request(integration_id: int, kind: JobKind, by: str, now: datetime, *, whole: bool = True) -> bool:
    """Make a job due because a person asks, even while it is parked. Enqueue its task after it.

    Return False when it could not start now.
    """
    with write() as session:
        integration = session.get(Integration, integration_id)
        if integration is None or integration.state != IntegrationState.ACTIVE:
            return False
        if KINDS[kind].asks_uem and integration.stopped_why:
            return False
        if integration.awaits_sync and kind in using_ids():
            return False
        job = _job(session, integration_id, kind)
        job.next_at, job.requested_at, job.requested_by, job.parked_why = now, now, by, None
        job.whole = job.whole or whole
        audit(session, by, KINDS[kind].words.asked, now, integration)
        return True


def postpone(integration_id: int, kind: JobKind, until: datetime, now: datetime) -> None:
    """Make a job that is due and that nobody does due later."""
    due = (Job.next_at <= now, or_(Job.lease_until.is_(None), Job.lease_until < now))
    selected = update(Job).where(Job.integration_id == integration_id, Job.kind == kind, *due)
    with write() as session:
        session.execute(selected.values(next_at=until))


def make_due(
    session: Session, integration_id: int, kind: JobKind, at: datetime, *, whole: bool = False,
    is_mended: bool = False,
) -> None:  # fmt: skip
    """Make a job due at `at` at the latest, inside the caller's `write()`; one due sooner stays so.

    One whose last run failed keeps the time of its next try: what changes meanwhile must not make it hurry,
    unless that may have mended what failed.
    """
    job = _job(session, integration_id, kind)
    if job.next_at is None or not job.failures or is_mended:
        job.next_at = min(job.next_at or at, at)
    job.whole = job.whole or whole


def claim(integration_id: int, kind: JobKind, owner: str, now: datetime) -> Lease | None:
    """Take the job if it is due and free, and open its run.

    None: not due, somebody was quicker, or the server asked to wait.
    """
    with write() as session:
        selected = (Job.integration_id == integration_id, Job.kind == kind)
        job = session.scalar(select(Job).join(Integration).where(*selected, *_claimable(now)))
        if job is None or (KINDS[kind].asks_uem and server_waits.standing(session, integration_id, now)):
            return None
        job.lease_owner, job.lease_until, job.fence = owner, now + LEASE, job.fence + 1
        run, whole = open_run(session, job, now)
        named = run.sync_kind == SyncKind.EVENTS
        return Lease(integration_id, kind, run.id, owner, job.fence, whole, run.started_by, named)


def renew(session: Session, lease: Lease, now: datetime) -> None:
    """Prolong the lease inside the caller's `write()`. Raises LeaseLost when it is no longer ours."""
    rests = lease.kind in resting_in_caution()
    leased = (lease.integration_id, lease.kind, lease.owner, lease.fence)
    row = (bulk.encode_time(now + LEASE), *leased, IntegrationState.ACTIVE)
    renewed = _UPDATE_JOB_RENEWED_WITHOUT_CAUTION if rests else _UPDATE_JOB_RENEWED
    if bulk.execute(session, renewed, row) != 1:
        raise LeaseLost


def close(
    session: Session, lease: Lease, outcome: Outcome, now: datetime, progress: Mapping[str, Any] | None = None
) -> bool:
    """Write how the run ended; return False when somebody else has closed it."""
    ended = {
        "state": outcome.state, "reason": outcome.reason, "advice": outcome.advice, "step": "",
        "finished_at": now, "heartbeat_at": now,
    }  # fmt: skip
    under_way = update(JobRun).where(JobRun.id == lease.run_id, JobRun.state == SyncRunState.RUNNING)
    closed = changed(session, under_way.values({**(progress or {}), **ended})) == 1
    if closed:
        run = (lease.integration_id, lease.run_id)
        record_run_line(session, lease.kind, run, outcome.state, reason=outcome.reason, at=now)
    return closed


def release(session: Session, lease: Lease) -> Job | None:
    """Give the job back; None when it is no longer ours."""
    job = session.scalar(select(Job).where(*_leased(lease)))
    if job is not None:
        job.lease_owner = job.lease_until = None
    return job


def settle(
    session: Session, lease: Lease, outcome: Outcome, next_at: datetime | None, now: datetime, *,
    done_up_to: datetime | None = None,
) -> None:  # fmt: skip
    """Close the run and give the job back, if it is still ours; `next_at` is when it is due again.

    A good run moves `done_up_to`; any other asks the next one to look at as much as this one should have.
    """
    close(session, lease, outcome, now)
    job = release(session, lease)
    if job is None:
        return
    job.failures = 0 if outcome.good else job.failures + 1
    job.whole = job.whole or (lease.whole and not outcome.good)
    if outcome.good and done_up_to is not None:
        job.done_up_to = done_up_to
    if next_at is not None:
        job.next_at = next_at if job.next_at is None else min(job.next_at, next_at)


def park(session: Session, lease: Lease, why: str) -> None:
    """Start it no more by itself until somebody asks for it: only a person can mend what is wrong."""
    session.execute(update(Job).where(*_leased(lease)).values(parked_why=why[:1024]))


def learn_limit(session: Session, lease: Lease, devices: int) -> None:
    """Remember how many devices the UEM takes in a call."""
    session.execute(update(Job).where(*_leased(lease)).values(batch_limit=devices))


def _leased(lease: Lease) -> tuple[ColumnElement[bool], ...]:
    selected = (Job.integration_id == lease.integration_id, Job.kind == lease.kind)
    return (*selected, Job.lease_owner == lease.owner, Job.fence == lease.fence)


def _claimable(now: datetime) -> tuple[ColumnElement[bool], ...]:
    may_call = and_(Integration.stopped_why.is_(None), Integration.redact_pending.is_(False))
    # What was in contact since the last sync is no answer to whose ids these are.
    partly = or_(Job.refresh_at <= now, Job.events_at <= now)
    some = and_(partly, Integration.snapshots > 0, ~Integration.awaits_sync)
    return (
        Integration.state == IntegrationState.ACTIVE,
        or_(Job.kind.not_in(asking_uem()), may_call),
        or_(Job.kind.not_in(using_ids()), ~Integration.awaits_sync),
        or_(Job.next_at <= now, some),
        caution.lets_run(),
        Job.parked_why.is_(None),
        or_(Job.lease_until.is_(None), Job.lease_until < now),
    )


def _job(session: Session, integration_id: int, kind: JobKind) -> Job:
    job = session.get(Job, (integration_id, kind))
    if job is None:
        job = Job(integration_id=integration_id, kind=kind, whole=True, failures=0, fence=0)
        session.add(job)
    return job
