"""Device syncs, deletions on hold and users in the public API."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, select

from harmony.api.collection import Collection
from harmony.api.schemas import HoldItem, RunItem, UserItem
from harmony.models import Hold, HoldState, SyncRun, User
from harmony.models.access import Role
from harmony.security.permissions import Permission
from harmony.security.principal import Principal
from harmony.sync.deletion.guard import Reason
from harmony.web.runs.queries import COLUMNS as RUN_COLUMNS
from harmony.web.runs.queries import FILTERS as RUN_FILTERS
from harmony.web.runs.queries import RUNS_NEWEST_FIRST
from harmony.web.shared.filters import ChoiceFilter, Filter, Filters, IdFilter, words_of
from harmony.web.shared.hidden import shown
from harmony.web.shared.paging import Order, Query

_RUN = tuple(name for name in RunItem.__struct_fields__)
_HOLD_FILTERS: tuple[Filter, ...] = (
    IdFilter("integration", Hold.integration_id),
    ChoiceFilter("state", Hold.state, words_of(HoldState)),
)
_HOLDS_NEWEST_FIRST = Order(Hold.id)
_USERS_NEWEST_FIRST = Order(User.id)
_HOLD = tuple(getattr(Hold, name) for name in HoldItem.__struct_fields__)
_USER = tuple(getattr(User, name) for name in UserItem.__struct_fields__)


def _runs(filters: Filters) -> tuple[Query, Order]:
    rows: Query = select(*RUN_COLUMNS, SyncRun.integration_id)
    return rows.where(*filters.conditions(), *shown(SyncRun.integration_id)), RUNS_NEWEST_FIRST


def _run(row: Row[Any], _principal: Principal) -> RunItem:
    return RunItem(**{name: getattr(row, name) for name in _RUN})


def _holds(filters: Filters) -> tuple[Query, Order]:
    rows: Query = select(*_HOLD)
    return rows.where(*filters.conditions(), *shown(Hold.integration_id)), _HOLDS_NEWEST_FIRST


def hold_record(row: Row[Any] | Hold, _principal: Principal) -> HoldItem:
    """Return the record of a hold, its reasons as sentences."""
    values = {name: getattr(row, name) for name in HoldItem.__struct_fields__}
    return HoldItem(**values | {"reasons": [Reason.read(stored).sentence for stored in row.reasons]})


def _users(filters: Filters) -> tuple[Query, Order]:
    rows: Query = select(*_USER)
    return rows.where(*filters.conditions()), _USERS_NEWEST_FIRST


def _user(row: Row[Any], _principal: Principal) -> UserItem:
    return UserItem(**{name: getattr(row, name) for name in UserItem.__struct_fields__})


RUNS = Collection(
    name="runs",
    noun="device sync",
    record=RunItem,
    permission=Permission.VIEW_ALL,
    query=_runs,
    record_of=_run,
    filters=(IdFilter("integration", SyncRun.integration_id), *RUN_FILTERS),
)
HOLDS = Collection(
    name="holds",
    noun="deletion on hold",
    record=HoldItem,
    permission=Permission.VIEW_ALL,
    query=_holds,
    record_of=hold_record,
    filters=_HOLD_FILTERS,
)
USERS = Collection(
    name="users",
    noun="user",
    record=UserItem,
    permission=Permission.ADMINISTER,
    query=_users,
    record_of=_user,
    filters=(ChoiceFilter("role", User.role, words_of(Role)),),
)
