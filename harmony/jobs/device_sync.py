"""Who is due, who may run, and what the end of a run means for the next one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.orm import Session

from harmony.audit import audit
from harmony.db import changed, db, write
from harmony.jobs import schedule as jobs_schedule
from harmony.jobs import server_waits
from harmony.jobs.outcome import Outcome
from harmony.models import Integration, IntegrationState, StopReason, SyncKind, SyncRun, SyncRunState
from harmony.models.configuration import SYNCHRONIZATION, Synchronization, from_row

# A living worker renews it every few seconds (jobs/heartbeat.py); only a dead or a stopped one lets it end.
LEASE = timedelta(seconds=90)


class LeaseLost(Exception):
    """Somebody else holds the integration now, or it is no longer active: stop without writing."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to sync one integration until the lease ends; `fence` makes an older claim powerless."""

    integration_id: int
    run_id: int
    owner: str
    fence: int
    kind: SyncKind = SyncKind.SNAPSHOT


def due(now: datetime) -> Sequence[int]:
    """The ids of the active integrations whose time has come, that nobody is syncing and no server delays."""
    ids = db.session.scalars(
        select(Integration.id).where(*_claimable(now)).order_by(Integration.next_sync_at)
    ).all()
    waiting = server_waits.waiting(ids, now)
    return [id_ for id_ in ids if id_ not in waiting]


def request_sync(integration_id: int, by: str, now: datetime) -> bool:
    """Make a snapshot due now. False when it is paused or stopped. Ring the bell after it."""
    with write() as session:
        statement = (
            update(Integration)
            .where(
                Integration.id == integration_id,
                Integration.state == IntegrationState.ACTIVE,
                Integration.stopped_why.is_(None),
            )
            .values(sync_requested_at=now, sync_requested_by=by, next_sync_at=now)
        )
        if changed(session, statement) != 1:
            return False
        audit(session, by, "Asked for a sync", now, session.get_one(Integration, integration_id))
        return True


def claim(integration_id: int, owner: str, now: datetime) -> Claim | None:
    """Take the integration if it is due and free, and open its run.

    None: somebody else was quicker, or its server asked to wait.
    """
    with write() as session:
        if server_waits.standing(session, integration_id, now):
            return None
        take = (
            update(Integration)
            .where(Integration.id == integration_id, *_claimable(now))
            .values(lease_owner=owner, lease_until=now + LEASE, fence=Integration.fence + 1)
        )
        if changed(session, take) != 1:
            return None
        integration = session.get_one(Integration, integration_id)
        run = _opened(integration, owner, now)
        session.add(run)
        integration.sync_requested_at = integration.sync_requested_by = None
        session.flush()
        return Claim(integration_id, run.id, owner, integration.fence, SyncKind(run.kind))


def renew(session: Session, held: Claim, now: datetime) -> None:
    """Prolong the lease inside the caller's `write()`. Raises LeaseLost when it is no longer ours."""
    prolong = (
        update(Integration)
        .where(
            Integration.id == held.integration_id,
            Integration.state == IntegrationState.ACTIVE,
            Integration.lease_owner == held.owner,
            Integration.fence == held.fence,
        )
        .values(lease_until=now + LEASE)
    )
    if changed(session, prolong) != 1:
        raise LeaseLost


def settle(session: Session, held: Claim, outcome: Outcome, now: datetime) -> None:
    """Give the integration back, keep what the run taught, and plan the next, if it is still ours."""
    integration = session.get(Integration, held.integration_id)
    if integration is None or (integration.lease_owner, integration.fence) != (held.owner, held.fence):
        return
    run = session.get_one(SyncRun, held.run_id)
    integration.lease_owner = integration.lease_until = None
    learn(integration, run, outcome)
    if outcome.stop is not None:
        stop(integration, outcome.stop, f"{outcome.reason} {outcome.advice}")
    else:
        plan(session, integration, run, outcome, now)


def learn(integration: Integration, run: SyncRun, outcome: Outcome) -> None:
    """What a run says of its integration: how fresh it is, how many snapshots, how many failures in a row.

    Only a run that got nothing done counts as a failure: an incomplete one shows that the UEM answers, an
    aborted one has a back-off of its own, and a person cancelled the cancelled one.
    """
    if outcome.good:
        integration.fresh_as_of = run.started_at
    if run.kind != SyncKind.SNAPSHOT:
        return
    if outcome.complete:
        integration.snapshots += 1
        # An edit during the run was not part of it: the next snapshot is the one to doubt.
        if run.version == integration.version:
            integration.suspect = None
    if outcome.good:
        integration.failures = 0
    elif outcome.failed:
        integration.failures += 1


def plan(session: Session, integration: Integration, run: SyncRun, outcome: Outcome, now: datetime) -> None:
    """Set the due times after `run`. A delta moves no snapshot, and a person who asked is not put off."""
    snapshot = run.kind == SyncKind.SNAPSHOT
    if snapshot and integration.sync_requested_at is None:
        integration.next_sync_at = now if outcome.again_at_once else _after(integration, run, outcome, now)
    plan_delta(session, integration, now, outcome.not_before)
    if outcome.again_at_once and not snapshot:
        integration.next_delta_at = now


def plan_delta(
    session: Session, integration: Integration, now: datetime, not_before: datetime | None = None
) -> None:
    """Set when to refresh what was in contact lately: where wanted, with a UEM that was last seen working."""
    page = choice(integration)
    sensible = (
        page.delta and integration.snapshots > 0 and not integration.failures and not integration.awaits_sync
    )
    quota = _quota(session, integration)
    integration.next_delta_at = jobs_schedule.next_delta(
        sensible, integration.next_sync_at, quota, not_before, now
    )


def stop(integration: Integration, why: StopReason, reason: str) -> None:
    """Sync no more until somebody edits Server Details."""
    integration.stopped_why, integration.stopped_reason = why, reason[:1024]
    integration.sync_requested_at = integration.sync_requested_by = None


def free(integration: Integration) -> None:
    """Sync again: what stopped it is mended."""
    integration.stopped_why = integration.stopped_reason = None


def choice(integration: Integration) -> Synchronization:
    """The Synchronization page that is in force."""
    page = integration.page(SYNCHRONIZATION)
    return from_row(Synchronization, page.applied if page else None)


def interval(integration: Integration) -> timedelta:
    """How often this integration's devices are synced."""
    return timedelta(minutes=choice(integration).device_interval)


def _claimable(now: datetime) -> tuple[ColumnElement[bool], ...]:
    # What was in contact since the last sync is no answer to whose ids these are.
    refresh = and_(Integration.next_delta_at <= now, Integration.snapshots > 0, ~Integration.awaits_sync)
    return (
        Integration.state == IntegrationState.ACTIVE,
        Integration.stopped_why.is_(None),
        Integration.redact_pending.is_(False),
        or_(Integration.next_sync_at <= now, refresh),
        or_(Integration.lease_until.is_(None), Integration.lease_until < now),
    )


def _opened(integration: Integration, owner: str, now: datetime) -> SyncRun:
    snapshot = integration.next_sync_at is not None and integration.next_sync_at <= now
    return SyncRun(
        integration_id=integration.id,
        kind=SyncKind.SNAPSHOT if snapshot else SyncKind.DELTA,
        state=SyncRunState.RUNNING,
        started_by=integration.sync_requested_by or "schedule",
        started_at=now,
        heartbeat_at=now,
        owner=owner,
        fence=integration.fence,
        version=integration.version,
    )


def _after(integration: Integration, run: SyncRun, outcome: Outcome, now: datetime) -> datetime:
    every = interval(integration)
    planned = jobs_schedule.next_point(integration.id, every, run.started_at, now)
    return jobs_schedule.next_sync(
        planned, jobs_schedule.rest(integration.failures, every), outcome.not_before, now
    )


def _quota(session: Session, integration: Integration) -> tuple[int, int] | None:
    """What the UEM last said of its calls: (left, limit)."""
    told = (SyncRun.integration_id == integration.id, SyncRun.quota_limit.is_not(None))
    run = session.scalar(select(SyncRun).where(*told).order_by(SyncRun.id.desc()).limit(1))
    if run is None or run.quota_left is None or run.quota_limit is None:
        return None
    return run.quota_left, run.quota_limit
