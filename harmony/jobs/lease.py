"""The jobs of integrations: which are due, who may run them, how a run ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.orm import Session

from harmony.audit import SCHEDULE, audit
from harmony.db import changed, db, write
from harmony.jobs import server_waits
from harmony.jobs.device_sync import LEASE, LeaseLost
from harmony.jobs.kinds import KINDS, JobKind, asking_uem
from harmony.jobs.outcome import Outcome
from harmony.jobs.process_identity import is_gone
from harmony.models import Integration, IntegrationState, Job, JobRun, SyncRunState

DIED = "The worker stopped before this was done. What it had done was kept; the next run goes on."

# While ids are those of the former UEM, whoever asks.
FIRST_SYNC = "It waits for the first complete device sync with these Server Details."


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to do one job of one integration until it ends; `fence` makes an older lease powerless."""

    integration_id: int
    kind: JobKind
    run_id: int
    owner: str
    fence: int
    whole: bool
    by: str


def due(now: datetime) -> Sequence[tuple[int, JobKind]]:
    """Return the jobs whose time has come and that nobody does, the longest due first."""
    rows = select(Job.integration_id, Job.kind).join(Integration).where(*_claimable(now))
    first = rows.order_by(Job.next_at, Job.integration_id, Job.kind.desc())
    found = [(id_, JobKind(kind)) for id_, kind in db.session.execute(first).all()]
    waiting = server_waits.waiting({id_ for id_, _kind in found}, now)
    return [(id_, kind) for id_, kind in found if id_ not in waiting or not KINDS[kind].asks_uem]


def request(integration_id: int, kind: JobKind, by: str, now: datetime, *, whole: bool = True) -> bool:
    """Make a job due because a person asks, even while it is parked. Enqueue its task after it.

    Return False when it could not start now.
    """
    with write() as session:
        integration = session.get(Integration, integration_id)
        if integration is None or integration.state != IntegrationState.ACTIVE:
            return False
        if KINDS[kind].asks_uem and (integration.stopped_why or integration.awaits_sync):
            return False
        job = _job(session, integration_id, kind)
        job.next_at, job.requested_at, job.requested_by, job.parked_why = now, now, by, None
        job.whole = job.whole or whole
        audit(session, by, KINDS[kind].words.asked, now, integration)
        return True


def nudge(session: Session, integration_id: int, kind: JobKind, at: datetime, *, whole: bool = False) -> None:
    """Make a job due at `at` at the latest, inside the caller's `write()`; a job that is due sooner stays so.

    One whose last run failed keeps the time of its next try: what changes meanwhile must not make it hurry.
    """
    job = _job(session, integration_id, kind)
    if job.next_at is None or not job.failures:
        job.next_at = min(job.next_at or at, at)
    job.whole = job.whole or whole


def claim(integration_id: int, kind: JobKind, owner: str, now: datetime) -> Lease | None:
    """Take the job if it is due and free, and open its run.

    None: not due, somebody was quicker, or the server asked to wait.
    """
    with write() as session:
        selected = (Job.integration_id == integration_id, Job.kind == kind)
        ready = select(Job).join(Integration).where(*selected, *_claimable(now))
        job = session.scalar(ready)
        if job is None or (KINDS[kind].asks_uem and server_waits.standing(session, integration_id, now)):
            return None
        job.lease_owner, job.lease_until, job.fence = owner, now + LEASE, job.fence + 1
        by, whole = job.requested_by or SCHEDULE, job.whole
        # What is asked for from here on is for the next run.
        job.requested_at = job.requested_by = job.next_at = None
        job.whole = False
        run = JobRun(
            integration_id=integration_id, kind=kind, started_by=by, started_at=now, heartbeat_at=now,
            owner=owner, fence=job.fence, counts={},
        )  # fmt: skip
        session.add(run)
        session.flush()
        return Lease(integration_id, kind, run.id, owner, job.fence, whole, by)


def renew(session: Session, lease: Lease, now: datetime) -> None:
    """Prolong the lease inside the caller's `write()`. Raises LeaseLost when it is no longer ours."""
    active = select(Integration.id).where(Integration.state == IntegrationState.ACTIVE)
    prolong = update(Job).where(*_leased(lease), Job.integration_id.in_(active))
    if changed(session, prolong.values(lease_until=now + LEASE)) != 1:
        raise LeaseLost


def settle(
    session: Session, lease: Lease, outcome: Outcome, next_at: datetime | None, now: datetime, *,
    done_up_to: datetime | None = None,
) -> None:  # fmt: skip
    """Close the run and give the job back, if it is still ours; `next_at` is when it is due again.

    A good run moves `done_up_to`; any other asks the next one to look at as much as this one should have.
    """
    ended = {"state": outcome.state, "reason": outcome.reason, "advice": outcome.advice, "step": ""}
    open_run = (JobRun.id == lease.run_id, JobRun.state == SyncRunState.RUNNING)
    session.execute(update(JobRun).where(*open_run).values(ended | {"finished_at": now, "heartbeat_at": now}))
    job = session.scalar(select(Job).where(*_leased(lease)))
    if job is None:
        return
    job.lease_owner = job.lease_until = None
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


def reap(now: datetime) -> int:
    """Close the runs whose worker is gone or whose lease ended; their jobs are due again."""
    same_job = (Job.integration_id == JobRun.integration_id) & (Job.kind == JobRun.kind)
    running = select(JobRun, Job).join(Job, same_job).where(JobRun.state == SyncRunState.RUNNING)
    if not db.session.execute(running.limit(1)).first():
        return 0
    with write() as session:
        dead = [pair for pair in session.execute(running) if _is_dead(*pair, now)]
        for run, job in dead:
            run.state, run.finished_at, run.reason, run.step = SyncRunState.ABORTED, now, DIED, ""
            if job.fence == run.fence:
                job.lease_owner = job.lease_until = None
                job.next_at, job.whole = now, True
    return len(dead)


def _is_dead(run: JobRun, job: Job, now: datetime) -> bool:
    ours = (job.lease_owner, job.fence) == (run.owner, run.fence)
    return is_gone(run.owner) or not ours or (job.lease_until or now) <= now


def _leased(lease: Lease) -> tuple[ColumnElement[bool], ...]:
    selected = (Job.integration_id == lease.integration_id, Job.kind == lease.kind)
    return (*selected, Job.lease_owner == lease.owner, Job.fence == lease.fence)


def _claimable(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        Integration.state == IntegrationState.ACTIVE,
        or_(Job.kind.not_in(asking_uem()), _may_call()),
        Job.next_at <= now,
        Job.parked_why.is_(None),
        or_(Job.lease_until.is_(None), Job.lease_until < now),
    )


def _may_call() -> ColumnElement[bool]:
    """Return the condition for calls to the UEM, and for trust in the ids it once gave."""
    return and_(
        Integration.stopped_why.is_(None),
        Integration.redact_pending.is_(False),
        Integration.awaits_sync.is_(False),
    )


def _job(session: Session, integration_id: int, kind: JobKind) -> Job:
    job = session.get(Job, (integration_id, kind))
    if job is None:
        job = Job(integration_id=integration_id, kind=kind, whole=True, failures=0, fence=0)
        session.add(job)
    return job
