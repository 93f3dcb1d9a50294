"""Runs, deletions on hold and users in the public API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, select

from harmony.api.collection import Collection
from harmony.api.schemas import HoldItem, RunItem, UserItem
from harmony.jobs.kinds import KINDS, JobKind
from harmony.models import Hold, HoldState, JobRun, Role, SyncKind, User
from harmony.security.permissions import Permission
from harmony.security.principal import Principal
from harmony.sync.deletion.guard import Reason
from harmony.web.runs.queries import COLUMNS as RUN_COLUMNS
from harmony.web.runs.queries import FILTERS as RUN_FILTERS
from harmony.web.runs.queries import RUNS_NEWEST_FIRST, JobFilter
from harmony.web.shared.filters import ChoiceFilter, Filter, Filters, IdFilter, words_of
from harmony.web.shared.hidden import shown
from harmony.web.shared.paging import Order, Query

_SYNC_COUNTS = ("devices_read", *KINDS[JobKind.DEVICES].words.counts)
_RUN = frozenset(RunItem.__struct_fields__) - {"job", "kind", *_SYNC_COUNTS}
_HOLD_FILTERS: tuple[Filter, ...] = (
    IdFilter("integration", Hold.integration_id),
    ChoiceFilter("state", Hold.state, words_of(HoldState)),
)
_HOLDS_NEWEST_FIRST = Order(Hold.id)
_USERS_NEWEST_FIRST = Order(User.id)
_HOLD = tuple(getattr(Hold, name) for name in HoldItem.__struct_fields__)
_USER = tuple(getattr(User, name) for name in UserItem.__struct_fields__)


def _runs(filters: Filters) -> tuple[Query, Order]:
    rows: Query = select(*RUN_COLUMNS, JobRun.integration_id)
    return rows.where(*filters.conditions(), *shown(JobRun.integration_id)), RUNS_NEWEST_FIRST


def _run(row: Row[Any], _principal: Principal) -> RunItem:
    values = {name: getattr(row, name) for name in _RUN}
    counts = {name: row.counts.get(name, 0) for name in _SYNC_COUNTS}
    kind = SyncKind(row.sync_kind) if row.sync_kind else None
    return RunItem(**values | counts, job=JobKind(row.kind), kind=kind)


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


@dataclass(frozen=True, slots=True)
class _DeviceSyncsByDefault(JobFilter):
    """The kind of job; a list that asks for none has device syncs, as it had before there were others."""

    def read(self, text: str) -> str | None:
        return super(_DeviceSyncsByDefault, self).read(text or JobKind.DEVICES.value)


RUNS = Collection(
    name="runs",
    noun="run",
    record=RunItem,
    permission=Permission.VIEW_ALL,
    query=_runs,
    record_of=_run,
    filters=(
        IdFilter("integration", JobRun.integration_id),
        _DeviceSyncsByDefault("job", JobRun.kind, words_of(JobKind)),
        *RUN_FILTERS[1:],
    ),
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
