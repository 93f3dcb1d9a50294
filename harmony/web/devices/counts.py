"""How many live devices of an integration have each status and each risk."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select

from harmony.db import db
from harmony.models import Device, DeviceStatus, Protection, Risk
from harmony.sync.deletion import soft_delete


def by_status(integration_id: int) -> dict[DeviceStatus, int]:
    """Count by status; a device that never registered has no row for it and is Provisioned."""
    counts = _counts(Protection.status, integration_id)
    counts[DeviceStatus.PROVISIONED] = _rest(integration_id, counts, DeviceStatus.PROVISIONED)
    return {status: counts.get(status, 0) for status in DeviceStatus}


def by_risk(integration_id: int) -> dict[Risk, int]:
    """Count by risk, the highest first; a device that never registered is at No Risk."""
    counts = _counts(Protection.risk, integration_id)
    counts[Risk.NONE] = _rest(integration_id, counts, Risk.NONE)
    return {risk: counts.get(risk, 0) for risk in sorted(Risk, reverse=True)}


def _rest(integration_id: int, counts: dict[Any, int], usual: object) -> int:
    return soft_delete.live(integration_id) - sum(
        number for value, number in counts.items() if value != usual
    )


def _counts(column: Any, integration_id: int) -> dict[Any, int]:
    """Count the rows in an index, then take off those of deleted devices, which are few."""
    rows = select(column, func.count()).where(Protection.integration_id == integration_id).group_by(column)
    deleted = (
        select(column, func.count())
        .join(Device, Device.id == Protection.device_id)
        .where(Device.integration_id == integration_id, Device.deleted_at.is_not(None))
        .group_by(column)
    )
    gone = {value: number for value, number in db.session.execute(deleted)}
    return {value: number - gone.get(value, 0) for value, number in db.session.execute(rows)}
