"""How many live devices of an integration have each status and each risk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, or_, select

from harmony.db import bulk, db, is_sqlite
from harmony.device_api.registration.two_profiles import lacks_app
from harmony.jobs.device_sync import choice
from harmony.models import Device, DeviceStatus, Finding, Integration, Profile, Risk
from harmony.web.shared.hidden import hidden_ids, shown
from harmony.web.shared.scope import device_in_scope

# Each number in an index of its own, which no statement that groups would do. Most devices have the status
# and the risk that are not asked for: they are the rest. Those of the only integration are all that there
# are, which a database tells without looking at each.
_SELECT_DEVICE_COUNTS = """
SELECT
    CASE WHEN (SELECT count(*) FROM integration) = 1 THEN (SELECT count(*) FROM device)
        ELSE (SELECT count(*) FROM device WHERE integration_id = ?) END AS every_one,
    (SELECT count(*) FROM device WHERE integration_id = ? AND deleted_at IS NOT NULL) AS deleted,
    (SELECT count(*) FROM device WHERE integration_id = ? AND missing_since IS NOT NULL
        AND absent_from IS NOT NULL AND deleted_at IS NULL) AS missing,
    (SELECT count(*) FROM device WHERE integration_id = ? AND added_by IS NOT NULL AND deleted_at IS NULL)
        AS unlisted,
    (SELECT count(*) FROM device WHERE status IS NULL AND integration_id = ? AND deleted_at IS NULL)
        AS unregistered,
    (SELECT count(*) FROM device WHERE status = 'inactive' AND integration_id = ? AND deleted_at IS NULL)
        AS inactive,
    (SELECT count(*) FROM device WHERE risk = 1 AND risk > 0 AND integration_id = ? AND deleted_at IS NULL)
        AS low,
    (SELECT count(*) FROM device WHERE risk = 2 AND risk > 0 AND integration_id = ? AND deleted_at IS NULL)
        AS medium,
    (SELECT count(*) FROM device WHERE risk = 3 AND risk > 0 AND integration_id = ? AND deleted_at IS NULL)
        AS high,
    (SELECT count(*) FROM device WHERE status IS NULL AND integration_id = ? AND deleted_at IS NULL
        AND risk > 0) AS left_behind
"""
# The same for PostgreSQL. After a sync it has to look at the row behind each entry of an index, until the
# table is vacuumed: the numbers that are large are counted together, those that are small as above.
_SELECT_DEVICE_COUNTS_TOGETHER = """
SELECT
    together.every_one,
    (SELECT count(*) FROM device WHERE integration_id = ? AND deleted_at IS NOT NULL) AS deleted,
    (SELECT count(*) FROM device WHERE integration_id = ? AND missing_since IS NOT NULL
        AND absent_from IS NOT NULL AND deleted_at IS NULL) AS missing,
    (SELECT count(*) FROM device WHERE integration_id = ? AND added_by IS NOT NULL AND deleted_at IS NULL)
        AS unlisted,
    together.unregistered,
    together.inactive,
    (SELECT count(*) FROM device WHERE risk = 1 AND risk > 0 AND integration_id = ? AND deleted_at IS NULL)
        AS low,
    (SELECT count(*) FROM device WHERE risk = 2 AND risk > 0 AND integration_id = ? AND deleted_at IS NULL)
        AS medium,
    (SELECT count(*) FROM device WHERE risk = 3 AND risk > 0 AND integration_id = ? AND deleted_at IS NULL)
        AS high,
    (SELECT count(*) FROM device WHERE status IS NULL AND integration_id = ? AND deleted_at IS NULL
        AND risk > 0) AS left_behind
FROM (
    SELECT
        count(*) AS every_one,
        count(*) FILTER (WHERE status IS NULL AND deleted_at IS NULL) AS unregistered,
        count(*) FILTER (WHERE status = 'inactive' AND deleted_at IS NULL) AS inactive
    FROM device WHERE integration_id = ?
) AS together
"""


@dataclass(frozen=True, slots=True)
class DeviceCounts:
    """An integration's devices in numbers; of the risks, None are those not assessed.

    A device that never registered has no row of its own for status and risk and is Provisioned.
    """

    statuses: Mapping[DeviceStatus, int]
    risks: Mapping[Risk | None, int]
    missing: int
    deleted: int
    unlisted: int

    @property
    def live(self) -> int:
        """Return the number that is not deleted, missing ones included."""
        return sum(self.statuses.values())


def of_integration(integration_id: int) -> DeviceCounts:
    """Count the devices of an integration, the live ones by status and by risk, the highest first."""
    statement = _SELECT_DEVICE_COUNTS if is_sqlite() else _SELECT_DEVICE_COUNTS_TOGETHER
    (row,) = bulk.fetch_all(db.session(), statement, (integration_id,) * statement.count("?"))
    every_one, deleted, missing, unlisted, unregistered, inactive, low, medium, high, left_behind = row
    live, not_assessed = every_one - deleted, unregistered - left_behind
    statuses = {
        DeviceStatus.PROVISIONED: unregistered,
        DeviceStatus.ACTIVE: live - unregistered - inactive,
        DeviceStatus.INACTIVE: inactive,
    }
    risky: dict[Risk | None, int] = {Risk.HIGH: high, Risk.MEDIUM: medium, Risk.LOW: low}
    no_risk = live - not_assessed - sum(risky.values())
    risks = {**risky, Risk.NONE: no_risk, None: not_assessed}
    return DeviceCounts(statuses, risks, missing, deleted, unlisted)


@dataclass(frozen=True, slots=True)
class LiveDevices:
    """Live devices in numbers: by status, risk (None: not assessed) and platform, as the UEM spells it."""

    statuses: Counter[DeviceStatus]
    risks: Counter[Risk | None]
    platforms: Counter[str]
    # By integration, where that was counted with them.
    integrations: Counter[int] | None = None


def numbers(integration_id: int | None) -> tuple[Counter[DeviceStatus], Counter[Risk | None]]:
    """Count the live devices of an integration, or of all that are shown, by status and by risk."""
    if not is_sqlite():
        found = in_one_reading(() if integration_id is None else (Device.integration_id == integration_id,))
        return found.statuses, found.risks
    statuses, risks = Counter[DeviceStatus](), Counter[Risk | None]()
    every_one = db.session.scalars(select(Integration.id).where(*shown(Integration.id)))
    for id_ in every_one if integration_id is None else (integration_id,):
        counts = of_integration(id_)
        statuses.update(counts.statuses)
        risks.update(counts.risks)
    return statuses, risks


def live_devices(conditions: Sequence[ColumnElement[bool]]) -> LiveDevices:
    """Count the live devices that are shown and meet some conditions."""
    if conditions or not is_sqlite():
        return in_one_reading(conditions)
    platforms = Counter(_by_platform())
    # Counted in the index of platforms, then less the devices that do not show, which are few.
    platforms.subtract(_by_platform(unseen()))
    return LiveDevices(*numbers(None), platforms)


def in_one_reading(conditions: Sequence[ColumnElement[bool]]) -> LiveDevices:
    """Count likewise by a single statement, which reads the table once.

    PostgreSQL can count in an index alone only what was vacuumed since it last changed: ten numbers, each in
    its own index, read most of the table ten times between two runs of autovacuum.
    """
    kinds = (Device.status, Device.risk, Device.platform, Device.integration_id)
    live = (Device.deleted_at.is_(None), *shown(Device.integration_id), *conditions)
    found = LiveDevices(Counter(), Counter(), Counter(), owners := Counter[int]())
    for status, risk, platform, integration_id, count in db.session.execute(
        select(*kinds, func.count()).where(*live).group_by(*kinds)
    ):
        found.statuses[DeviceStatus(status or DeviceStatus.PROVISIONED)] += count
        # A risk that a Protect app left behind is shown although it is gone.
        found.risks[Risk(risk) if status or risk else None] += count
        found.platforms[platform] += count
        owners[integration_id] += count
    return found


def _by_platform(*conditions: ColumnElement[bool]) -> dict[str, int]:
    rows = select(Device.platform, func.count()).where(*conditions).group_by(Device.platform)
    return {platform: count for platform, count in db.session.execute(rows)}


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
