"""Pause, resume and remove an integration; none of them waits for a run, the run notices."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, update

from harmony.db import changed, write
from harmony.models import Integration, IntegrationState


def pause(integration_id: int) -> bool:
    """Stop syncing. A run under way stops at its next page. False when it was not active."""
    return _move(integration_id, IntegrationState.ACTIVE, IntegrationState.PAUSED, None)


def resume(integration_id: int, now: datetime) -> bool:
    """Sync again, at once. False when it was not paused."""
    return _move(integration_id, IntegrationState.PAUSED, IntegrationState.ACTIVE, now)


def remove(integration_id: int) -> None:
    """Remove the integration with its devices and runs; a run under way loses its lease and ends."""
    with write() as session:
        session.execute(delete(Integration).where(Integration.id == integration_id))


def _move(integration_id: int, old: IntegrationState, new: IntegrationState, due: datetime | None) -> bool:
    with write() as session:
        move = (
            update(Integration)
            .where(Integration.id == integration_id, Integration.state == old)
            .values(state=new, next_sync_at=due, sync_requested_at=None, sync_requested_by=None)
        )
        return changed(session, move) == 1
