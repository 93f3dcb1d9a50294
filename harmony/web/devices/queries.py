"""The rows behind the list of devices: its filters, a page with the addresses of its neighbours, a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, func, literal, select

from harmony.db import db
from harmony.models import Device, DeviceStatus, Risk
from harmony.sync.deletion import soft_delete
from harmony.web.shared import by_name as shared_by_name
from harmony.web.shared.by_name import BEGINNING, Key, Page, Place, Query
from harmony.web.shared.filters import Choice, Filter, Filters, Number, Text, unindexed

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
RISKS = {risk.name.lower(): literal(int(risk), literal_execute=True) for risk in Risk}


class Shown(StrEnum):
    """Which devices: the missing or never listed of those that are not deleted, or the deleted alone."""

    MISSING = "missing"
    UNLISTED = "unlisted"
    DELETED = "deleted"


# The columns that are set for them: two of the missing, so that their index wins over others.
STATES: dict[Shown, tuple[Any, ...]] = {
    Shown.MISSING: (Device.missing_since, Device.absent_from),
    Shown.UNLISTED: (Device.added_by,),
    Shown.DELETED: (Device.deleted_at,),
}


@dataclass(frozen=True, slots=True)
class State:
    """Which devices of all; the deleted only where they are asked for."""

    leads: bool
    name: str = "state"

    def read(self, text: str) -> Shown | None:
        return Shown(text) if text in set(Shown) else None

    def condition(self, value: Shown) -> ColumnElement[bool]:
        columns = STATES[value] if self.leads else map(unindexed, STATES[value])
        live = () if value is Shown.DELETED else (Device.deleted_at.is_(None),)
        return and_(*(column.is_not(None) for column in columns), *live)


@dataclass(frozen=True, slots=True)
class Status:
    """The status of protection; a device that never registered has none and is Provisioned."""

    column: Any
    name: str = "status"

    def read(self, text: str) -> DeviceStatus | None:
        return DeviceStatus(text) if text in set(DeviceStatus) else None

    def condition(self, value: DeviceStatus) -> ColumnElement[bool]:
        never: ColumnElement[bool] = self.column.is_(None)
        equal: ColumnElement[bool] = self.column == value.value
        return never if value is DeviceStatus.PROVISIONED else equal


def _filters(*, state_leads: bool = False, others_lead: bool = False) -> tuple[Filter, ...]:
    """The filters of the list, by which of their columns SQLite may look for an index."""
    led = _as_it_is if others_lead else unindexed
    return (
        Text("q", Device.search_text),
        Number("integration", led(Device.integration_id)),
        State(state_leads),
        Status(led(Device.status)),
        Choice("risk", RISKS, led(Device.risk)),
    )


def _as_it_is(column: Any) -> Any:
    return column


# A page of all devices walks their names; the few of a state are sorted; a count takes what it finds.
FILTERS = _filters()
_OF_A_STATE = _filters(state_leads=True)
COUNTED = _filters(others_lead=True)


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of rows, and how many the filters find.

    `total` counts without the search text, except where all of them can be deleted or restored at once.
    """

    page: Page
    total: int


def filters_of(query: Mapping[str, str]) -> Filters:
    """What an address asks for."""
    return Filters.from_query(FILTERS, query)


def list_devices(filters: Filters, place: Place) -> Listed:
    """The page that `filters` asks for."""
    return Listed(shared_by_name.page_of(*_query(filters), place), _total(filters))


def every(filters: Filters) -> Iterator[Row[Any]]:
    """All devices that `filters` asks for, by name."""
    return shared_by_name.every(*_query(filters))


def statement(filters: Filters, place: Place = BEGINNING) -> Query:
    """One page and one row more."""
    return shared_by_name.statement(*_query(filters), place)


def conditions_of(
    filters: Filters, kinds: tuple[Filter, ...] = _OF_A_STATE, without: Sequence[str] = ()
) -> tuple[ColumnElement[bool], ...]:
    """What a device must meet to be in the list, on whichever page; without a state it is not deleted."""
    live = () if filters["state"] else (Device.deleted_at.is_(None),)
    return (*replace(filters, kinds=kinds).conditions(without=without), *live)


def by_name(*, few: bool) -> Key:
    """The order of a list; few devices that another index finds are sorted, which is less than all names."""
    return Key(Device.name_key.concat("") if few else Device.name_key, Device.id)  # type: ignore[arg-type] # columns


def _query(filters: Filters) -> tuple[Query, Key]:
    few = filters["state"] is not None and _is_few(filters["state"])
    query: Query = select(*COLUMNS).where(*conditions_of(filters, _OF_A_STATE if few else FILTERS))
    return query, by_name(few=few)


def _is_few(state: Shown) -> bool:
    """Look no further than it takes to know whether an index finds few devices of the state."""
    found = (column.is_not(None) for column in STATES[state])
    some = select(Device.id).where(*found).limit(FEW + 1).subquery()
    return (db.session.scalar(select(func.count()).select_from(some)) or 0) <= FEW


def _total(filters: Filters) -> int:
    exact = filters["state"] in {Shown.DELETED, Shown.UNLISTED}
    if not exact and filters.only("q", "integration"):
        return soft_delete.live(filters["integration"])
    kinds = _OF_A_STATE if filters["state"] else COUNTED
    where = conditions_of(filters, kinds, without=() if exact else ("q",))
    return db.session.scalar(select(func.count()).select_from(Device).where(*where)) or 0
