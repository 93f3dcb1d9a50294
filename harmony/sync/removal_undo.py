"""A removal that can be undone: hides an integration with its devices for 30 days, or brings both back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from harmony.audit import audit
from harmony.db import changed, db, table_of, write
from harmony.jobs import control
from harmony.jobs.uem_client import forget_token
from harmony.models import Device, Integration, IntegrationState
from harmony.models.configuration import SERVER, TAGGING, ServerDetails, Tagging, from_row
from harmony.sync.deletion.soft_delete import BY_REMOVAL

UNDO_FOR = timedelta(days=30)
DEVICES_PER_WRITE = 1000
_IN_FORCE = (IntegrationState.ACTIVE, IntegrationState.PAUSED)
_DEVICES = table_of(Device)
_Values = dict[str, datetime | str | None]


def hide(integration_id: int, by: str, now: datetime) -> bool:
    """Remove an integration that is in force, so that it can be undone. False when it is not.

    Its secrets and settings stay sealed where they are; nothing runs, and the worker hides its devices.
    """
    with write() as session:
        integration = session.get_one(Integration, integration_id)
        if integration.state not in _IN_FORCE:
            return False
        control.interrupt(session, integration_id, f"Removed by {by}.", now)
        forget_token(session, integration_id, from_row(ServerDetails, _applied(integration, SERVER)))
        integration.before_removal = _before(integration)
        integration.state, integration.removed_at = IntegrationState.HIDDEN, now
        _ask_worker(integration, by, now)
        audit(session, by, "Removed", now, integration, detail=f"Can be undone for {UNDO_FOR.days} days")
        return True


def undo(integration_id: int, by: str, now: datetime) -> bool:
    """Bring it back: its devices first, by the worker. False when it was not removed, or is gone."""
    with write() as session:
        integration = session.get(Integration, integration_id)
        if integration is None or integration.state != IntegrationState.HIDDEN or not integration.removed_at:
            return False
        control.interrupt(session, integration_id, f"The removal was undone by {by}.", now)
        integration.removed_at = None
        _ask_worker(integration, by, now)
        audit(session, by, "Undid the removal", now, integration)
        return True


def remember_tagging(integration: Integration) -> None:
    """Keep what is tagged before a removal switches it off, inside the caller's `write()`."""
    tagging = _applied(integration, TAGGING)
    if not _is_off(tagging):
        integration.before_removal = {"tagging": tagging}


def expired(now: datetime) -> Sequence[int]:
    """Return the ids of the removed integrations whose time to be undone is over."""
    over = (Integration.state == IntegrationState.HIDDEN, Integration.removed_at < now - UNDO_FOR)
    return db.session.scalars(select(Integration.id).where(*over)).all()


def step(session: Session, integration: Integration, now: datetime) -> bool:
    """Hide some devices, or bring some back; False when none was left and the rest was done."""
    own = Device.integration_id == integration.id
    if integration.removed_at is not None:
        hidden: _Values = {"deleted_at": integration.removed_at, "deleted_by": BY_REMOVAL}
        if _set_some(session, (own, Device.deleted_at.is_(None)), hidden):
            return True
    elif _set_some(session, (own, Device.deleted_by == BY_REMOVAL), {"deleted_at": None, "deleted_by": None}):
        return True
    else:
        _put_in_force(session, integration, now)
    integration.sync_job.lease_owner = integration.sync_job.lease_until = None
    if integration.state == IntegrationState.HIDDEN:
        integration.sync_job.requested_at = integration.sync_job.requested_by = None
    return False


def _put_in_force(session: Session, integration: Integration, now: datetime) -> None:
    """Take up again what it did before: its tags come back with the next push, like any that is due."""
    before, job = integration.before_removal or {}, integration.sync_job
    page = integration.page(TAGGING)
    if page is not None and before.get("tagging"):
        page.draft = page.applied = before["tagging"]
    integration.state, integration.before_removal = before.get("state", IntegrationState.PAUSED), None
    integration.version += 1
    if integration.state == IntegrationState.ACTIVE:
        job.next_at = now
        control.wake(session, integration.id, now)
        control.schedule_all(session, integration, now)
    else:
        job.next_at = job.requested_at = job.requested_by = None


def _before(integration: Integration) -> dict[str, Any]:
    """Return what an undo puts back; the switches of tagging only if the removal took the tags off."""
    before = {"state": integration.state}
    remembered = (integration.before_removal or {}).get("tagging")
    taken_off = remembered and _is_off(_applied(integration, TAGGING))
    return before | ({"tagging": remembered} if taken_off else {})


def _is_off(applied: dict[str, Any] | None) -> bool:
    tagging = from_row(Tagging, applied)
    return not (tagging.tag_status or tagging.tag_risk or tagging.tag_factors)


def _ask_worker(integration: Integration, by: str, now: datetime) -> None:
    job = integration.sync_job
    job.next_at = job.refresh_at = None
    job.requested_at, job.requested_by = now, by


def _applied(integration: Integration, name: str) -> dict[str, Any] | None:
    page = integration.page(name)
    return page.applied if page else None


def _set_some(session: Session, where: tuple[ColumnElement[bool], ...], values: _Values) -> int:
    ids = select(Device.id).where(*where).limit(DEVICES_PER_WRITE)
    return changed(session, update(_DEVICES).where(_DEVICES.c.id.in_(ids)).values(values))
