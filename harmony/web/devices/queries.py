"""The rows behind the list of devices: its filters, a page with the addresses of its neighbours, a file."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, func, literal, select

from harmony.db import db
from harmony.models import Device, DeviceStatus, Risk
from harmony.sync.deletion import soft_delete
from harmony.web.shared.filters import ChoiceFilter, Filter, Filters, IdFilter, Led, TextFilter, unindexed
from harmony.web.shared.paging import Order, Page, Place, Query

# Up to so many devices of a state are sorted; of more, the index of names is walked.
FEW = 5000
STATUS: Any = func.coalesce(Device.status, DeviceStatus.PROVISIONED.value).label("status")
COLUMNS = (
    Device.id, Device.name, Device.name_key, Device.user_name, Device.email, Device.platform, Device.model,
    Device.os_version, Device.serial, Device.udid_key, Device.group_name, Device.last_seen_at,
    Device.missing_since, Device.deleted_at, Device.deleted_by, Device.added_by, STATUS, Device.risk,
)  # fmt: skip
# What finds the place in the list, and what only marks a row, are of no use in a file.
FILE = tuple(column.key for column in COLUMNS if column.key not in {"name_key", "udid_key"})
# Written into the statement: a bound value would hide from SQLite that the index of the risky fits.
_RISKS = {risk.name.lower(): literal(int(risk), literal_execute=True) for risk in Risk}


class DeviceSelection(StrEnum):
    """Which devices: the missing or never listed of those that are not deleted, or the deleted alone."""

    MISSING = "missing"
    UNLISTED = "unlisted"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class _StateFilter(Filter):
    """Which devices of all; `columns` are set for those of a state."""

    columns: Mapping[DeviceSelection, tuple[Any, ...]]

    def read(self, text: str) -> DeviceSelection | None:
        return DeviceSelection(text) if text in set(DeviceSelection) else None

    def condition(self, value: DeviceSelection, led: Led) -> ColumnElement[bool]:
        live = () if value is DeviceSelection.DELETED else (Device.deleted_at.is_(None),)
        return and_(*(led(column).is_not(None) for column in self.columns[value]), *live)

    def is_few(self, value: DeviceSelection) -> bool:
        """Look no further than it takes to know whether an index finds few devices of the state."""
        found = (column.is_not(None) for column in self.columns[value])
        some = select(Device.id).where(*found).limit(FEW + 1).subquery()
        return (db.session.scalar(select(func.count()).select_from(some)) or 0) <= FEW


@dataclass(frozen=True, slots=True)
class _StatusFilter(Filter):
    """The status of protection; a device that never registered has none and is Provisioned."""

    column: Any

    def read(self, text: str) -> DeviceStatus | None:
        return DeviceStatus(text) if text in set(DeviceStatus) else None

    def condition(self, value: DeviceStatus, led: Led) -> ColumnElement[bool]:
        column = led(self.column)
        never: ColumnElement[bool] = column.is_(None)
        equal: ColumnElement[bool] = column == value.value
        return never if value is DeviceStatus.PROVISIONED else equal


FILTERS: tuple[Filter, ...] = (
    TextFilter("q", Device.search_text),
    IdFilter("integration", Device.integration_id),
    _StateFilter(
        "state",
        {
            # Two of the missing, so that their index wins over others.
            DeviceSelection.MISSING: (Device.missing_since, Device.absent_from),
            DeviceSelection.UNLISTED: (Device.added_by,),
            DeviceSelection.DELETED: (Device.deleted_at,),
        },
    ),
    _StatusFilter("status", Device.status),
    ChoiceFilter("risk", Device.risk, _RISKS),
)
BY_NAME = Order(Device.id, Device.name_key)
# Few devices that another index finds are sorted, which is less than walking all names.
_SORTED = Order(Device.id, unindexed(Device.name_key))


def filters_of(query: Mapping[str, str]) -> Filters:
    """Read what an address asks for."""
    return Filters.from_query(FILTERS, query)


def page_of(filters: Filters, place: Place) -> Page:
    """Return the page that `filters` asks for."""
    query, order = devices(filters)
    return order.page(query, place)


def every(filters: Filters) -> Iterator[Row[Any]]:
    """Yield all devices that `filters` asks for, by name."""
    query, order = devices(filters)
    return order.every(query)


def devices(filters: Filters) -> tuple[Query, Order]:
    """Return the devices of all pages and their order, after a look at which index should lead."""
    leading = filters.leading()
    query: Query = select(*COLUMNS).where(*conditions_of(filters, leading))
    return query, _SORTED if leading else BY_NAME


def conditions_of(
    filters: Filters, leading: Collection[str] | None = ("state",), without: Collection[str] = ()
) -> tuple[ColumnElement[bool], ...]:
    """Return what a device must meet to be in the list, on any page; without a state it is not deleted."""
    live = () if filters["state"] else (Device.deleted_at.is_(None),)
    return (*filters.conditions(leading=leading, without=without), *live)


def total(filters: Filters) -> int:
    """Count the devices, without the search text but for those that can be deleted or restored at once."""
    is_exact = filters["state"] in {DeviceSelection.DELETED, DeviceSelection.UNLISTED}
    if not is_exact and filters.only("q", "integration"):
        return soft_delete.live(filters["integration"])
    leading = ("state",) if filters["state"] else None
    where = conditions_of(filters, leading, without=() if is_exact else ("q",))
    return db.session.scalar(select(func.count()).select_from(Device).where(*where)) or 0
