"""One device sync: claim, take a snapshot, say how it ended."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from harmony.clock import now
from harmony.db import db, release, write
from harmony.db.wal_mover import write_hooks
from harmony.jobs import caution, control, device_sync, lease
from harmony.jobs.accounting import contradicts_many
from harmony.jobs.heartbeat import LeaseKeeper
from harmony.jobs.kinds import JobKind
from harmony.jobs.lease import Lease
from harmony.jobs.outcome import (
    OVERTAKEN,
    PAUSED,
    STOPPED,
    Outcome,
    of_database,
    of_delta,
    of_error,
    of_locked,
)
from harmony.jobs.presence import identity
from harmony.jobs.runner import Outcomes, attempt, recording_outcome
from harmony.jobs.tally import Tally
from harmony.jobs.uem_client import ClientFactory, open_client
from harmony.models import Absence, Integration, JobRun, SyncRunState
from harmony.models.configuration import SERVER, SYNCHRONIZATION, ServerDetails, Synchronization, from_row
from harmony.sync import named_devices, rollback_detection
from harmony.sync.deletion import missing as deletion_missing
from harmony.sync.deletion import soft_delete
from harmony.sync.deletion.missing import Snapshot
from harmony.sync.snapshot import Sync, open_reading, take_delta, take_snapshot
from harmony.uem.client import UemClient
from harmony.uem.errors import UemError

log = logging.getLogger(__name__)

# A delta reads a little more than what moved since the last read: the two clocks may differ.
_OVERLAP = timedelta(minutes=10)
_NAME = "run"

_TOO_MANY = (
    "{0:,} of the devices were not found. So many at once are not believed one by one: a full sync decides."
)


def sync(
    integration_id: int, should_stop: Callable[[], bool] = lambda: False, opener: ClientFactory = open_client
) -> None:
    """Sync one integration if it is due and free. Every end is written to the run's row."""
    known = rollback_detection.remembered()  # before the claim, which other processes may note
    claimed = lease.claim(integration_id, JobKind.DEVICES, identity(), now())
    if claimed is None:
        return
    work = _load(claimed, known, should_stop)
    outcome = (work.named.outcome if work.named else None) or _attempt(work, opener)
    with recording_outcome(_NAME, work):
        _finish(work, outcome)


def _load(claimed: Lease, known: rollback_detection.Marks | None, should_stop: Callable[[], bool]) -> Sync:
    _detect_rollback(known, claimed.integration_id)
    integration = db.session.get_one(Integration, claimed.integration_id)
    applied = {page.name: page.applied for page in integration.pages}
    work = Sync(
        claimed,
        integration.kind,
        from_row(ServerDetails, applied.get(SERVER)),
        from_row(Synchronization, applied.get(SYNCHRONIZATION)),
        should_stop,
        number=integration.snapshots + 1,
        suspect=_distrust_reason(integration),
        since=integration.fresh_as_of and integration.fresh_as_of - _OVERLAP,
        named=named_devices.load(integration.id, now()) if claimed.named else None,
    )
    if not integration.snapshots and work.suspect is not Absence.RESTORED:
        # A kill between the first commit of a whole snapshot and this file would look like a restore.
        rollback_detection.note(integration.id, rollback_detection.progress(db.session())[integration.id])
    release()
    return work


def _distrust_reason(integration: Integration) -> Absence | None:
    """Return why nothing may be deleted for what this run does not list; a restore counts until confirmed."""
    if caution.since() is not None:
        return Absence.RESTORED
    return Absence(integration.suspect) if integration.suspect else None


def _detect_rollback(known: rollback_detection.Marks | None, integration_id: int) -> None:
    """Look for a database put back since this process started.

    Before anything else: the end of this run, whatever it is, makes the old database the newest.
    """
    mark = rollback_detection.progress(db.session())[integration_id]
    behind = rollback_detection.is_behind(known, integration_id, mark._replace(fence=mark.fence - 1))
    release()
    if behind:
        rollback_detection.distrust(now())


def _attempt(work: Sync, opener: ClientFactory) -> Outcome:
    def renew(session: Session, current_time: datetime) -> None:
        lease.renew(session, work.lease, current_time)

    def take(client: UemClient, _watch: LeaseKeeper) -> Outcome:
        with write_hooks("device" if work.number == 1 else "") as work.hooks:
            if work.named is not None:
                return _take_named(work, client, work.named.external_ids)
            return take_snapshot(work, client) if work.lease.whole else take_delta(work, client)

    def ended(error: UemError) -> Outcome:
        return of_error(error, work.tally, work.server.use_oauth2)

    outcomes = Outcomes(_NAME, of_locked, of_database, STOPPED, PAUSED, OVERTAKEN, ended)
    return attempt(work, opener, renew, take, outcomes)


def _finish(work: Sync, outcome: Outcome) -> None:
    """Close the run, unless somebody else has closed it, and give the integration back."""
    current_time = now()
    with write() as session:
        closed = lease.close(session, work.lease, outcome, current_time, work.tally.progress())
        device_sync.settle(session, work.lease, outcome, current_time)
        integration = session.get(Integration, work.lease.integration_id)
        if integration:
            _follow(session, work, integration, outcome, current_time)
            if closed:
                _answer_events(session, work, outcome, current_time)
        mark = rollback_detection.progress(session).get(work.lease.integration_id)
    if mark:
        rollback_detection.note(work.lease.integration_id, mark)
    if closed:
        _log_outcome(work, outcome)
    else:  # its row says by whom and why; that is nothing for a log
        log.info("Run %d of integration %d had been ended.", work.lease.run_id, work.lease.integration_id)


def _follow(
    session: Session, work: Sync, integration: Integration, outcome: Outcome, current_time: datetime
) -> None:
    if work.named is not None and not _has_changed(work.tally):
        return
    version = session.get_one(JobRun, work.lease.run_id).version
    was_read = outcome.good and work.lease.whole
    control.after_sync(
        session, integration, outcome.complete, current_time, version=version, was_read=was_read
    )


def _has_changed(tally: Tally) -> bool:
    return any((tally.added, tally.updated, tally.missing, tally.reappeared, tally.restored))


def _answer_events(session: Session, work: Sync, outcome: Outcome, current_time: datetime) -> None:
    """Settle the events that this run has read the devices of."""
    if work.named is not None:
        named_devices.settle(session, work.lease.integration_id, work.named, outcome, current_time)
    elif work.lease.whole and outcome.good:
        run = session.get_one(JobRun, work.lease.run_id)
        named_devices.count_missed(session, run, work.tally, current_time)
        named_devices.settle_read(session, run.integration_id, run.started_at)


def _log_outcome(work: Sync, outcome: Outcome) -> None:
    """A line for the operator; what a person has to look at is loud enough for any level but ERROR."""
    tally, calm = work.tally, outcome.good or outcome.state is SyncRunState.CANCELLED
    log.log(
        logging.INFO if calm else logging.WARNING,
        "Run %d of integration %d ended: %s (%d added, %d updated, %d missing, %d deleted, %d skipped). %s",
        *(work.lease.run_id, work.lease.integration_id, outcome.state, tally.added, tally.updated),
        *(tally.missing, tally.deleted, tally.skipped, outcome.reason),
    )


def _take_named(work: Sync, client: UemClient, external_ids: Sequence[str]) -> Outcome:
    """Read the devices that events named, one by one. Raises as a snapshot does.

    What the UEM does not have any more is marked, and nothing is deleted: the mark counts from the next
    complete snapshot on that does not list the device either, with every reason of the guard to hold it.
    """
    reading, writer = open_reading(work, client)
    doubt = reading.read_devices(external_ids)
    writer.end_refresh()
    seen = Snapshot(
        work.lease.integration_id, work.lease.run_id, work.number, work.choice, reading.is_listed,
        reading.account, suspect=work.suspect,
    )  # fmt: skip
    outcome = of_delta(work.tally, replace(doubt, unbelieved=len(reading.account.unbelieved)))
    if not doubt.counts or work.suspect is not None:
        return outcome
    return _mark_not_found(work, seen, external_ids, outcome)


def _mark_not_found(work: Sync, seen: Snapshot, external_ids: Sequence[str], outcome: Outcome) -> Outcome:
    """Mark what was read and not found; none of it if that is too much for single answers."""
    ids = deletion_missing.not_found(seen, external_ids)
    live = soft_delete.live(work.lease.integration_id)
    release()
    if contradicts_many(len(ids), live):
        return replace(outcome, reason=f"{_TOO_MANY.format(len(ids))} {outcome.reason}", full_sync=True)
    if ids:
        with write() as session:
            work.renew_lease(session)
            work.tally.missing = deletion_missing.mark_not_found(session, seen, ids, now())
    return outcome
