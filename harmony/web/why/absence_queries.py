"""Loads what decides about a device that is missing, deleted or not listed: syncs, hold, settings."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, func, literal, select

from harmony.config import current_settings
from harmony.db import db
from harmony.jobs import runs, server_waits
from harmony.jobs.device_sync import choice
from harmony.jobs.kinds import JobKind
from harmony.jobs.outcome import GOOD
from harmony.models import Device, Hold, HoldState, Integration, IntegrationState, JobRun
from harmony.sync.deletion import holds
from harmony.web.deletions.text import reasons
from harmony.web.shared.scope import current_scope
from harmony.web.why.given import AbsenceGiven, EndedSync, HeldBack

_SYNCS_SHOWN = 20


def absence_given(device: Device, integration: Integration, now: datetime) -> AbsenceGiven:
    """Return what decides about the absence of the device."""
    syncs = _syncs(device) if device.missing_since else ()
    kept = current_settings()
    return AbsenceGiven(
        missing_since=device.missing_since,
        absent_from=device.absent_from,
        absent_why=device.absent_why,
        deleted_at=device.deleted_at,
        deleted_by=device.deleted_by or "",
        created_at=device.created_at,
        is_unlisted=device.added_by is not None,
        snapshots=integration.snapshots,
        fresh_as_of=integration.fresh_as_of,
        settings=choice(integration),
        unlisted_days=integration.in_force.deployment.unlisted_days,
        syncs=syncs,
        more=_count(device) - len(syncs) if syncs else 0,
        hold=_hold_of(device),
        standstill=_standstill(integration, now),
        next_sync_at=integration.sync_job.next_at,
        runs_kept_days=kept.runs_kept_days,
        deleted_kept_days=kept.deleted_kept_days,
    )


def _missed(device: Device) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions on the complete syncs since the device is missing."""
    return (
        *runs.conditions_of(device.integration_id, JobKind.DEVICES),
        runs.FULL_SYNC,
        JobRun.state.in_(GOOD),
        JobRun.finished_at >= device.missing_since,
    )


def _syncs(device: Device) -> tuple[EndedSync, ...]:
    reason = JobRun.reason if current_scope() is None else literal("")
    columns = (JobRun.id, JobRun.finished_at, JobRun.state, reason)
    newest = select(*columns).where(*_missed(device)).order_by(JobRun.id.desc()).limit(_SYNCS_SHOWN)
    return tuple(EndedSync(*row) for row in db.session.execute(newest))


def _count(device: Device) -> int:
    return db.session.scalar(select(func.count()).select_from(JobRun).where(*_missed(device))) or 0


def _hold_of(device: Device) -> HeldBack | None:
    """Return the hold that is not over and has the device on its list."""
    hold = holds.pending(db.session(), device.integration_id)
    if hold is None or not _is_listed(device, hold):
        return None
    # The reasons count all devices, also those that somebody with a scope does not see.
    grounds = tuple(reasons(hold)) if current_scope() is None else ()
    return HeldBack(hold.id, HoldState(hold.state), grounds, hold.expires_at)


def _is_listed(device: Device, hold: Hold) -> bool:
    found = select(Device.id).where(Device.id == device.id, *holds.listed(hold))
    return db.session.scalar(found) is not None


def _standstill(integration: Integration, now: datetime) -> str:
    """Say why no sync of the integration runs; "" while they do."""
    if not integration.connected:
        return "The integration was removed."
    if integration.state != IntegrationState.ACTIVE:
        return "The integration is paused."
    return integration.stopped_reason or server_waits.why_waiting(integration, now) or ""
