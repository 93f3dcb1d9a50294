"""PURE: how an app sync ended, in words, and when it goes on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from harmony.models.states import SyncRunState
from harmony.protect.app_share import Share, is_scarce
from harmony.sync.outcome import OVERTAKEN as OVERTAKEN_OUTCOME
from harmony.sync.outcome import Outcome
from harmony.sync.outcome import of_database as database_outcome
from harmony.uem.errors import Forbidden, RateLimited, SignInRefused, UemError
from harmony.uem.records import Quota

DEVICES_GO_ON = "The device sync is not affected."
READ_IS_KEPT = "What it had read was kept; the next app sync goes on from there."
LONGEST_WAIT = timedelta(hours=24)


@dataclass(slots=True)
class Counts:
    """What a run did, in devices: `waiting` are those still to be read; the page shows all of it."""

    waiting: int = 0
    read: int = 0
    changed: int = 0
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class End:
    """The outcome of a run; `park` when only a person can help, `not_before` when it can go on then."""

    outcome: Outcome
    park: bool = False
    not_before: datetime | None = None
    at_once: bool = False

    def next_at(self, planned: datetime, now: datetime) -> datetime | None:
        """When the next run is due; None while it is parked. A wait is at most a day."""
        if self.park:
            return None
        if self.at_once:
            return now
        return planned if self.not_before is None else min(max(self.not_before, now), now + LONGEST_WAIT)


STOPPED = End(
    Outcome(SyncRunState.CANCELLED, "Harmony was stopped during the app sync.", "It goes on at the start."),
    at_once=True,
)
PAUSED = End(Outcome(SyncRunState.CANCELLED, "The integration was paused during the app sync."), at_once=True)
OVERTAKEN = End(OVERTAKEN_OUTCOME)


def told(share: Share, quota: Quota, percent: int) -> Share:
    """The share once the UEM has named its daily quota.

    >>> from datetime import UTC
    >>> before = Share(10_000, 50_000, 9_000, datetime(2026, 1, 15, tzinfo=UTC))
    >>> told(before, Quota(250_000, 1, None), 20).left
    41000
    """
    return replace(share, allowed=max(1, quota.limit * percent // 100), limit=quota.limit)


def of_reading(counts: Counts, share: Share, quota: Quota | None) -> End:
    """The end of a run that no error ended: everything was read, or calls have run out for now."""
    if counts.waiting:
        return _out_of_calls(counts, share, quota)
    if counts.skipped:
        devices = _devices(counts.skipped)
        reason = f"The apps of {devices} could not be read; what was known of them was kept."
        return End(Outcome(SyncRunState.WARNING, reason, "They are tried again once they were in contact."))
    return End(Outcome(SyncRunState.OK))


def _out_of_calls(counts: Counts, share: Share, quota: Quota | None) -> End:
    rest = f"{_devices(counts.waiting)} {'waits' if counts.waiting == 1 else 'wait'}."
    if quota is not None and is_scarce(quota.remaining, quota.limit):
        reason = f"Only {quota.remaining:,} of the UEM's {quota.limit:,} calls a day are left. {rest}"
        advice = "They are left to the device sync and to other programs until the quota is renewed."
        return End(Outcome(SyncRunState.WARNING, reason, advice), not_before=quota.reset_at)
    reason = (
        f"Reading apps may use {share.allowed:,} of the UEM's {share.limit:,} calls a day, "
        f"and has used them. {rest}"
    )
    advice = (
        "It goes on by itself. A longer App sync interval needs less, "
        "a larger HARMONY_APPS_QUOTA_PERCENT allows more."
    )
    return End(Outcome(SyncRunState.WARNING, reason, advice), not_before=share.frees_at)


def of_error(error: UemError, counts: Counts, use_oauth2: bool = True) -> End:
    """What an error of the UEM makes of the run. A refused password is not tried again by itself."""
    sentence = f"{error.sentence} {DEVICES_GO_ON}" if isinstance(error, Forbidden) else error.sentence
    if isinstance(error, SignInRefused):
        return End(Outcome(SyncRunState.AUTH_FAILED, sentence, error.advice), park=not use_oauth2)
    state = SyncRunState.INCOMPLETE if counts.read else SyncRunState.FAILED
    ended = Outcome(state, f"{sentence} {READ_IS_KEPT}" if counts.read else sentence, error.advice)
    if isinstance(error, Forbidden):
        return End(replace(ended, state=SyncRunState.FAILED), park=True)
    return End(ended, not_before=error.retry_at if isinstance(error, RateLimited) else None)


def of_locked(sentence: str, advice: str) -> End:
    """The stored secrets do not open: only a person can help."""
    return End(Outcome(SyncRunState.FAILED, sentence, advice), park=True)


def of_database(sign: str) -> End:
    """The database failed the run; `sign` as in `sync.outcome.of_database`."""
    return End(database_outcome(sign))


def _devices(count: int) -> str:
    return "1 device" if count == 1 else f"{count:,} devices"
