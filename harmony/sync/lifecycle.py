"""Pause, resume, cancel, probe and remove; a run under way is closed at once, and its worker notices."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from harmony.audit import audit
from harmony.db import changed, write
from harmony.jobs import control, device_sync
from harmony.jobs.outcome import Outcome
from harmony.jobs.uem_client import forget_token
from harmony.models import (
    Hold,
    HoldState,
    Integration,
    IntegrationState,
    KnownGroup,
    SetupPage,
    SyncRun,
    SyncRunState,
    Verification,
)
from harmony.models.configuration import SERVER, ServerDetails, from_row
from harmony.sync import redaction

READ_IS_KEPT = "What it had read was kept."
_USUAL_TIME = f"{READ_IS_KEPT} The next sync starts at its usual time."


def pause(integration_id: int, by: str, now: datetime) -> bool:
    """Stop syncing; a run under way ends at its next page. False when it was not active."""
    with write() as session:
        if not _move(session, integration_id, IntegrationState.ACTIVE, IntegrationState.PAUSED, None):
            return False
        integration = session.get_one(Integration, integration_id)
        interrupt(session, integration, f"Paused by {by}.", READ_IS_KEPT, now)
        control.interrupt(session, integration_id, f"Paused by {by}.", now)
        audit(session, by, "Paused", now, integration)
        return True


def resume(integration_id: int, by: str, now: datetime) -> bool:
    """Sync again, at once. False when it was not paused."""
    with write() as session:
        if not _move(session, integration_id, IntegrationState.PAUSED, IntegrationState.ACTIVE, now):
            return False
        integration = session.get_one(Integration, integration_id)
        integration.sync_requested_at, integration.sync_requested_by = now, by
        control.wake(session, integration_id, now)
        control.begin_all(session, integration, now)
        audit(session, by, "Resumed", now, integration)
        return True


def cancel(integration_id: int, by: str, now: datetime) -> bool:
    """End the run under way; the next one starts at its usual time. False when none was under way."""
    with write() as session:
        integration = session.get(Integration, integration_id)
        if integration is None:
            return False
        run = interrupt(session, integration, f"Cancelled by {by}.", _USUAL_TIME, now)
        if run is None:
            return False
        device_sync.plan(session, integration, run, Outcome(SyncRunState.CANCELLED), now)
        audit(session, by, "Cancelled the sync", now, integration)
        return True


def interrupt(
    session: Session, integration: Integration, reason: str, advice: str, now: datetime
) -> SyncRun | None:
    """Close the run under way as cancelled and make its worker powerless. None when there was none.

    Inside the caller's `write()`. The worker finds its lease gone within seconds and writes nothing more.
    """
    mine = (SyncRun.integration_id == integration.id, SyncRun.state == SyncRunState.RUNNING)
    run = session.scalar(select(SyncRun).where(*mine, SyncRun.fence == integration.fence))
    if run is not None:
        run.state, run.reason, run.advice, run.step = SyncRunState.CANCELLED, reason, advice, ""
        run.finished_at = now
    take_back = update(Integration).where(Integration.id == integration.id)
    session.execute(take_back.values(lease_owner=None, lease_until=None, fence=Integration.fence + 1))
    return run


def probe(integration_id: int, now: datetime) -> None:
    """The server has just answered: a quarantined integration need not wait for its next try."""
    with write() as session:
        waiting = (Integration.id == integration_id, Integration.state == IntegrationState.ACTIVE)
        integration = session.scalar(select(Integration).where(*waiting))
        if integration is not None and integration.quarantined and integration.next_sync_at is not None:
            integration.next_sync_at = min(integration.next_sync_at, now)


def remove(integration_id: int, by: str, now: datetime, *, keep_devices: bool) -> None:
    """Take the link to the UEM away, its secrets first; a run under way is cancelled.

    The devices are kept as devices without a UEM, or deleted: `removal.carry_out` does that in small steps.
    A draft has none and is gone at once.
    """
    if keep_devices:
        redaction.purge(integration_id)  # what should be purged is named on a page that goes now
    with write() as session:
        integration = session.get_one(Integration, integration_id)
        if integration.state == IntegrationState.DRAFT:
            audit(session, by, "Discarded the draft", now, integration)
            session.execute(delete(Integration).where(Integration.id == integration_id))
            return
        interrupt(session, integration, f"Removed by {by}.", READ_IS_KEPT, now)
        control.interrupt(session, integration_id, f"Removed by {by}.", now)
        _unlink(session, integration)
        integration.state = IntegrationState.REMOVED if keep_devices else IntegrationState.REMOVING
        what = "Removed, devices kept" if keep_devices else "Removed with its devices"
        audit(session, by, what, now, integration)


def _unlink(session: Session, integration: Integration) -> None:
    """Forget secrets, settings and plans; what is left knows no way to the UEM."""
    page = integration.page(SERVER)
    forget_token(session, integration.id, from_row(ServerDetails, page.applied if page else None))
    for table in (SetupPage, Verification, KnownGroup):
        session.execute(delete(table).where(table.integration_id == integration.id))
    control.forget(session, integration.id)
    waiting = (Hold.integration_id == integration.id, Hold.state.in_((HoldState.OPEN, HoldState.APPROVED)))
    session.execute(update(Hold).where(*waiting).values(state=HoldState.CLEARED))
    integration.next_sync_at = integration.next_delta_at = None
    integration.sync_requested_at = integration.sync_requested_by = None
    integration.suspect, integration.failures, integration.redact_pending = None, 0, False
    device_sync.free(integration)


def _move(
    session: Session, integration_id: int, old: IntegrationState, new: IntegrationState, due: datetime | None
) -> bool:
    move = (
        update(Integration)
        .where(Integration.id == integration_id, Integration.state == old)
        .values(
            state=new, next_sync_at=due, next_delta_at=None, sync_requested_at=None, sync_requested_by=None
        )
    )
    return changed(session, move) == 1
