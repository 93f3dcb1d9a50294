"""Reads every chosen group page by page and writes what changed; a device is missing only after the last."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import update
from sqlalchemy.orm import Session

from harmony.clock import now
from harmony.db import release, write
from harmony.models import SkippedDevice, SyncRun
from harmony.models.configuration import ServerDetails, Synchronization
from harmony.sync import schedule, store
from harmony.sync.outcome import Doubt, Outcome, Tally, of_snapshot
from harmony.sync.plan import (
    PagePlan,
    Scope,
    cover,
    incoming,
    plan_page,
    pulls,
    read_to_the_end,
    still_there,
)
from harmony.sync.privacy import Privacy, redact
from harmony.sync.schedule import Claim
from harmony.uem.client import UemClient
from harmony.uem.records import DevicePage, Group, GroupKind, SkippedRow

# Pages without a change still show progress and renew the lease, but not each of them.
BEAT = timedelta(seconds=1)
SKIPPED_ROWS_KEPT = 1000


class Stopped(Exception):
    """The process was told to stop; the run ends between two pages."""


@dataclass(slots=True)
class Sync:
    """One run under way: what it reads, what it has seen, what it has done."""

    held: Claim
    kind: str
    server: ServerDetails
    choice: Synchronization
    should_stop: Callable[[], bool]
    tally: Tally = field(default_factory=Tally)
    seen: set[str] = field(default_factory=set)
    seen_udids: set[str] = field(default_factory=set)
    skipped: set[str] = field(default_factory=set)
    nameless: int = 0
    inclusive: set[str] = field(default_factory=set)
    beat_at: datetime | None = None

    def is_seen(self, external_id: str, udid: str) -> bool:
        """Whether any row of this snapshot was, or may have been, this device."""
        return external_id in self.seen or (bool(self.seen_udids) and udid.casefold() in self.seen_udids)

    def beat(self, session: Session) -> None:
        """Renew the lease and show the progress, inside the caller's `write()`."""
        moment = self.beat_at = now()
        schedule.renew(session, self.held, moment)
        progress = asdict(self.tally) | {"heartbeat_at": moment}
        session.execute(update(SyncRun).where(SyncRun.id == self.held.run_id).values(progress))


def take_snapshot(work: Sync, client: UemClient) -> Outcome:
    """Read the whole scope. Raises UemError, LeaseLost or Stopped; what was written until then stays."""
    groups = [
        Group(GroupKind(one.kind), one.external_id, one.name, "", None, None, one.organization_group_id)
        for one in work.choice.groups
    ]
    work.tally.step = "Reading the groups"
    visible = client.groups()
    there, gone = still_there(groups, visible)
    short = tuple(_pull_all(work, client, there, visible))
    doubt = Doubt(tuple(group.name for group in gone), short, work.nameless)
    if not doubt:
        work.tally.step = "Looking for missing devices"
        work.tally.missing = store.mark_missing(work.held.integration_id, work.is_seen, now(), work.beat)
    return of_snapshot(work.tally, doubt)


def _pull_all(
    work: Sync, client: UemClient, groups: Sequence[Group], visible: Sequence[Group]
) -> Iterator[str]:
    """Read every group; the names of those that listed fewer devices than they announced.

    A group below another one comes with it, if that list really has devices of other groups: that the
    UEM's filter includes child groups is not proven by any recording (facts/ws1-api.md §5.1).
    """
    scope = _scope(groups, client)
    organization = (group for group in [*visible, *groups] if group.kind is GroupKind.ORGANIZATION)
    names = {group.external_id: group.name for group in organization}
    above = cover(pulls(groups), {group.external_id: group.parent_id for group in visible})
    roots = [group_id for group_id, root in above.items() if root == group_id]
    for group_id in [*roots, *(group_id for group_id in above if group_id not in roots)]:
        if group_id not in roots and above[group_id] in work.inclusive:
            continue
        work.tally.step = f"Reading {names.get(group_id, group_id)}"
        if not _pull(work, client, group_id, scope):
            yield names.get(group_id, group_id)


def _scope(groups: Sequence[Group], client: UemClient) -> Scope:
    return Scope(
        frozenset(group.external_id for group in groups if group.kind is GroupKind.ORGANIZATION),
        {
            group.external_id: client.smart_group_members(group.external_id)
            for group in groups
            if group.kind is GroupKind.SMART
        },
    )


def _pull(work: Sync, client: UemClient, group_id: str, scope: Scope) -> bool:
    """Read one group to its end; whether it listed as many devices as it promised."""
    listed: set[str] = set()
    unreadable, total = 0, None
    before = work.tally.expected or 0
    for page in client.device_pages(group_id):
        if work.should_stop():
            raise Stopped
        total = page.total if page.total is not None else total
        work.tally.expected = before + (total or 0) or None
        listed.update(device.external_id for device in page.devices)
        listed.update(row.external_id for row in page.skipped if row.external_id)
        unreadable += _note_nameless(work, page)
        if any(device.group_id != group_id for device in page.devices):
            work.inclusive.add(group_id)
        if quota := client.quota():
            work.tally.quota_left, work.tally.quota_limit = quota.remaining, quota.limit
        _take(work, page, scope)
    return read_to_the_end(len(listed), unreadable, total)


def _note_nameless(work: Sync, page: DevicePage) -> int:
    """Rows without a readable id: their UDID may tell which device they are; without one, nobody knows."""
    rows = [row for row in page.skipped if not row.external_id]
    work.seen_udids.update(row.udid.casefold() for row in rows if row.udid)
    work.nameless += sum(1 for row in rows if not row.udid)
    return len(rows)


def _take(work: Sync, page: DevicePage, scope: Scope) -> None:
    """Plan and write one page."""
    privacy = Privacy(work.choice.import_name, work.choice.import_number, work.choice.import_email)
    fresh = {d.external_id: redact(d, privacy) for d in page.devices if d.external_id not in work.seen}
    arriving = incoming(fresh.values(), scope)
    known = store.known_devices(work.held.integration_id, [one.device.external_id for one in arriving])
    release()
    plan = plan_page(arriving, known)
    skipped = _skipped(work, page)
    _count(work.tally, page, plan, len(skipped))
    work.seen.update(one.device.external_id for one in arriving)
    if not (plan.writes or skipped or work.beat_at is None or now() - work.beat_at >= BEAT):
        return
    with write() as session:
        work.beat(session)
        store.write_page(session, work.held.integration_id, plan, now())
        _keep_skipped(session, work, skipped)


def _skipped(work: Sync, page: DevicePage) -> list[SkippedRow]:
    """The rows that could not be read and were not counted yet; a parent's list repeats its children's."""
    fresh = []
    for row in page.skipped:
        key = row.external_id or row.udid.casefold()
        if key and key in work.skipped:
            continue
        work.skipped.add(key)
        work.seen.update(filter(None, [row.external_id]))
        fresh.append(row)
    return fresh


def _count(tally: Tally, page: DevicePage, plan: PagePlan, skipped: int) -> None:
    tally.pages_read += 1
    tally.devices_read += len(page.devices) + len(page.skipped)
    tally.skipped += skipped
    tally.added += len(plan.create)
    tally.updated += len(plan.update)
    tally.unchanged += plan.unchanged
    tally.reappeared += len(plan.reappeared)


def _keep_skipped(session: Session, work: Sync, skipped: Sequence[SkippedRow]) -> None:
    if work.tally.skipped - len(skipped) < SKIPPED_ROWS_KEPT:
        session.add_all(
            SkippedDevice(run_id=work.held.run_id, external_id=row.external_id, reason=row.reason)
            for row in skipped
        )
