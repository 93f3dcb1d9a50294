"""Reads the devices that events named, through the same plan and store as every sync."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harmony.clock import now
from harmony.db import release, write
from harmony.jobs.accounting import contradicts_many
from harmony.jobs.outcome import Outcome, of_delta
from harmony.sync.deletion import missing as deletion_missing
from harmony.sync.deletion import soft_delete
from harmony.sync.deletion.missing import Snapshot
from harmony.sync.snapshot import Sync, open_reading
from harmony.uem.client import UemClient

_TOO_MANY = (
    "{0:,} of the devices were not found. So many at once are not believed one by one: a full sync decides."
)


def take_named(work: Sync, client: UemClient, external_ids: Sequence[str]) -> Outcome:
    """Read the devices that events named, one by one. Raises as a snapshot does.

    What the UEM does not have any more is marked, and nothing is deleted: the mark counts from the next
    complete snapshot on that does not list the device either, with every reason of the guard to hold it.
    """
    reading, writer = open_reading(work, client)
    doubt = reading.read_devices(external_ids)
    writer.end_refresh()
    seen = Snapshot(
        work.held.integration_id, work.held.run_id, work.number, work.choice, reading.is_listed,
        reading.account, suspect=work.suspect,
    )  # fmt: skip
    outcome = of_delta(work.tally, replace(doubt, unbelieved=len(reading.account.unbelieved)))
    if not doubt.counts or work.suspect is not None:
        return outcome
    return _mark_not_found(work, seen, external_ids, outcome)


def _mark_not_found(work: Sync, seen: Snapshot, external_ids: Sequence[str], outcome: Outcome) -> Outcome:
    """Mark what was read and not found; none of it if that is too much for single answers."""
    ids = deletion_missing.not_found(seen, external_ids)
    live = soft_delete.live(work.held.integration_id)
    release()
    if contradicts_many(len(ids), live):
        return replace(outcome, reason=f"{_TOO_MANY.format(len(ids))} {outcome.reason}", full_sync=True)
    if ids:
        with write() as session:
            work.beat(session)
            work.tally.missing = deletion_missing.mark_not_found(session, seen, ids, now())
    return outcome
