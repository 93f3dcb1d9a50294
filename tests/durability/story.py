"""Ten days of one integration: whatever a sync can write happens on one of them, and each can be repeated.

A day that was cut off is lived again from its beginning, as the product does it: what is done already is
found done. `dump` is what must be equal then, however often it was cut off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import func, select, text

from harmony.clock import now
from harmony.db import db, release, write
from harmony.jobs import lease
from harmony.jobs.kinds import JobKind
from harmony.jobs.outcome import GOOD
from harmony.models import Integration, JobRun
from harmony.sync import job as sync_job
from harmony.sync import snapshot
from harmony.sync.deletion import holds, soft_delete
from harmony.sync.deletion import missing as deletion_missing
from harmony.uem.records import SkippedRow, UemDevice
from tests.builders import NOON, FakeUem, a_choice, a_device, an_integration
from tests.stored import list_digest

ID = 1
PERSON = "kim"
CHOSEN = ("570", "571", "600", "smart:9@570")
LATER = datetime(2040, 1, 1, tzinfo=UTC)
NOTHING = frozenset[int]()
# Small, so that a few dozen devices need many transactions.
SMALL = {
    (snapshot, "ROWS_PER_WRITE"): 10,
    (deletion_missing, "ROWS_PER_WRITE"): 3,
    (soft_delete, "ROWS_PER_WRITE"): 3,
}

# Without our ids and times; a time that is set counts as set.
DUMPS = {
    "device": "SELECT external_id, udid, serial, name, user_name, os_version, group_id, enrolled_at, "
    "last_seen_at, fingerprint, search_text, missing_since IS NOT NULL, absent_from, absent_why, "
    "deleted_at IS NOT NULL, deleted_by FROM device ORDER BY udid, external_id",
    "membership": "SELECT d.udid, d.external_id, m.group_kind, m.group_id FROM membership m "
    "JOIN device d ON d.id = m.device_id ORDER BY 1, 2, 3, 4",
    "device_event": "SELECT d.udid, d.external_id, e.kind, e.detail FROM device_event e "
    "JOIN device d ON d.id = e.device_id ORDER BY d.udid, d.external_id, e.id",
    "hold": "SELECT state, up_to, devices, live, reasons, decided_by FROM hold ORDER BY id",
    "integration": "SELECT state, snapshots, suspect, failures, stopped_why FROM integration "
    "JOIN job ON job.integration_id = integration.id AND job.kind = 'devices'",
    "decisions": "SELECT who, what, detail FROM audit_entry WHERE what LIKE '% deletions' ORDER BY id",
    "good runs": "SELECT sync_kind, state, reason, advice FROM job_run "
    "WHERE kind = 'devices' AND state IN ('ok', 'warning', 'held') ORDER BY id",
}


@dataclass(frozen=True)
class Day:
    """What the UEM lists on a day, and what a person does before the sync."""

    name: str
    absent: frozenset[int] = NOTHING
    edits: dict[int, dict[str, Any]] = field(default_factory=dict)
    more: tuple[UemDevice, ...] = ()
    skipped: tuple[SkippedRow, ...] = ()
    person: Callable[[], None] = lambda: None
    delta: bool = False
    page_size: int = 7


def _approve() -> None:
    hold = holds.open_hold(ID)
    if hold is not None:
        holds.approve(hold.id, list_digest(hold), hold.devices, PERSON, now())
    release()


def _dismiss() -> None:
    hold = holds.open_hold(ID)
    if hold is not None:
        holds.dismiss(hold.id, list_digest(hold), PERSON, now())
    release()


def _some(*ranges: Iterable[int]) -> frozenset[int]:
    return frozenset(number for one in ranges for number in one)


# Enrolled again under another id; listed under both; an id that other hardware has now; new ones.
AGAIN = a_device(external_id="221", udid="UDID21", serial="S21", enrolled_at=LATER)
TWIN = a_device(external_id="222", udid="UDID22", serial="S22", enrolled_at=LATER)
REUSED = {23: {"udid": "UDID-OTHER", "serial": "S-OTHER"}}
NEW = tuple(a_device(external_id=str(number)) for number in range(61, 67))
MOVED = {number: {"group_id": "571", "group_name": "Moved"} for number in range(25, 28)}
EDITED = {number: {"os_version": "16"} for number in range(5, 13)}
SEEN = {number: {"last_seen": LATER} for number in range(13, 20)}
DRIFT = {"edits": EDITED | SEEN | REUSED | MOVED, "more": (AGAIN, TWIN, *NEW)}
LEFT = _some([21])
OF_600 = _some(range(41, 61))

DAYS = (
    Day("first sync"),
    Day("everything drifts", LEFT | _some([24, 41, 42, 43]), **DRIFT, skipped=(SkippedRow("24", "Odd."),)),
    Day("three are deleted, one is back", LEFT | _some([41, 42]), **DRIFT),
    Day("a group is emptied", LEFT | OF_600, **DRIFT, page_size=50),
    Day("deletions are held", LEFT | OF_600, **DRIFT, page_size=2),
    Day("an approval is carried out", LEFT | _some(range(41, 51)), **DRIFT, person=_approve),
    Day("a deleted one is back, many leave", LEFT | _some(range(42, 51), range(1, 15)), **DRIFT),
    Day("held by the threshold", LEFT | _some(range(42, 51), range(1, 15)), **DRIFT),
    Day("the hold is dismissed", LEFT | _some(range(42, 51)), **DRIFT, person=_dismiss),
    Day(
        "a delta",
        LEFT | _some(range(42, 51)),
        EDITED | REUSED | MOVED | {number: {"last_seen": LATER, "model": "New"} for number in range(8, 20)},
        (AGAIN, TWIN, *NEW, a_device(external_id="70", last_seen=LATER)),
        delta=True,
    ),
)


def begin() -> None:
    """The integration before the first day, and the book in which every commit leaves a line."""
    for (module, name), value in SMALL.items():
        setattr(module, name, value)
    if db.session.get(Integration, ID) is not None:
        return
    release()
    assert an_integration(a_choice(*CHOSEN, deletion_after=2, deletion_threshold=20)) == ID
    with write() as session:
        session.execute(text("CREATE TABLE book (line INTEGER PRIMARY KEY)"))


def live(number: int, uem: FakeUem) -> None:
    """Day `number` (from 1), or what is left of it."""
    day = DAYS[number - 1]
    if _good_runs() >= number:
        return
    day.person()
    _due(day)
    sync_job.sync(ID, opener=lambda *_: uem)


def uem_of(number: int) -> FakeUem:
    """What the UEM answers on that day."""
    day = DAYS[number - 1]
    make = partial(_device, day)
    top, child, other = (
        [make(n) for n in range(*span) if n not in day.absent] for span in ((1, 31), (31, 41), (41, 61))
    )
    listed = [*top, *day.more]
    return FakeUem(
        {"570": [*listed, *child], "571": child, "600": other},
        members={"9": frozenset({"1", "2", "5", "222"})},
        skipped=day.skipped,
        page_size=day.page_size,
    )


def dump() -> dict[str, list[tuple[Any, ...]]]:
    """What must be the same whether or not anything was killed."""
    found = {name: [tuple(row) for row in db.session.execute(text(sql))] for name, sql in DUMPS.items()}
    release()
    return found


def difference(expected: dict[str, list[Any]], found: dict[str, list[Any]]) -> str:
    """The rows that only one of two dumps has; empty when they are equal."""
    lines = []
    for table, rows in expected.items():
        if rows != found[table]:
            lost, more = ([r for r in one if r not in other] for one, other in _both(rows, found[table]))
            lines.append(
                f"{table}: without {lost[:4]}, but with {more[:4]} ({len(rows)}:{len(found[table])})"
            )
    return "\n".join(lines)


def _both(one: list[Any], other: list[Any]) -> tuple[tuple[list[Any], list[Any]], ...]:
    return (one, other), (other, one)


def _device(day: Day, number: int) -> UemDevice:
    groups = {**dict.fromkeys(range(31, 41), "571"), **dict.fromkeys(range(41, 61), "600")}
    own = {"group_id": groups.get(number, "570"), "name": f"phone {number}"}
    return a_device(external_id=str(number), **(own | day.edits.get(number, {})))


def _good_runs() -> int:
    good = (
        db.session.scalar(
            select(func.count(JobRun.id)).where(JobRun.kind == "devices", JobRun.state.in_(GOOD))
        )
        or 0
    )
    release()
    return good


def _due(day: Day) -> None:
    """A person asks for a sync; a delta is never asked for, its time comes."""
    if not day.delta:
        assert lease.request(ID, JobKind.DEVICES, PERSON, now())
        return
    with write() as session:
        integration = session.get_one(Integration, ID)
        integration.sync_job.next_at, integration.sync_job.refresh_at = now() + timedelta(hours=1), NOON
