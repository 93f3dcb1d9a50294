"""How devices stand: conditions, columns and counts by status and by risk.

A device that never registered has no row for it and is Provisioned, No Risk: what asks for these asks for
everything but the rows that say otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, not_, select

from harmony.db import db
from harmony.models import Device, DeviceStatus, Protection, Risk
from harmony.sync import deletion

# Up to so many it is less work to sort them than to walk through the names of all devices.
FEW = 5000
STATUS: Any = func.coalesce(Protection.status, DeviceStatus.PROVISIONED.value).label("status")
RISK: Any = func.coalesce(Protection.risk, int(Risk.NONE)).label("risk")
RISKS = {risk.name.lower(): risk for risk in Risk}


@dataclass(frozen=True, slots=True)
class Wanted:
    """The status and the risk that are asked for; None for any."""

    status: DeviceStatus | None = None
    risk: Risk | None = None

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> Wanted:
        """Words that do not exist are no filter."""
        status = query.get("status", "")
        known = DeviceStatus(status) if status in set(DeviceStatus) else None
        return cls(known, RISKS.get(query.get("risk", "")))

    def __bool__(self) -> bool:
        return self.status is not None or self.risk is not None

    @property
    def query(self) -> dict[str, Any]:
        """The same as the parts of an address."""
        return {
            "status": self.status and self.status.value,
            "risk": None if self.risk is None else self.risk.name.lower(),
        }

    @property
    def _without_a_row(self) -> bool:
        """Whether a device that has no row is meant as well."""
        return self.status in {None, DeviceStatus.PROVISIONED} and self.risk in {None, Risk.NONE}

    @property
    def _said(self) -> ColumnElement[bool]:
        parts: list[ColumnElement[bool]] = []
        if self.status is not None:
            parts.append(Protection.status == self.status.value)
        if self.risk is not None:
            parts.append(Protection.risk == int(self.risk))
        return and_(*parts)

    def condition(self, *, few: bool) -> ColumnElement[bool]:
        """For a statement over devices; `few` are found by what is said of them, many as names are read."""
        mine = Protection.device_id == Device.id
        if self._without_a_row:
            return not_(exists().where(mine, not_(self._said)).correlate(Device))
        if few:
            return Device.id.in_(select(Protection.device_id).where(self._said))
        return exists().where(mine, self._said).correlate(Device)

    def is_few(self) -> bool:
        """Whether few devices stand so; looks no further than that takes."""
        if not self or self._without_a_row:
            return False
        some = select(Protection.device_id).where(self._said).limit(FEW + 1).subquery()
        return (db.session.scalar(select(func.count()).select_from(some)) or 0) <= FEW

    def count(self, integration_id: int | None = None) -> int:
        """How many live devices stand so, of one integration or of all."""
        if not self:
            return deletion.live(integration_id)
        if self._without_a_row:
            return deletion.live(integration_id) - _live(not_(self._said), integration_id)
        return _live(self._said, integration_id)


ANY = Wanted()


def by_status(integration_id: int) -> dict[DeviceStatus, int]:
    """How many live devices of the integration have each status."""
    return {status: Wanted(status).count(integration_id) for status in DeviceStatus}


def by_risk(integration_id: int) -> dict[Risk, int]:
    """How many live devices of the integration are at each risk, the highest first."""
    return {risk: Wanted(risk=risk).count(integration_id) for risk in sorted(Risk, reverse=True)}


def _live(said: ColumnElement[bool], integration_id: int | None) -> int:
    """Rows that say so, without those of deleted devices, which are few and have an index of their own."""
    rows: Any = select(func.count()).select_from(Protection).where(said)
    deleted: Any = (
        select(func.count())
        .select_from(Device)
        .join(Protection, Protection.device_id == Device.id)
        .where(said, Device.deleted_at.is_not(None))
    )
    if integration_id is not None:
        rows = rows.where(Protection.integration_id == integration_id)
        deleted = deleted.where(Device.integration_id == integration_id)
    return (db.session.scalar(rows) or 0) - (db.session.scalar(deleted) or 0)
