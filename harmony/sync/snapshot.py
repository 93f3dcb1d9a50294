"""Takes a snapshot of the scope or a delta, and writes what changed while the next pages are on their way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from harmony.clock import monotonic, now
from harmony.db import bulk, release, write
from harmony.db.wal_mover import WriteHooks
from harmony.jobs import lease
from harmony.jobs.heartbeat import Interrupted
from harmony.jobs.lease import Lease
from harmony.jobs.outcome import Outcome, of_delta, of_snapshot
from harmony.jobs.progress import show_progress
from harmony.jobs.tally import Tally
from harmony.models import Absence, SkippedDevice
from harmony.models.configuration import ServerDetails, Synchronization
from harmony.sync import store
from harmony.sync.deletion.evaluate import Snapshot, depart
from harmony.sync.diff import Plan, adopt, newest
from harmony.sync.named_devices import NamedDevices
from harmony.sync.reading import lookup
from harmony.sync.reading.pages import Reading
from harmony.sync.reading.planner import Planner
from harmony.sync.reading.scope import Incoming
from harmony.sync.write_pace import WritePace, pieces
from harmony.uem.client import UemClient
from harmony.uem.records import SkippedRow, UemDevice

# Pages without a change still show progress and renew the lease, but not each of them.
_RENEW_EVERY = timedelta(seconds=1)
SKIPPED_ROWS_KEPT = 1000
# The most. One commit rewrites the same pages of the indexes for a few pages of devices as for one; how many
# rows it takes follows from how long others wait for it (`write_pace`).
ROWS_PER_WRITE = 1000
LONGEST_KEPT_BACK = timedelta(milliseconds=500)


@dataclass(slots=True)
class Sync:
    """One run under way: what it may do, and what it has done. `number` is that of this snapshot.

    `named` are the devices that it reads instead, where events named some.
    """

    lease: Lease
    kind: str
    server: ServerDetails
    choice: Synchronization
    should_stop: Callable[[], bool]
    number: int = 1
    suspect: Absence | None = None
    since: datetime | None = None
    named: NamedDevices | None = None
    tally: Tally = field(default_factory=Tally)
    lease_renewed_at: datetime | None = None
    hooks: WriteHooks = field(default_factory=lambda: WriteHooks(lambda: None, bulk.checkpoint))

    def renew_lease(self, session: Session) -> None:
        """Renew the lease and show the progress, inside the caller's `write()`."""
        time = self.lease_renewed_at = now()
        lease.renew(session, self.lease, time)
        show_progress(session, self.lease.run_id, time, **self.tally.progress())

    def go_on(self) -> None:
        """Between two pages. Raises Interrupted."""
        if self.should_stop():
            raise Interrupted


def take_snapshot(work: Sync, client: UemClient) -> Outcome:
    """Read the whole scope; only then are devices missing, and the longest missing ones deleted or held.

    Raises UemError, LeaseLost or Interrupted; what was written until then stays.
    """
    reading, writer = open_reading(work, client)
    doubt = lookup.accounted(work.lease.integration_id, reading)
    writer.finish()
    if not doubt.read:
        return of_snapshot(work.tally, doubt)
    doubt = replace(doubt, unbelieved=len(reading.account.unbelieved))
    writer.settle(reading.is_listed)
    if not doubt.counts:
        return of_snapshot(work.tally, replace(doubt, former=lookup.count_former(work.lease.integration_id)))
    work.tally.step = "Looking for missing devices"
    found = Snapshot(
        work.lease.integration_id, work.lease.run_id, work.number, work.choice, reading.is_listed,
        reading.account, reading.empty_groups(), work.suspect,
    )  # fmt: skip
    departed = depart(found, work.renew_lease, now())
    work.tally.missing, work.tally.deleted = departed.missing, departed.deleted
    work.tally.reappeared += departed.reappeared
    doubt = replace(doubt, kept=departed.kept, former=lookup.count_former(work.lease.integration_id))
    return of_snapshot(work.tally, doubt, departed.reasons)


def take_delta(work: Sync, client: UemClient) -> Outcome:
    """Read what was in contact since the last read; nothing counts as missing. Raises as a snapshot does."""
    reading, writer = open_reading(work, client, work.since)
    doubt = reading.read()
    writer.end_refresh()
    return of_delta(work.tally, replace(doubt, unbelieved=len(reading.account.unbelieved)))


def open_reading(work: Sync, client: UemClient, since: datetime | None = None) -> tuple[Reading, Writer]:
    """Return a look at the scope, and the writer that it hands its rows to."""
    planner = Planner(work.lease.integration_id)
    writer = Writer(work, planner)
    reading = Reading(client, work.choice, writer, work.tally, work.go_on, planner.account, since)
    planner.is_placed = reading.is_placed
    return reading, writer


class Writer:
    """A sink that writes every few pages; at once when the UEM is slower than we are."""

    def __init__(self, work: Sync, planner: Planner) -> None:
        self._work = work
        self._planner = planner
        self._account = planner.account
        self._began_at = now()
        self._arriving: list[Incoming] = []
        self._skipped: list[SkippedRow] = []
        self._outside: list[UemDevice] = []
        self._written_at = now()
        self._pace = WritePace(ROWS_PER_WRITE)
        self._generation = 0
        # Few: devices that the UEM still lists under an enrolment that is over.
        self._twins: dict[str, Incoming] = {}

    def take(
        self, arriving: Sequence[Incoming], skipped: Sequence[SkippedRow], outside: Sequence[UemDevice]
    ) -> None:
        """Keep them, and write when there is enough or it has been a while."""
        self._arriving += arriving
        self._skipped += skipped
        self._outside += outside
        rows = len(self._arriving) + len(self._outside)
        if rows >= self._pace.rows or now() - self._written_at >= LONGEST_KEPT_BACK:
            self.flush()

    def flush(self) -> None:
        """Plan and write what was kept."""
        arriving, self._arriving = self._arriving, []
        skipped, self._skipped = self._skipped, []
        outside, self._outside = self._outside, []
        changes, doubtful = self._planner.plan(arriving, skipped, outside)
        self._take_plan(changes, [*skipped, *doubtful])
        if self._planner.is_full:
            self.finish()

    def finish(self) -> None:
        """Write what waited until every id was seen."""
        for changes, doubtful in self._planner.finish():
            self._take_plan(changes, doubtful)

    def _take_plan(self, changes: Plan, skipped: Sequence[SkippedRow]) -> None:
        if changes.twins:
            self._twins = newest([*self._twins.values(), *changes.twins])
        self._write(changes, skipped)

    def settle(self, is_listed: Callable[[str | None], bool]) -> None:
        """At the end: devices that are listed under an older enrolment only live on under that one.

        A row that took an id from another device and became nobody gives it back; UDIDs that several records
        have identify nobody.
        """
        integration_id = self._work.lease.integration_id
        known = lookup.known_by_udid(integration_id, list(self._twins))
        taken = lookup.without_id(self._account.detached)
        release()
        changes = adopt(self._twins, known, is_listed, taken, self._account.detached.keys() - taken.keys())
        self._write(changes, [])
        if not (self._account.detached or self._account.shared):
            return
        with write(integration_id) as session:
            self._work.renew_lease(session)
            store.reattach(session, integration_id, taken)
            store.forget_shared(session, integration_id, self._account.shared, self._began_at)
            self._record_detached(session)

    def end_refresh(self) -> None:
        """At the end of a refresh: what other hardware has taken is known, and nothing else is."""
        self.finish()
        if self._account.detached:
            with write(self._work.lease.integration_id) as session:
                self._work.renew_lease(session)
                self._record_detached(session)

    def _record_detached(self, session: Session) -> None:
        store.record_detached(session, list(self._account.detached.values()), self._work.lease.run_id, now())

    def _write(self, changes: Plan, skipped: Sequence[SkippedRow]) -> None:
        for piece in pieces(changes, self._pace.rows):
            self._write_piece(piece, skipped)
            skipped = ()

    def _write_piece(self, changes: Plan, skipped: Sequence[SkippedRow]) -> None:
        work, time = self._work, now()
        _count(work.tally, changes, len(skipped))
        self._written_at = time
        if not (
            changes.writes
            or skipped
            or work.lease_renewed_at is None
            or time - work.lease_renewed_at >= _RENEW_EVERY
        ):
            return
        # Before the lock is taken, so that nobody waits for it.
        rows = store.rows_of(changes, work.lease.integration_id, self._generation, time)
        work.hooks.before()
        with write(work.lease.integration_id) as session:
            began = monotonic()
            work.renew_lease(session)
            self._generation = store.write_plan(session, changes, work.lease.run_id, rows)
            _keep_skipped(session, work, skipped)
        self._pace.note(len(changes.create) + len(changes.update), monotonic() - began)
        work.hooks.after()


def _count(tally: Tally, changes: Plan, skipped: int) -> None:
    tally.skipped += skipped
    tally.added += len(changes.create)
    tally.updated += len(changes.update)
    tally.unchanged += changes.unchanged
    tally.reappeared += len(changes.reappeared) + len(changes.unread)
    tally.restored += len(changes.restored)


def _keep_skipped(session: Session, work: Sync, skipped: Sequence[SkippedRow]) -> None:
    if work.tally.skipped - len(skipped) < SKIPPED_ROWS_KEPT:
        session.add_all(
            SkippedDevice(run_id=work.lease.run_id, external_id=row.external_id, reason=row.reason)
            for row in skipped
        )
