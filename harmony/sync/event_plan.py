"""PURE: what is done about the devices that events named, and when. Numbers in, a decision out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from harmony.jobs.quota import DAY, Share

# So long events are gathered: what is done to a device in a console comes as several of them.
GATHER = timedelta(seconds=2)
# What the UEM says of a device that has just been enrolled or left is complete some minutes later.
_CHECKS = (timedelta(minutes=2), timedelta(minutes=10))
# Full syncs that events ask for are so far apart at least, whoever sends how many.
BETWEEN_FULL_SYNCS = timedelta(minutes=30)
_LONGEST_REST = timedelta(hours=1)
# Of so few each is read by its own call, however small the fleet is.
_FEW = 50
_ROWS_PER_CALL = 500
# The calls for the groups, which every run makes before the first device.
_CALLS_OF_GROUPS = 10


class EventAction(StrEnum):
    """Read each device, ask for a full sync instead, or wait."""

    READ = "read"
    FULL_SYNC = "full_sync"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class EventFacts:
    """The numbers of devices that were `named` and are `known`, and what may be spent.

    `overflowed`: more were named than is kept. `full_sync_at` is when events last asked for a full sync.
    """

    named: int
    known: int
    share: Share
    overflowed: bool = False
    full_sync_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class EventDecision:
    """The action; with WAIT the time until then."""

    action: EventAction
    until: datetime | None = None


def decide(facts: EventFacts, now: datetime) -> EventDecision:
    """Decide about the named devices: each by a call of its own while that costs less than reading all.

    >>> from datetime import UTC
    >>> noon = datetime(2026, 1, 15, 12, tzinfo=UTC)
    >>> share = Share(10_000, 50_000, 0, noon + DAY)
    >>> [str(decide(EventFacts(named, 5_000, share), noon).action) for named in (1, 50, 51)]
    ['read', 'read', 'full_sync']
    >>> str(decide(EventFacts(200, 100_000, share), noon).action)
    'read'
    """
    full = _CALLS_OF_GROUPS + facts.known // _ROWS_PER_CALL
    if not facts.overflowed and facts.named <= max(_FEW, full):
        if facts.named + _CALLS_OF_GROUPS <= facts.share.left:
            return EventDecision(EventAction.READ)
        return EventDecision(EventAction.WAIT, facts.share.frees_at)
    if full > facts.share.left:
        return EventDecision(EventAction.WAIT, facts.share.frees_at)
    allowed_at = facts.full_sync_at and facts.full_sync_at + BETWEEN_FULL_SYNCS
    if allowed_at is not None and now < allowed_at:
        return EventDecision(EventAction.WAIT, allowed_at)
    return EventDecision(EventAction.FULL_SYNC)


def rest(calls: int, share: Share) -> timedelta:
    """Return how long to rest after a run of so many calls: not at all until half of the share is used.

    From then on runs like this one are spread so that what is left lasts a day.

    >>> from datetime import UTC
    >>> at = datetime(2026, 1, 15, 12, tzinfo=UTC)
    >>> [rest(10, Share(1000, 5000, used, at)).seconds for used in (0, 500, 900)]
    [0, 1716, 3600]
    """
    if share.left * 2 > share.allowed:
        return timedelta(0)
    return min(DAY * calls / max(1, share.left), _LONGEST_REST)


def next_check(received_at: datetime, checks: int, again: bool, now: datetime) -> datetime | None:
    """Return when a device is read once more because of the same event; None when that was enough."""
    if not again or checks > len(_CHECKS):
        return None
    return max(received_at + _CHECKS[checks - 1], now)
