"""PURE: what a tagging run did, how it ended in words, and when the next one is due."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from harmony.models.states import SyncRunState
from harmony.protect.app_ends import End
from harmony.sync.outcome import Outcome
from harmony.uem.errors import Forbidden, RateLimited, SignInRefused, UemError

REST = "The rest is pushed by the next run."
DEVICES_GO_ON = "The device sync is not affected."
SOONEST, LONGEST_RETRY = timedelta(minutes=1), timedelta(hours=1)


@dataclass(slots=True)
class Counts:
    """What a run did, in tags on devices; `made` counts tags, `waiting` is what is left to push."""

    waiting: int = 0
    added: int = 0
    removed: int = 0
    failed: int = 0
    dropped: int = 0
    repaired: int = 0
    made: int = 0


STOPPED = End(
    Outcome(SyncRunState.CANCELLED, "Harmony was stopped during the tagging.", "It goes on at the start."),
    at_once=True,
)
PAUSED = End(Outcome(SyncRunState.CANCELLED, "The integration was paused during the tagging."), at_once=True)


def of_push(counts: Counts, problems: Iterable[str]) -> Outcome:
    """The end of a run that no error ended; `problems` are the names of the tags that cannot be used."""
    named, said = sorted(problems), []
    if named:
        more = f" and {len(named) - 3} more" if len(named) > 3 else ""
        said.append(f"{', '.join(named[:3])}{more} cannot be used, see the tags.")
    if counts.failed:
        said.append(f"The UEM declined {_tags(counts.failed)}; they are tried again by themselves.")
    if said:
        return Outcome(SyncRunState.WARNING, " ".join(said), "Look at the tags of this integration.")
    return Outcome(SyncRunState.OK)


def of_error(error: UemError, counts: Counts, use_oauth2: bool = True) -> End:
    """What an error of the UEM makes of the run. A missing permission waits for a person, and is no failure.

    A refused password is not tried again by itself either: the UEM would lock the account.
    """
    if isinstance(error, Forbidden):
        reason = f"Tags are not written: {error.sentence} {DEVICES_GO_ON}"
        return End(Outcome(SyncRunState.WARNING, reason, error.advice), park=True)
    if isinstance(error, SignInRefused):
        ended = Outcome(SyncRunState.AUTH_FAILED, error.sentence, error.advice)
        return End(ended, park=not use_oauth2)
    some = counts.added or counts.removed
    state = SyncRunState.INCOMPLETE if some else SyncRunState.FAILED
    ended = Outcome(state, f"{error.sentence} {REST}", error.advice)
    return End(ended, not_before=error.retry_at if isinstance(error, RateLimited) else None)


def retry_wait(failures: int) -> timedelta:
    """How long the next run waits after so many that failed in a row: from a minute to an hour.

    >>> [retry_wait(failures) // SOONEST for failures in (1, 2, 6, 7, 100)]
    [1, 2, 32, 60, 60]
    """
    doublings: int = 2 ** min(max(failures - 1, 0), 10)
    return min(SOONEST * doublings, LONGEST_RETRY)


def next_due(times: Iterable[datetime | None], now: datetime) -> datetime | None:
    """The earliest of the times at which there is something to do again, but not before a minute from now."""
    known = [time for time in times if time is not None]
    return max(min(known), now + SOONEST) if known else None


def _tags(count: int) -> str:
    return "1 tag" if count == 1 else f"{count:,} tags"
