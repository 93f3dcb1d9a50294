"""The rows behind the run pages: runs of an integration, what a device sync skipped and changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import literal, select

from harmony.clock import now
from harmony.jobs.kinds import KINDS, JobKind
from harmony.models import Device, DeviceEvent, Happening, JobRun, SkippedDevice, SyncKind, SyncRunState
from harmony.web.shared.filters import ChoiceFilter, Filter, Filters, words_of
from harmony.web.shared.paging import Order, Query

# The words of the pages and of the README's glossary.
_SYNCS = {SyncKind.SNAPSHOT: "Full sync", SyncKind.DELTA: "Refresh", SyncKind.EVENTS: "UEM events"}
SYNC_NAMES = {kind.value: word for kind, word in _SYNCS.items()}
# The name of a run, by what a device sync reads or by its kind of job.
NAMES = {kind.value: spec.words.title for kind, spec in KINDS.items()} | SYNC_NAMES
_ADDED = "added"
# Each number of a run and what stands in the history of the devices it counts.
BEHIND: dict[str, tuple[Happening, ...]] = {
    _ADDED: (),
    "updated": (Happening.CHANGED, Happening.ENROLLED_AGAIN, Happening.DETACHED, Happening.LISTED),
    "missing": (Happening.MISSING,),
    "reappeared": (Happening.REAPPEARED,),
    "deleted": (Happening.DELETED,),
    "restored": (Happening.RESTORED,),
}
COLUMNS = (
    JobRun.id, JobRun.kind, JobRun.sync_kind, JobRun.state, JobRun.started_by, JobRun.started_at,
    JobRun.finished_at, JobRun.counts, JobRun.calls, JobRun.quota_left, JobRun.quota_limit, JobRun.version,
    JobRun.reason, JobRun.advice,
)  # fmt: skip
_SKIPPED = (
    SkippedDevice.id, SkippedDevice.external_id, SkippedDevice.reason, Device.id.label("device_id"),
)  # fmt: skip
_EVENT = (
    DeviceEvent.id, DeviceEvent.at, DeviceEvent.kind, DeviceEvent.detail, DeviceEvent.device_id,
    Device.name, Device.deleted_at,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class JobFilter(ChoiceFilter):
    """The kind of job; its index has the order of the list."""

    def is_few(self, value: str) -> bool:
        return True

    def word(self, value: str) -> str:
        return NAMES[value]


FILTERS: tuple[Filter, ...] = (
    JobFilter("job", JobRun.kind, words_of(JobKind)),
    ChoiceFilter("state", JobRun.state, words_of(SyncRunState)),
    ChoiceFilter("kind", JobRun.sync_kind, words_of(SyncKind)),
)
RUNS_NEWEST_FIRST = Order(JobRun.id)
SKIPPED_NEWEST_FIRST = Order(SkippedDevice.id)


def runs(integration_id: int, filters: Filters) -> Query:
    """Return the runs of the integration, with all columns that a page or a file shows."""
    conditions = filters.conditions(leading=filters.leading())
    query: Query = select(*COLUMNS).where(JobRun.integration_id == integration_id, *conditions)
    return query


def of_job(integration_id: int, kind: JobKind) -> Query:
    """Return the runs of one job."""
    return runs(integration_id, Filters(FILTERS, {"job": kind.value}))


def skipped(run: JobRun) -> Query:
    """The devices the run could not read, with ours of the same id if there is one."""
    same = Device.external_id == SkippedDevice.external_id
    return (
        select(*_SKIPPED)
        .outerjoin(Device, (Device.integration_id == run.integration_id) & same)
        .where(SkippedDevice.run_id == run.id)
    )


def devices(run: JobRun, number: str) -> tuple[Query, Order]:
    """The devices behind that number of the run: id, at, kind, detail, device_id, name, deleted_at."""
    return _added(run) if number == _ADDED else _changed(run, BEHIND[number])


def number_asked_for(run: JobRun, name: str | None) -> str:
    """Which number of the run is looked into; without a known one the first that counts anything."""
    if name in BEHIND:
        return str(name)
    return next((count for count in BEHIND if run.count(count)), _ADDED)


def table_context() -> dict[str, Any]:
    """Return what the table of runs (runs/_table.html) needs besides its rows."""
    return {
        "names": NAMES,
        "jobs": {kind.value: spec.words for kind, spec in KINDS.items()},
        "length": length,
    }


def length(started_at: datetime, finished_at: datetime | None) -> str:
    """Return how long a run took, as a person says it.

    >>> from datetime import timedelta
    >>> start = datetime(2026, 1, 15, 12)
    >>> [length(start, start + timedelta(seconds=s)) for s in (0.44, 59.94, 61, 7384)]
    ['0.4 s', '59.9 s', '1 min 01 s', '2 h 03 min']
    """
    if finished_at is None:
        return "not yet"
    seconds = max(0.0, (finished_at - started_at).total_seconds())
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min {rest:02} s"


def _changed(run: JobRun, kinds: Iterable[Happening]) -> tuple[Query, Order]:
    query = (
        select(*_EVENT)
        .join(Device, Device.id == DeviceEvent.device_id)
        .where(DeviceEvent.run_id == run.id, DeviceEvent.kind.in_([kind.value for kind in kinds]))
    )
    return query, Order(DeviceEvent.id)


def _added(run: JobRun) -> tuple[Query, Order]:
    """A device has no line for its arrival: it was made while the run ran."""
    query = select(
        Device.id, Device.created_at.label("at"), literal(_ADDED).label("kind"),
        literal("").label("detail"), Device.id.label("device_id"), Device.name, Device.deleted_at,
    ).where(
        Device.integration_id == run.integration_id,
        Device.added_by.is_(None),
        Device.created_at.between(run.started_at, run.finished_at or now()),
    )  # fmt: skip
    return query, Order(Device.id)
