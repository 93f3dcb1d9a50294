"""What would a sync do now? The engine of a snapshot, with figures where the writing would be."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import replace
from sqlalchemy import select

from harmony.clock import now
from harmony.db import db, release
from harmony.jobs import caution
from harmony.jobs.outcome import Doubt, of_snapshot
from harmony.jobs.tally import Tally
from harmony.jobs.uem_client import open_client
from harmony.models import Absence, Device, Integration
from harmony.models.configuration import SERVER, SYNCHRONIZATION, ServerDetails, Synchronization, from_row
from harmony.sync import rollback_detection
from harmony.sync.deletion import evaluate as deletion_evaluate
from harmony.sync.deletion import guard, holds, soft_delete
from harmony.sync.deletion import missing as deletion_missing
from harmony.sync.deletion.missing import Snapshot
from harmony.sync.diff import Plan
from harmony.sync.reading import lookup
from harmony.sync.reading.pages import Reading
from harmony.sync.reading.planner import Planner
from harmony.sync.reading.scope import Incoming
from harmony.uem.client import UemClient
from harmony.uem.records import SkippedRow
from harmony.uem.records import UemDevice as Record

_ROWS_PER_LOOK = 1500
_NO_RUN = 0


class _GroupFigure(msgspec.Struct, frozen=True):
    """A chosen group and how many devices it lists."""

    name: str
    kind: str
    external_id: str
    devices: int


class Preview(msgspec.Struct, frozen=True):
    """The effect that a sync would have. `missing`: newly not listed; `approved`: deleted by a person's word;
    `deleted`: due beside those, and let go by the guard or `held`.

    `doubt` says why the look is not complete; then nothing would be missing or deleted.
    """

    groups: tuple[_GroupFigure, ...] = ()
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    reappeared: int = 0
    restored: int = 0
    skipped: int = 0
    missing: int = 0
    approved: int = 0
    deleted: int = 0
    live: int = 0
    held: tuple[str, ...] = ()
    doubt: str = ""


def preview(integration_id: int) -> Preview:
    """A look with what is in force. Raises UemError or VaultLocked; writes nothing."""
    integration = db.session.get_one(Integration, integration_id)
    applied = {page.name: page.applied for page in integration.pages}
    kind, server = integration.kind, from_row(ServerDetails, applied.get(SERVER))
    choice = from_row(Synchronization, applied.get(SYNCHRONIZATION))
    release()
    with closing(open_client(integration_id, kind, server)) as client:
        return look(integration_id, choice, client)


def look(
    integration_id: int,
    choice: Synchronization,
    client: UemClient,
    on_page: Callable[[], None] = lambda: None,
    *,
    edited: bool = False,
) -> Preview:
    """Return what a sync of `choice` would do, in force or not. Raises UemError, or what `on_page` raises.

    `edited`: putting what was asked with in force would make the next sync doubt what it does not list.
    """
    number, suspect = _next_snapshot(integration_id, edited=edited)
    figures, tally = _Figures(integration_id), Tally()
    reading = Reading(client, choice, figures, tally, on_page, figures.account)
    figures.planner.is_placed = reading.is_placed
    doubt = lookup.accounted(integration_id, reading)
    figures.finish()
    snapshot = Snapshot(
        integration_id, _NO_RUN, number, choice, reading.is_listed, reading.account, reading.empty_groups(),
        suspect,
    )  # fmt: skip
    return _summarized(figures, snapshot, doubt)


def _next_snapshot(integration_id: int, *, edited: bool) -> tuple[int, Absence | None]:
    """Return the number of the next snapshot, and what makes it doubt what it does not list."""
    is_behind = rollback_detection.has_old_database(integration_id)
    integration = db.session.get_one(Integration, integration_id)
    number, suspect = integration.snapshots + 1, integration.suspect or (Absence.EDITED if edited else None)
    if is_behind or caution.since() is not None:
        suspect = Absence.RESTORED
    release()
    return number, Absence(suspect) if suspect else None


class _Figures:
    """A sink that plans as a sync does, and only counts."""

    def __init__(self, integration_id: int) -> None:
        self.planner = Planner(integration_id)
        self.account = self.planner.account
        self._arriving: list[Incoming] = []
        self._skipped: list[SkippedRow] = []
        self._outside: list[Record] = []
        self._created: set[int] = set()
        self.groups: Counter[tuple[str, str]] = Counter()
        self.counts: dict[str, int] = defaultdict(int)

    def take(
        self, arriving: Sequence[Incoming], skipped: Sequence[SkippedRow], outside: Sequence[Record]
    ) -> None:
        """Count the groups at once, the changes a few pages at a time."""
        self.groups.update(group for row in arriving for group in row.memberships)
        self.counts["skipped"] += len(skipped)
        self._arriving += arriving
        self._skipped += skipped
        self._outside += outside
        if len(self._arriving) + len(self._outside) >= _ROWS_PER_LOOK:
            self.flush()

    def flush(self) -> None:
        """Plan what was kept."""
        arriving, self._arriving = self._arriving, []
        skipped, self._skipped = self._skipped, []
        outside, self._outside = self._outside, []
        self._count(*self.planner.plan(arriving, skipped, outside))
        if self.planner.is_full:
            self.finish()

    def finish(self) -> None:
        """Count what waited until every id was seen."""
        for changes, doubtful in self.planner.finish():
            self._count(changes, doubtful)

    def _count(self, changes: Plan, doubtful: Sequence[SkippedRow]) -> None:
        self.counts["skipped"] += len(doubtful)
        # Two enrolments of a device that no row stands for yet; by hash, to stay small.
        fresh = {hash(row.udid_key or row.device.external_id) for row in changes.create} - self._created
        self._created |= fresh
        self.counts["added"] += len(fresh)
        self.counts["updated"] += len(changes.update)
        self.counts["unchanged"] += changes.unchanged
        self.counts["reappeared"] += len(changes.reappeared) + len(changes.unread)
        self.counts["restored"] += len(changes.restored)


def _summarized(figures: _Figures, snapshot: Snapshot, doubt: Doubt) -> Preview:
    groups = tuple(
        _GroupFigure(group.name, group.kind, group.external_id, figures.groups[group.kind, group.external_id])
        for group in snapshot.choice.groups
    )
    live = soft_delete.live(snapshot.integration_id)
    # The guard is asked once what comes is there, and does not count what the UEM has never listed.
    counted = live - soft_delete.unlisted(snapshot.integration_id)
    release()
    seen = msgspec.convert({"groups": groups, "live": live} | figures.counts, Preview)
    if not doubt.counts:
        reason = of_snapshot(Tally(skipped=seen.skipped), doubt).reason
        return replace(seen, doubt=reason)
    return _departing(seen, snapshot, counted + seen.added + seen.restored)


def _departing(seen: Preview, snapshot: Snapshot, live: int) -> Preview:
    """Who would be newly missing, and who would go of those and of the missing."""
    time, new = (
        now(),
        [device.id for device in deletion_missing.candidates(snapshot) if not device.doubtful],
    )
    approved, due = _missing_before(snapshot, time)
    ids = [row.id for row in due] + (new if snapshot.choice.deletion_after == 1 else [])
    whys = frozenset(Absence(row.absent_why) for row in due)
    emptied = _emptied(snapshot, ids)
    known = deletion_evaluate.facts(
        snapshot, len(ids), live - len(approved), time, whys=whys, emptied=emptied
    )
    verdict = guard.decide(known)
    release()
    held = tuple(reason.sentence for reason in verdict.reasons)
    return replace(seen, missing=len(new), approved=len(approved), deleted=len(ids), held=held)


def _missing_before(snapshot: Snapshot, time: datetime) -> tuple[list[Any], list[Any]]:
    """Who went missing earlier and still is: those that were approved to go, and the others that are due."""
    hold = holds.pending(db.session(), snapshot.integration_id)
    approved = hold.up_to if hold is not None and holds.approval_counts(hold, time) else 0
    up_to = guard.due_up_to(snapshot.number, snapshot.choice.deletion_after)
    overdue = soft_delete.overdue(snapshot.integration_id, max(up_to, approved))
    rows = db.session.execute(select(*deletion_missing.MARKS).where(*overdue)).all()
    release()
    gone = [row for row in rows if not deletion_missing.is_doubtful(snapshot, row)]
    agreed = [row for row in gone if row.absent_from <= approved]
    return agreed, [row for row in gone if approved < row.absent_from <= up_to]


def _emptied(snapshot: Snapshot, ids: Sequence[int]) -> set[tuple[str, str]]:
    """The groups of those that are only in groups that listed no device at all."""
    batches = (ids[start : start + _ROWS_PER_LOOK] for start in range(0, len(ids), _ROWS_PER_LOOK))
    found = (deletion_missing.emptied_groups(snapshot, (Device.id.in_(batch),)) for batch in batches)
    return set().union(*found)
