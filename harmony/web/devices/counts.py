"""How many live devices of an integration have each status and each risk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select

from harmony.db import db
from harmony.device_api.registration.two_profiles import lacks_app
from harmony.jobs.device_sync import choice
from harmony.models import Device, DeviceStatus, Finding, Integration, Profile, Protection, Risk
from harmony.sync.deletion import soft_delete
from harmony.web.devices.assessment import RISK
from harmony.web.shared.hidden import hidden_ids
from harmony.web.shared.scope import device_in_scope


def by_status(integration_id: int) -> dict[DeviceStatus, int]:
    """Count by status; a device that never registered has no row for it and is Provisioned."""
    counts = _counts(Protection.status, integration_id)
    counts[DeviceStatus.PROVISIONED] = _rest(
        soft_delete.live(integration_id), counts, DeviceStatus.PROVISIONED
    )
    return {status: counts.get(status, 0) for status in DeviceStatus}


def by_risk(integration_id: int, statuses: Mapping[DeviceStatus, int]) -> dict[Risk | None, int]:
    """Count by risk, the highest first; None are those not assessed: Provisioned and without a risk."""
    counts = _counts(Protection.risk, integration_id)
    live = (Device.integration_id == integration_id, Device.deleted_at.is_(None))
    left_behind = (
        select(func.count()).select_from(Device).where(*live, Device.status.is_(None), Device.risk > 0)
    )
    not_assessed = statuses[DeviceStatus.PROVISIONED] - (db.session.scalar(left_behind) or 0)
    counts[Risk.NONE] = _rest(sum(statuses.values()), counts, Risk.NONE) - not_assessed
    return {risk: counts.get(risk, 0) for risk in sorted(Risk, reverse=True)} | {None: not_assessed}


def statuses_of(conditions: Sequence[ColumnElement[bool]]) -> dict[DeviceStatus, int]:
    """Count the live devices that meet some conditions by status."""
    counts = _live(Device.status, conditions)
    return {status: counts.get(status.value, 0) for status in DeviceStatus} | {
        DeviceStatus.PROVISIONED: counts.get(None, 0)
    }


def risks_of(conditions: Sequence[ColumnElement[bool]]) -> dict[Risk | None, int]:
    """Count the live devices that meet some conditions by risk; None are those not assessed."""
    counts = _live(RISK, conditions)
    return {risk: counts.get(risk, 0) for risk in (*sorted(Risk, reverse=True), None)}


def _live(column: Any, conditions: Sequence[ColumnElement[bool]]) -> dict[Any, int]:
    rows = select(column, func.count()).where(Device.deleted_at.is_(None), *conditions).group_by(column)
    return {value: count for value, count in db.session.execute(rows)}


def unseen() -> ColumnElement[bool]:
    """Return the condition of devices that no list shows: deleted ones, those of a hidden integration."""
    hidden = hidden_ids()
    of_hidden = (Device.integration_id.in_(hidden),) if hidden else ()
    return or_(Device.deleted_at.is_not(None), *of_hidden)


def open_factors(code: str | None = None) -> Counter[str]:
    """Count the live devices on which a threat factor is open, by its code; of `code` alone, if given."""
    wanted = () if code is None else (Finding.code == code,)
    counts = Counter(_open_by_factor(wanted))
    # Counted in the index of open findings, then less the devices that do not show, which are few.
    gone = select(Device.id).where(unseen())
    counts.subtract(_open_by_factor((*wanted, Finding.device_id.in_(gone))))
    return counts


def _open_by_factor(conditions: Sequence[ColumnElement[bool]]) -> dict[str, int]:
    rows = (
        select(Finding.code, func.count(Finding.device_id.distinct()))
        .where(Finding.closed_at.is_(None), *conditions, *device_in_scope(Finding.device_id))
        .group_by(Finding.code)
    )
    return {code: count for code, count in db.session.execute(rows)}


def has_two_profiles(integration: Integration) -> bool:
    """Return True if devices with two profiles are expected: a group for Android Enterprise is chosen."""
    return any(group.android_enterprise for group in choice(integration).groups)


def lacking(integration: Integration) -> dict[Profile, int]:
    """Count the live devices with two profiles by the profile that has no Protect app."""
    if not has_two_profiles(integration):
        return {}
    live = (Device.integration_id == integration.id, Device.deleted_at.is_(None))
    counts = {
        profile: select(func.count()).select_from(Device).where(*live, lacks_app([integration], profile))
        for profile in (Profile.PERSONAL, Profile.WORK)
    }
    return {profile: db.session.scalar(count) or 0 for profile, count in counts.items()}


def _rest(live: int, counts: dict[Any, int], usual: object) -> int:
    return live - sum(number for value, number in counts.items() if value != usual)


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
