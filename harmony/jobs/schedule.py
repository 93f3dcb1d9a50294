"""PURE: when to sync again. Every instant is aware UTC and comes in as an argument."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from harmony.models.states import QUARANTINE_AFTER

LONGEST_WAIT = timedelta(hours=24)
DELTA_EVERY = timedelta(minutes=10)
# How soon devices that events named are read again after a run that failed.
EVENTS_RETRY = timedelta(minutes=2)
# A delta leaves this share of the UEM's daily calls to the snapshots and to the other programs.
_QUOTA_SHARE = 5

_ZERO = timedelta(0)
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_GOLDEN = 0.6180339887498949


def offset(integration_id: int, every: timedelta) -> timedelta:
    """Return the offset of an integration in its interval: fixed, in whole seconds, less than `every`.

    Multiples of the golden ratio lie as far apart as any rule can place them, however many there are,
    so that integrations of one interval do not start together.
    """
    return timedelta(seconds=int(every.total_seconds() * (integration_id * _GOLDEN % 1)))


def next_point(integration_id: int, every: timedelta, started: datetime, now: datetime) -> datetime:
    """The next point of the grid `offset + k * every`: later than `now`, and at most `every` later.

    A run that started on the grid is followed by one an interval after it; points that passed meanwhile
    are skipped. After a start between two points (Sync Now, Finish) the next one comes at the earliest
    a third of the interval later; where the grid would say sooner, it comes half an interval off it.
    """
    since = now - _EPOCH - offset(integration_id, every)
    point = now + every - since % every
    # A start in the future is one from before the clock was set back.
    return point + every / 2 if point - min(started, now) < every / 3 else point


def rest(failures: int, every: timedelta) -> timedelta:
    """Return how long a quarantined integration waits: the interval doubled with each failure, at most a day.

    >>> hour = timedelta(hours=1)
    >>> [rest(failures, hour) // hour for failures in (0, 4, 5, 6, 8, 9, 500)]
    [0, 0, 2, 4, 16, 24, 24]
    """
    doublings = failures - QUARANTINE_AFTER + 1
    if doublings < 1:
        return _ZERO
    factor: int = 2 ** min(doublings, 12)
    return min(every * factor, LONGEST_WAIT)


def next_sync(planned: datetime, rest: timedelta, not_before: datetime | None, now: datetime) -> datetime:
    """`planned`, unless quarantine or the UEM's quota make it later; the quota by a day at most."""
    return max(planned, now + rest, min(not_before or now, now + LONGEST_WAIT))


def next_delta(
    wanted: bool,
    next_sync_at: datetime | None,
    quota: tuple[int, int] | None,
    not_before: datetime | None,
    now: datetime,
) -> datetime | None:
    """Return when to refresh what was in contact lately: in ten minutes, or None, until a snapshot has ended.

    None when the administrator does not want it, a snapshot comes first anyway, or the UEM's calls are
    few: `quota` is (left, limit) as last told, None when it never was.
    """
    at = now + DELTA_EVERY
    scarce = quota is not None and quota[0] * _QUOTA_SHARE < quota[1]
    overtaken = next_sync_at is None or next_sync_at <= at
    if not wanted or overtaken or scarce or (not_before is not None and not_before > at):
        return None
    return at


def retry_after_abort(aborted_in_a_row: int, every: timedelta) -> timedelta:
    """Return how long to wait after a worker died: at once the first time, then longer, at most the interval.

    >>> [retry_after_abort(n, timedelta(hours=1)).seconds for n in (1, 2, 3, 9)]
    [0, 120, 240, 3600]
    """
    if aborted_in_a_row <= 1:
        return _ZERO
    return min(timedelta(minutes=2 ** min(aborted_in_a_row - 1, 12)), every)


@dataclass(frozen=True, slots=True)
class Times:
    """The times of an integration that lie in the future while the clock is right."""

    next_sync_at: datetime | None
    next_delta_at: datetime | None
    lease_until: datetime | None
    events_at: datetime | None = None


def mended(times: Times, planned: datetime, longest: timedelta, lease: timedelta, now: datetime) -> Times:
    """`times` without what only a clock that was set back explains.

    No sync is planned further ahead than `longest`; one that is comes at `planned`. A delta is at most ten
    minutes away, a run for events at most a day, and no lease is longer than `lease`.
    """
    sync = times.next_sync_at
    return Times(
        planned if sync is not None and sync > now + longest else sync,
        _at_most(times.next_delta_at, now + DELTA_EVERY),
        _at_most(times.lease_until, now + lease),
        _at_most(times.events_at, now + LONGEST_WAIT),
    )


def _at_most(planned: datetime | None, latest: datetime) -> datetime | None:
    return None if planned is None else min(planned, latest)
