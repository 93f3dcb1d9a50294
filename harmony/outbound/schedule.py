"""PURE: when a destination is tried again, when it is stopped, and how long things are kept."""

from __future__ import annotations

from datetime import datetime, timedelta

from harmony.models.states import DestinationKind

LEASE = timedelta(minutes=3)
# A batch begins no further call after this; the lease outlives it and the call under way.
BATCH_SECONDS = 60.0
CALL_SECONDS = 20.0
# A round of one destination ends after this, so that it is the others' turn.
ROUND_SECONDS = 10.0
# Standard Webhooks' own waits: together three days, after which the destination is stopped.
WEBHOOK_WAITS = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 73_800)
)  # fmt: skip
# A collector gets everything in the end, however long it was down: its waits stay short and never end.
COLLECTOR_WAITS = tuple(timedelta(seconds=seconds) for seconds in (5, 15, 60, 300))
LONGEST_WAIT = timedelta(days=1)
# A former secret signs too, so that receivers can be given the new one meanwhile.
FORMER_SECRET = timedelta(hours=24)
# What has not left is kept longer than what has.
UNSENT_KEPT_TIMES = 2
DELIVERIES_KEPT = 200


def next_try(
    kind: str, failures: int, now: datetime, *, asked_wait: timedelta | None = None, jitter: float = 0.0
) -> datetime | None:
    """Return when to try again after so many failures in a row; None: stop.

    `asked_wait` is what the receiver asked for, `jitter` from 0 to 1 adds up to a tenth.

    >>> now = datetime(2026, 3, 1)
    >>> next_try("syslog", 1, now).second, next_try("webhook", 10, now)
    (5, None)
    """
    waits = WEBHOOK_WAITS if kind == DestinationKind.WEBHOOK else COLLECTOR_WAITS
    if kind == DestinationKind.WEBHOOK and failures > len(waits):
        return None
    wait = waits[min(max(failures, 1), len(waits)) - 1] * (1 + jitter / 10)
    return now + min(max(wait, asked_wait or wait), LONGEST_WAIT)
