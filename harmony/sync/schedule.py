"""Who is due, who may run, and what becomes of a run whose worker died."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.orm import Session

from harmony.db import changed, db, write
from harmony.models import Integration, IntegrationState, Stopped, SyncRun, SyncRunState
from harmony.models.configuration import SYNCHRONIZATION, Synchronization, from_row
from harmony.sync.identity import is_gone
from harmony.sync.outcome import Outcome

log = logging.getLogger(__name__)

# A living worker renews it every few seconds (sync/watch.py); only a dead or a stopped one lets it end.
LEASE = timedelta(seconds=90)
LONGEST_WAIT = timedelta(hours=24)
DIED = "The worker stopped before the sync was done. What it had read was kept; nothing was marked missing."


class LeaseLost(Exception):
    """Somebody else holds the integration now, or it is no longer active: stop without writing."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to sync one integration until the lease ends; `fence` makes an older claim powerless."""

    integration_id: int
    run_id: int
    owner: str
    fence: int


def due(now: datetime) -> Sequence[int]:
    """The ids of the active integrations whose time has come and that nobody is syncing."""
    return db.session.scalars(
        select(Integration.id).where(*_claimable(now)).order_by(Integration.next_sync_at)
    ).all()


def request_sync(integration_id: int, by: str, now: datetime) -> bool:
    """Make the integration due now. False when it is paused or stopped. Ring the bell after it."""
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
        return changed(session, statement) == 1


def claim(integration_id: int, owner: str, now: datetime) -> Claim | None:
    """Take the integration if it is due and free, and open its run. None: somebody else was quicker."""
    with write() as session:
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
        return Claim(integration_id, run.id, owner, integration.fence)


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
    """Give the integration back and set its next due time, or stop it, if it is still ours."""
    integration = session.get(Integration, held.integration_id)
    if integration is None or (integration.lease_owner, integration.fence) != (held.owner, held.fence):
        return
    integration.lease_owner = integration.lease_until = None
    if outcome.stop is not None:
        stop(integration, outcome.stop, f"{outcome.reason} {outcome.advice}")
    elif integration.sync_requested_at is None:
        integration.next_sync_at = next_due(outcome, interval(integration), now)


def next_due(outcome: Outcome, every: timedelta, now: datetime) -> datetime:
    """When to sync again: one interval ahead, and not before the UEM's quota is whole, at most a day."""
    if outcome.again_at_once:
        return now
    return max(now + every, min(outcome.not_before or now, now + LONGEST_WAIT))


def stop(integration: Integration, why: Stopped, reason: str) -> None:
    """Sync no more until somebody edits Server Details."""
    integration.stopped_why, integration.stopped_reason = why, reason[:1024]
    integration.sync_requested_at = integration.sync_requested_by = None


def free(integration: Integration) -> None:
    """Sync again: what stopped it is mended."""
    integration.stopped_why = integration.stopped_reason = None


def reap(now: datetime) -> int:
    """Close the runs whose worker is gone or whose lease ended; their integrations are due again."""
    running = select(SyncRun, Integration).join(Integration).where(SyncRun.state == SyncRunState.RUNNING)
    with write() as session:
        dead = [pair for pair in session.execute(running) if _is_dead(*pair, now)]
        for run, integration in dead:
            _abort(session, run, integration, now)
    return len(dead)


def retry_after_abort(aborted_in_a_row: int, every: timedelta) -> timedelta:
    """How long to wait after a worker died: at once the first time, then longer, at most the interval.

    >>> [retry_after_abort(n, timedelta(hours=1)).seconds for n in (1, 2, 3, 9)]
    [0, 120, 240, 3600]
    """
    if aborted_in_a_row <= 1:
        return timedelta(0)
    return min(timedelta(minutes=2 ** min(aborted_in_a_row - 1, 12)), every)


def interval(integration: Integration) -> timedelta:
    """How often this integration's devices are synced."""
    page = integration.page(SYNCHRONIZATION)
    return timedelta(minutes=from_row(Synchronization, page.applied if page else None).device_interval)


def _claimable(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        Integration.state == IntegrationState.ACTIVE,
        Integration.stopped_why.is_(None),
        Integration.next_sync_at <= now,
        or_(Integration.lease_until.is_(None), Integration.lease_until < now),
    )


def _opened(integration: Integration, owner: str, now: datetime) -> SyncRun:
    return SyncRun(
        integration_id=integration.id,
        state=SyncRunState.RUNNING,
        started_by=integration.sync_requested_by or "schedule",
        started_at=now,
        heartbeat_at=now,
        owner=owner,
        fence=integration.fence,
        version=integration.version,
    )


def _is_dead(run: SyncRun, integration: Integration, now: datetime) -> bool:
    ours = (integration.lease_owner, integration.fence) == (run.owner, run.fence)
    return is_gone(run.owner) or not ours or (integration.lease_until or now) <= now


def _abort(session: Session, run: SyncRun, integration: Integration, now: datetime) -> None:
    log.warning("Run %d of integration %d lost its worker.", run.id, integration.id)
    run.state, run.finished_at, run.reason = SyncRunState.ABORTED, now, DIED
    if integration.fence == run.fence:
        session.flush()
        wait = retry_after_abort(_aborted_in_a_row(session, integration.id), interval(integration))
        integration.lease_owner = integration.lease_until = None
        # A person who asked meanwhile is not put off.
        if integration.sync_requested_at is None:
            integration.next_sync_at = now + wait


def _aborted_in_a_row(session: Session, integration_id: int) -> int:
    ends = session.scalars(
        select(SyncRun.state)
        .where(SyncRun.integration_id == integration_id)
        .order_by(SyncRun.id.desc())
        .limit(12)
    ).all()
    return next((n for n, state in enumerate(ends) if state != SyncRunState.ABORTED), len(ends))
