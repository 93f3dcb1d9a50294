"""The rows behind the list of devices: its filters, a page with the addresses of its neighbours, a file."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from operator import itemgetter
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, func, select, true

from harmony.db import db
from harmony.db.personal import hides_personal_data
from harmony.device_api.registration.two_profiles import lacks_app
from harmony.models import Device, DeviceStatus, Profile, TagLink
from harmony.protection.catalogue import CATALOGUE
from harmony.sync.deletion import soft_delete
from harmony.web.devices.assessment import RISK, RiskFilter, named_risk, risk_label
from harmony.web.devices.counts import numbers, open_factors
from harmony.web.devices.related_filters import (
    AppFilter,
    FactorFilter,
    GroupFilter,
    PlatformFilter,
    ProfileFilter,
    TagFilter,
    are_few,
    are_few_to_sort,
)
from harmony.web.devices.search import DeviceSearch
from harmony.web.shared.filters import Filter, Filters, IdFilter
from harmony.web.shared.hidden import shown
from harmony.web.shared.index_hints import Led, indexed, unindexed
from harmony.web.shared.integrations import connected_integrations
from harmony.web.shared.paging import Order, Page, Place, Query
from harmony.web.shared.scope import current_scope, in_scope
from harmony.web.shared.sorting import Sort

STATUS: Any = func.coalesce(Device.status, DeviceStatus.PROVISIONED.value).label("status")
COLUMNS = (
    Device.id, Device.name, Device.name_key, Device.user_name, Device.email, Device.platform, Device.model,
    Device.os_version, Device.serial, Device.udid_key, Device.group_name, Device.last_seen_at,
    Device.missing_since, Device.deleted_at, Device.deleted_by, Device.added_by, STATUS, RISK,
    Device.status_rank, Device.risk_rank, Device.phone,
)  # fmt: skip
_ROWS: Query = select(*COLUMNS)
# What finds the place in the list, and what only marks a row, are of no use in a file.
_NOT_IN_FILE = {"name_key", "udid_key", "status_rank", "risk_rank", "phone"}
FILE = tuple(column.key for column in COLUMNS if column.key not in _NOT_IN_FILE)


class DeviceSelection(StrEnum):
    """Which devices: the missing or never listed of those that are not deleted, or the deleted alone."""

    MISSING = "missing"
    UNLISTED = "unlisted"
    DELETED = "deleted"


STATE_WORDS = {
    DeviceSelection.MISSING: "Missing",
    DeviceSelection.UNLISTED: "Not listed by the UEM",
    DeviceSelection.DELETED: "Deleted",
}


@dataclass(frozen=True, slots=True)
class _StateFilter(Filter):
    """Which devices of all; `columns` are set for those of a state."""

    columns: Mapping[DeviceSelection, tuple[Any, ...]]

    def choices(self) -> Collection[str]:
        return tuple(DeviceSelection)

    def read(self, text: str) -> DeviceSelection | None:
        return DeviceSelection(text) if text in set(DeviceSelection) else None

    def condition(self, value: DeviceSelection, led: Led) -> ColumnElement[bool]:
        live = () if value is DeviceSelection.DELETED else (Device.deleted_at.is_(None),)
        return and_(*(led(column).is_not(None) for column in self.columns[value]), *live)

    def is_few(self, value: DeviceSelection) -> bool:
        """Look no further than it takes to know whether an index finds few devices of the state."""
        return are_few(select(Device.id).where(*(column.is_not(None) for column in self.columns[value])))

    def word(self, value: DeviceSelection) -> str:
        return STATE_WORDS[value]


@dataclass(frozen=True, slots=True)
class _StatusFilter(Filter):
    """The status of protection; a device that never registered has none and is Provisioned."""

    column: Any

    def choices(self) -> Collection[str]:
        return tuple(DeviceStatus)

    def read(self, text: str) -> DeviceStatus | None:
        return DeviceStatus(text) if text in set(DeviceStatus) else None

    def condition(self, value: DeviceStatus, led: Led) -> ColumnElement[bool]:
        column = led(self.column)
        never: ColumnElement[bool] = column.is_(None)
        equal: ColumnElement[bool] = column == value.value
        return never if value is DeviceStatus.PROVISIONED else equal

    def is_few(self, value: DeviceStatus) -> bool:
        return are_few_to_sort(select(Device.id).where(self.condition(value, indexed)))


@dataclass(frozen=True, slots=True)
class _LackingFilter(Filter):
    """Devices with two profiles of which this one has no Protect app."""

    def choices(self) -> Collection[str]:
        return (Profile.PERSONAL, Profile.WORK)

    def read(self, text: str) -> Profile | None:
        return Profile(text) if text in {Profile.PERSONAL, Profile.WORK} else None

    def condition(self, value: Profile, led: Led) -> ColumnElement[bool]:  # none of its columns leads
        return lacks_app(connected_integrations(), value)

    def word(self, value: Profile) -> str:
        return f"{value.capitalize()} profile not registered"


FILTERS: tuple[Filter, ...] = (
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
    RiskFilter("risk"),
    PlatformFilter("platform"),
    GroupFilter("group", Device.group_name, 256),
    FactorFilter("factor", label="Threat factor"),
    TagFilter("tag", TagLink.present == true(), label="Tag in the UEM"),
    TagFilter("wanted", TagLink.wanted == true(), label="Tag wanted"),
    AppFilter("app"),
    ProfileFilter("profile", label="Protect on"),
    _LackingFilter("lacking", label="Android Enterprise"),
    # Last, so that it is looked at last.
    DeviceSearch("q", Device.search_text, label="Search"),
)
FACTORS = sorted(((code, factor.name) for code, factor in CATALOGUE.items()), key=itemgetter(1))
# Each walks an index of its own. The highest risk comes first. What moves at each contact has no index.
ORDERS = {
    "name": Order(Device.id, Device.name_key),
    "status": Order(Device.id, Device.status_rank, "status_rank", is_number=True),
    "risk": Order(Device.id, Device.risk_rank, "risk_rank", is_number=True).turned(),
    "platform": Order(Device.id, Device.platform, "platform"),
    "group": Order(Device.id, Device.group_name, "group_name"),
}


def filters_of(query: Mapping[str, str]) -> Filters:
    """Read what an address asks for."""
    return replace(Filters.from_query(FILTERS, query), sort=Sort.from_query(ORDERS, query))


def page_of(filters: Filters, query: Mapping[str, str]) -> tuple[Page, Place]:
    """Return the page that `filters` asks for, at the place that is read from an address."""
    rows, order = devices(filters)
    place = order.place(query)
    return order.page(rows, place), place


def every(filters: Filters) -> Iterator[Row[Any]]:
    """Yield all devices that `filters` asks for, in its order."""
    query, order = devices(filters)
    return order.every(query)


def rows_of(ids: Collection[int]) -> Sequence[Row[Any]]:
    """Return these devices, by name."""
    return db.session.execute(_ROWS.where(Device.id.in_(ids), *in_scope()).order_by(*by_name())).all()


def by_name() -> tuple[Any, ...]:
    """Return the order of devices by name; by id for a role that sees no personal data."""
    return (Device.id,) if hides_personal_data() else (Device.name_key, Device.id)


def written(row: Row[Any], name: str) -> object:
    """Return a value of the file; the risk as its word."""
    value = getattr(row, name)
    return risk_label(value) if name == RISK.key else value


def devices(filters: Filters) -> tuple[Query, Order]:
    """Return the devices of all pages and their order, after a look at which index should lead.

    Few devices that another index finds are sorted, which is less than walking all. That of a status or a
    risk leads where no other does.
    """
    few, sort = filters.leading(), filters.sort
    leading = (few - {"status", "risk"}) or few
    order = (sort.order if sort else ORDERS["name"]).without_names()
    query = _ROWS.where(*conditions_of(filters, leading))
    is_unindexed = leading and order.key is not None
    return query, replace(order, key=unindexed(order.key)) if is_unindexed else order


def conditions_of(
    filters: Filters, leading: Collection[str] | None = ("state",), without: Collection[str] = ()
) -> tuple[ColumnElement[bool], ...]:
    """Return what a device must meet to be in the list, on any page; without a state it is not deleted."""
    live = () if filters["state"] else (Device.deleted_at.is_(None),)
    of_filters = filters.conditions(leading=leading, without=without)
    return (*live, *of_filters, *shown(Device.integration_id), *in_scope())


def _number_of(filters: Filters) -> int | None:
    """Return the number that the overview has of the same devices; None where it has no such number."""
    narrowed = filters.values.keys() - {"q", "integration"}
    if not narrowed:
        return soft_delete.live(filters["integration"])
    if narrowed not in ({"status"}, {"risk"}):
        return None
    statuses, risks = numbers(filters["integration"])
    return statuses[filters["status"]] if narrowed == {"status"} else risks[named_risk(filters["risk"])]


def total(filters: Filters) -> int:
    """Count the devices, without the search text but for those that can be deleted or restored at once."""
    is_exact = filters["state"] in {DeviceSelection.DELETED, DeviceSelection.UNLISTED}
    if not is_exact and current_scope() is None and (found := _number_of(filters)) is not None:
        return found
    if not is_exact and filters.only("q", "factor") and filters["factor"]:
        return open_factors(filters["factor"])[filters["factor"]]
    leading = ("state",) if filters["state"] else None
    where = conditions_of(filters, leading, without=() if is_exact else ("q",))
    return db.session.scalar(select(func.count()).select_from(Device).where(*where)) or 0
