"""The rows behind the run pages: runs of an integration, what one of them skipped and changed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import literal, select

from harmony.clock import now
from harmony.models import Device, DeviceEvent, Happening, SkippedDevice, SyncKind, SyncRun, SyncRunState
from harmony.web.shared.filters import ChoiceFilter, Filter, Filters, words_of
from harmony.web.shared.paging import Order, Query

# The words of the pages and of the README's glossary.
KINDS = {SyncKind.SNAPSHOT: "Full sync", SyncKind.DELTA: "Refresh", SyncKind.EVENTS: "UEM events"}
ADDED = "added"
# Each number of a run and what stands in the history of the devices it counts.
BEHIND: dict[str, tuple[Happening, ...]] = {
    ADDED: (),
    "updated": (Happening.CHANGED, Happening.ENROLLED_AGAIN, Happening.DETACHED, Happening.LISTED),
    "missing": (Happening.MISSING,),
    "reappeared": (Happening.REAPPEARED,),
    "deleted": (Happening.DELETED,),
    "restored": (Happening.RESTORED,),
}
COLUMNS = (
    SyncRun.id, SyncRun.kind, SyncRun.state, SyncRun.started_by, SyncRun.started_at, SyncRun.finished_at,
    SyncRun.pages_read, SyncRun.devices_read, SyncRun.added, SyncRun.updated, SyncRun.unchanged,
    SyncRun.missing, SyncRun.reappeared, SyncRun.deleted, SyncRun.restored, SyncRun.skipped,
    SyncRun.calls, SyncRun.quota_left, SyncRun.quota_limit, SyncRun.version, SyncRun.reason, SyncRun.advice,
)  # fmt: skip
SKIPPED = (
    SkippedDevice.id, SkippedDevice.external_id, SkippedDevice.reason, Device.id.label("device_id"),
)  # fmt: skip
EVENT = (
    DeviceEvent.id, DeviceEvent.at, DeviceEvent.kind, DeviceEvent.detail, DeviceEvent.device_id,
    Device.name, Device.deleted_at,
)  # fmt: skip
FILTERS: tuple[Filter, ...] = (
    ChoiceFilter("state", SyncRun.state, words_of(SyncRunState)),
    ChoiceFilter("kind", SyncRun.kind, words_of(SyncKind)),
)
RUNS_NEWEST_FIRST = Order(SyncRun.id)
SKIPPED_NEWEST_FIRST = Order(SkippedDevice.id)


def runs(integration_id: int, filters: Filters) -> Query:
    """The runs of the integration, all columns a page or a file shows."""
    query: Query = select(*COLUMNS).where(SyncRun.integration_id == integration_id, *filters.conditions())
    return query


def skipped(run: SyncRun) -> Query:
    """The devices the run could not read, with ours of the same id if there is one."""
    same = Device.external_id == SkippedDevice.external_id
    return (
        select(*SKIPPED)
        .outerjoin(Device, (Device.integration_id == run.integration_id) & same)
        .where(SkippedDevice.run_id == run.id)
    )


def devices(run: SyncRun, number: str) -> tuple[Query, Order]:
    """The devices behind that number of the run: id, at, kind, detail, device_id, name, deleted_at."""
    return _added(run) if number == ADDED else _changed(run, BEHIND[number])


def number_asked_for(run: SyncRun, name: str | None) -> str:
    """Which number of the run is looked into; without a known one the first that counts anything."""
    if name in BEHIND:
        return str(name)
    return next((count for count in BEHIND if getattr(run, count)), ADDED)


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


def _changed(run: SyncRun, kinds: Iterable[Happening]) -> tuple[Query, Order]:
    query = (
        select(*EVENT)
        .join(Device, Device.id == DeviceEvent.device_id)
        .where(DeviceEvent.run_id == run.id, DeviceEvent.kind.in_([kind.value for kind in kinds]))
    )
    return query, Order(DeviceEvent.id)


def _added(run: SyncRun) -> tuple[Query, Order]:
    """A device has no line for its arrival: it was made while the run ran."""
    query = select(
        Device.id, Device.created_at.label("at"), literal(ADDED).label("kind"),
        literal("").label("detail"), Device.id.label("device_id"), Device.name, Device.deleted_at,
    ).where(
        Device.integration_id == run.integration_id,
        Device.added_by.is_(None),
        Device.created_at.between(run.started_at, run.finished_at or now()),
    )  # fmt: skip
    return query, Order(Device.id)
