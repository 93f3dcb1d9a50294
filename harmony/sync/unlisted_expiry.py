"""Deletes devices that Protect registered and that no sync has listed for longer than Deployment allows."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from harmony.audit import audit
from harmony.db import db, write
from harmony.jobs import caution
from harmony.models import Device, Integration, IntegrationState
from harmony.sync.deletion import soft_delete
from harmony.sync.deletion.soft_delete import Deletion

_BY = "expiry"


def expire(now: datetime) -> int:
    """Delete the unlisted devices of every active integration whose days are over; return how many.

    Only what the newest complete reading could have listed all that time: without a sync nothing expires.
    """
    active = select(Integration).where(Integration.state == IntegrationState.ACTIVE, caution.is_off())
    due = [
        (row.id, row.fresh_as_of, row.in_force.deployment.unlisted_days) for row in db.session.scalars(active)
    ]
    return sum(
        _expire(id_, days, min(fresh, now) - timedelta(days=days), now)
        for id_, fresh, days in due
        if fresh and days
    )


def _expire(integration_id: int, days: int, before: datetime, now: datetime) -> int:
    where: tuple[ColumnElement[bool], ...] = (
        Device.integration_id == integration_id,
        Device.added_by.is_not(None),
        Device.deleted_at.is_(None),
        Device.created_at < before,
    )
    if db.session.scalar(select(Device.id).where(*where).limit(1)) is None:
        return 0
    detail = f"No sync has listed it within {days} days after it registered."
    gone = soft_delete.delete_softly(where, Deletion(_BY, detail, None, now), lambda _session: True)
    if gone:  # else another worker deleted them
        with write() as session:
            _note(session, integration_id, gone, days, now)
    return gone


def _note(session: Session, integration_id: int, gone: int, days: int, now: datetime) -> None:
    integration = session.get_one(Integration, integration_id)
    detail = f"{gone:,} devices that no sync has listed within {days} days"
    audit(session, _BY, "Deleted devices", now, integration, detail=detail)
