"""The metrics of destinations: what waits for each, since when, and whether it takes anything."""

from __future__ import annotations

from collections.abc import Iterator

from harmony.db import db
from harmony.models import DestinationState
from harmony.ops.metrics.exposition import Family, Sample, seconds
from harmony.outbound.status import statuses


def destination_families() -> Iterator[Family]:
    """Yield the metrics of every destination; `destination` is its id, `kind` and `name` tell which it is."""
    found = [(status, {"destination": str(status.row.id)}) for status in statuses(db.session())]
    info = [
        Sample(1, own | {"name": status.row.name, "kind": status.row.kind, "condition": status.condition})
        for status, own in found
    ]
    yield Family("destination_info", "Name, kind and condition: active, failing, paused, stopped.", info)
    backlog = [Sample(status.backlog, own) for status, own in found]
    yield Family("destination_backlog", "Records that wait to be sent, counted up to 100,001.", backlog)
    oldest = [Sample(seconds(status.oldest_at), own) for status, own in found if status.oldest_at]
    yield Family(
        "destination_oldest_timestamp_seconds", "When the oldest record that waits was made.", oldest
    )
    good = [Sample(seconds(status.row.success_at), own) for status, own in found if status.row.success_at]
    yield Family("destination_success_timestamp_seconds", "When records were last taken.", good)
    failures = [Sample(status.row.failures, own) for status, own in found]
    yield Family("destination_failures", "Failed tries in a row.", failures)
    stopped = [Sample(int(status.row.state == DestinationState.STOPPED), own) for status, own in found]
    yield Family("destination_stopped", "1 once it was stopped after three days of failures.", stopped)
    lost = [Sample(status.row.lost, own) for status, own in found]
    yield Family("destination_lost", "Records that retention removed before they had been sent.", lost)
