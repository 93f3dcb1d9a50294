"""PURE: how an app sync ended, in words, and when it goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from harmony.apps.app_lists import ReadingOutcome
from harmony.jobs.accounting import contradicts_many
from harmony.jobs.outcome import OVERTAKEN as OVERTAKEN_OUTCOME
from harmony.jobs.outcome import Outcome, named
from harmony.jobs.outcome import of_database as database_outcome
from harmony.jobs.quota import Share, is_scarce
from harmony.models.states import SyncRunState
from harmony.uem.errors import Forbidden, RateLimited, SignInRefused, UemError
from harmony.uem.records import Quota

_DEVICES_GO_ON = "The device sync is not affected."
_READ_IS_KEPT = "What it had read was kept; the next app sync goes on from there."
_LONGEST_WAIT = timedelta(hours=24)
_READ_AGAIN = (
    "They are read again by the next app sync, after all others. Look them up in the UEM by their ID."
)
_OF_SERVER = (
    "So many at once are rarely a matter of the devices: look at the health of the UEM and at proxies. "
    "They are read again by the next app sync, after all others."
)


@dataclass(slots=True)
class AppSyncCounts:
    """The numbers of a run, in devices: `waiting` are those still to be read; the page shows all of it.

    `incomplete` are the read ones whose list was not whole or is not believed yet.
    """

    waiting: int = 0
    read: int = 0
    changed: int = 0
    skipped: int = 0
    incomplete: int = 0


@dataclass(slots=True)
class Doubts:
    """The devices whose apps were not read in full, by their ids in the UEM, and the first error."""

    failed: list[str] = field(default_factory=list)
    incomplete: list[str] = field(default_factory=list)
    unconfirmed: list[str] = field(default_factory=list)
    error: UemError | None = None

    def note(self, outcomes: Mapping[str, ReadingOutcome]) -> int:
        """Take what came of some devices; return how many lists among them were doubtful."""
        places = {
            ReadingOutcome.FAILED: self.failed,
            ReadingOutcome.INCOMPLETE: self.incomplete,
            ReadingOutcome.UNCONFIRMED: self.unconfirmed,
        }
        before = len(self.incomplete) + len(self.unconfirmed)
        for external_id, outcome in outcomes.items():
            if outcome in places:
                places[outcome].append(external_id)
        return len(self.incomplete) + len(self.unconfirmed) - before

    def note_error(self, error: UemError | None) -> None:
        """Keep the first error of the run."""
        self.error = self.error or error


@dataclass(frozen=True, slots=True)
class PlannedOutcome:
    """The outcome of a run; `park` when only a person can help, `not_before` when it can go on then."""

    outcome: Outcome
    park: bool = False
    not_before: datetime | None = None
    at_once: bool = False

    def next_at(self, planned: datetime, now: datetime) -> datetime | None:
        """Return when the next run is due; None while it is parked. A wait is at most a day."""
        if self.park:
            return None
        if self.at_once:
            return now
        return planned if self.not_before is None else min(max(self.not_before, now), now + _LONGEST_WAIT)


STOPPED = PlannedOutcome(
    Outcome(SyncRunState.CANCELLED, "Harmony was stopped during the app sync.", "It goes on at the start."),
    at_once=True,
)
PAUSED = PlannedOutcome(
    Outcome(SyncRunState.CANCELLED, "The integration was paused during the app sync."), at_once=True
)
OVERTAKEN = PlannedOutcome(OVERTAKEN_OUTCOME)


def with_quota(share: Share, quota: Quota, percent: int) -> Share:
    """Return the share once the UEM has named its daily quota.

    >>> from datetime import UTC
    >>> before = Share(10_000, 50_000, 9_000, datetime(2026, 1, 15, tzinfo=UTC))
    >>> with_quota(before, Quota(250_000, 1, None), 20).left
    41000
    """
    return replace(share, allowed=max(1, quota.limit * percent // 100), limit=quota.limit)


def of_reading(counts: AppSyncCounts, doubts: Doubts, share: Share, quota: Quota | None) -> PlannedOutcome:
    """Return the outcome of a run that no error ended: everything was read, or calls have run out for now."""
    reasons = _reasons(doubts)
    if counts.waiting:
        end = _out_of_calls(counts, share, quota)
        return replace(end, outcome=replace(end.outcome, reason=" ".join([end.outcome.reason, *reasons])))
    if not reasons:
        return PlannedOutcome(Outcome(SyncRunState.OK))
    many = contradicts_many(len(doubts.failed) + len(doubts.incomplete), counts.read + counts.skipped)
    return PlannedOutcome(
        Outcome(SyncRunState.WARNING, " ".join(reasons), _OF_SERVER if many else _READ_AGAIN)
    )


def _reasons(doubts: Doubts) -> list[str]:
    """Say in a sentence for each kind of doubt how many devices and which it is about."""
    found: list[str] = []
    if doubts.failed:
        found.append(
            f"The apps of {_some(doubts.failed)} could not be read; what was known of them was kept."
        )
        found += [f"The first answer: {doubts.error.sentence}"] if doubts.error else []
    if doubts.incomplete:
        found.append(f"The list of apps was incomplete for {_some(doubts.incomplete)}; no app was removed.")
    if doubts.unconfirmed:
        found.append(
            f"The list of apps lacks more than is believed at once for {_some(doubts.unconfirmed)}; "
            "the apps are removed when the next list lacks the same."
        )
    return found


def _some(external_ids: Sequence[str]) -> str:
    """The number of devices with the first of their ids.

    >>> _some(["7"]), _some(["7", "8"])
    ('1 device (UEM ID 7)', '2 devices (UEM IDs 7, 8)')
    """
    ids = "UEM ID" if len(external_ids) == 1 else "UEM IDs"
    return f"{_devices(len(external_ids))} ({ids} {named(external_ids)})"


def _out_of_calls(counts: AppSyncCounts, share: Share, quota: Quota | None) -> PlannedOutcome:
    rest = f"{_devices(counts.waiting)} {'waits' if counts.waiting == 1 else 'wait'}."
    if quota is not None and is_scarce(quota.remaining, quota.limit):
        reason = f"Only {quota.remaining:,} of the UEM's {quota.limit:,} calls a day are left. {rest}"
        advice = "They are left to the device sync and to other programs until the quota is renewed."
        return PlannedOutcome(Outcome(SyncRunState.WARNING, reason, advice), not_before=quota.reset_at)
    reason = (
        f"Reading apps may use {share.allowed:,} of the UEM's {share.limit:,} calls a day, "
        f"and has used them. {rest}"
    )
    advice = (
        "It goes on by itself. A longer App sync interval needs less, "
        "a larger HARMONY_APPS_QUOTA_PERCENT allows more."
    )
    return PlannedOutcome(Outcome(SyncRunState.WARNING, reason, advice), not_before=share.frees_at)


def of_error(error: UemError, counts: AppSyncCounts, use_oauth2: bool = True) -> PlannedOutcome:
    """Return the outcome that an error of the UEM means. A refused password is not tried again by itself."""
    sentence = f"{error.sentence} {_DEVICES_GO_ON}" if isinstance(error, Forbidden) else error.sentence
    if isinstance(error, SignInRefused):
        return PlannedOutcome(Outcome(SyncRunState.AUTH_FAILED, sentence, error.advice), park=not use_oauth2)
    state = SyncRunState.INCOMPLETE if counts.read else SyncRunState.FAILED
    ended = Outcome(state, f"{sentence} {_READ_IS_KEPT}" if counts.read else sentence, error.advice)
    if isinstance(error, Forbidden):
        return PlannedOutcome(replace(ended, state=SyncRunState.FAILED), park=True)
    return PlannedOutcome(ended, not_before=error.retry_at if isinstance(error, RateLimited) else None)


def of_locked(sentence: str, advice: str) -> PlannedOutcome:
    """Return the outcome where the stored secrets do not open: only a person can help."""
    return PlannedOutcome(Outcome(SyncRunState.FAILED, sentence, advice), park=True)


def of_database(sign: str) -> PlannedOutcome:
    """Return the outcome where the database failed the run; `sign` as in `sync.outcome.of_database`."""
    return PlannedOutcome(database_outcome(sign))


def _devices(count: int) -> str:
    return "1 device" if count == 1 else f"{count:,} devices"
