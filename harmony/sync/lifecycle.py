"""Pause, resume, probe and remove; a run under way is closed at once, and its worker notices."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from harmony.audit import SCHEDULE, audit
from harmony.db import changed, write
from harmony.jobs import caution, control, device_sync
from harmony.jobs.kinds import JobKind
from harmony.jobs.uem_client import forget_token
from harmony.models import (
    EventListener,
    Hold,
    HoldState,
    Integration,
    IntegrationState,
    Job,
    KnownGroup,
    SetupPage,
    UemEvent,
    Verification,
)
from harmony.models.configuration import SERVER, ServerDetails, from_row
from harmony.sync import redaction, removal_undo


def pause(integration_id: int, by: str, now: datetime) -> bool:
    """Stop syncing; a run under way ends at its next page. False when it was not active."""
    with write() as session:
        if not _move(session, integration_id, IntegrationState.ACTIVE, IntegrationState.PAUSED, None):
            return False
        integration = session.get_one(Integration, integration_id)
        control.interrupt(session, integration_id, f"Paused by {by}.", now)
        audit(session, by, "Paused", now, integration)
        return True


def resume(integration_id: int, by: str, now: datetime) -> bool:
    """Sync again, at once. False when it was not paused."""
    with write() as session:
        if not _move(session, integration_id, IntegrationState.PAUSED, IntegrationState.ACTIVE, now):
            return False
        integration = session.get_one(Integration, integration_id)
        integration.sync_job.requested_at, integration.sync_job.requested_by = now, by
        control.wake(session, integration_id, now)
        control.schedule_all(session, integration, now)
        audit(session, by, "Resumed", now, integration)
        return True


def probe(integration_id: int, now: datetime) -> None:
    """The server has just answered: a quarantined integration need not wait for its next try."""
    with write() as session:
        waiting = (Integration.id == integration_id, Integration.state == IntegrationState.ACTIVE)
        integration = session.scalar(select(Integration).where(*waiting))
        job = None if integration is None else integration.sync_job
        if job is not None and job.quarantined and job.next_at is not None:
            job.next_at = min(job.next_at, now)


def remove(integration_id: int, by: str, now: datetime, *, keep_devices: bool) -> None:
    """Take the link to the UEM away, its secrets first; a run under way is cancelled.

    The devices are kept as devices without a UEM, or deleted: `removal.carry_out` does that in small steps.
    A draft has none and is gone at once.
    """
    if keep_devices:
        redaction.purge(integration_id)  # what should be purged is named on a page that goes now
    with write() as session:
        _remove(session, integration_id, by, now, keep_devices=keep_devices)


def remove_expired(now: datetime) -> None:
    """Remove for good what was removed so long ago that it cannot be undone any more."""
    if caution.since() is not None:
        return
    for integration_id in removal_undo.expired(now):
        with write() as session:
            # Another worker may have removed it since, or somebody brought it back.
            if integration_id in removal_undo.expired(now):
                _remove(session, integration_id, SCHEDULE, now, keep_devices=False)


def _remove(session: Session, integration_id: int, by: str, now: datetime, *, keep_devices: bool) -> None:
    integration = session.get_one(Integration, integration_id)
    if integration.state == IntegrationState.DRAFT:
        audit(session, by, "Discarded the draft", now, integration)
        session.execute(delete(Integration).where(Integration.id == integration_id))
        return
    control.interrupt(session, integration_id, f"Removed by {by}.", now)
    _unlink(session, integration)
    integration.state = IntegrationState.REMOVED if keep_devices else IntegrationState.REMOVING
    what = "Removed, devices kept" if keep_devices else "Removed with its devices"
    audit(session, by, what, now, integration)


def _unlink(session: Session, integration: Integration) -> None:
    """Forget secrets, settings and plans; what is left knows no way to the UEM."""
    page = integration.page(SERVER)
    forget_token(session, integration.id, from_row(ServerDetails, page.applied if page else None))
    for table in (SetupPage, Verification, KnownGroup, EventListener, UemEvent):
        session.execute(delete(table).where(table.integration_id == integration.id))
    control.unlink(session, integration)
    waiting = (Hold.integration_id == integration.id, Hold.state.in_((HoldState.OPEN, HoldState.APPROVED)))
    session.execute(update(Hold).where(*waiting).values(state=HoldState.CLEARED))
    integration.suspect, integration.redact_pending = None, False
    device_sync.free(integration)


def _move(
    session: Session, integration_id: int, old: IntegrationState, new: IntegrationState, due: datetime | None
) -> bool:
    move = update(Integration).where(Integration.id == integration_id, Integration.state == old)
    if changed(session, move.values(state=new)) != 1:
        return False
    plan = update(Job).where(Job.integration_id == integration_id, Job.kind == JobKind.DEVICES)
    session.execute(plan.values(next_at=due, refresh_at=None, requested_at=None, requested_by=None))
    return True
