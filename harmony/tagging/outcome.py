"""PURE: what a tagging run did, how it ended in words, and when the next one is due."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from harmony.apps.outcome import PlannedOutcome
from harmony.jobs.outcome import Outcome
from harmony.models.states import SyncRunState
from harmony.uem.errors import Forbidden, RateLimited, SignInRefused, UemError

_REST = "The rest is pushed by the next run."
_DEVICES_GO_ON = "The device sync is not affected."
MOST_DOUBTS, LONGEST_REASON = 2, 1024
SOONEST, LONGEST_RETRY = timedelta(minutes=1), timedelta(hours=1)


@dataclass(slots=True)
class Counts:
    """The counts of a run, in tags on devices; `made` counts tags, `waiting` is what is left to push."""

    waiting: int = 0
    added: int = 0
    removed: int = 0
    failed: int = 0
    dropped: int = 0
    repaired: int = 0
    made: int = 0


STOPPED = PlannedOutcome(
    Outcome(SyncRunState.CANCELLED, "Harmony was stopped during the tagging.", "It goes on at the start."),
    at_once=True,
)
PAUSED = PlannedOutcome(
    Outcome(SyncRunState.CANCELLED, "The integration was paused during the tagging."), at_once=True
)


def of_push(
    counts: Counts, problems: Iterable[str], declined: Sequence[str] = (), doubts: Iterable[str] = ()
) -> Outcome:
    """The end of a run that no error ended.

    `problems` are the names of the tags that cannot be used, `declined` says of some tags on which devices;
    `doubts` are sentences about answers that contradict what is known.
    """
    said = _first_doubts(list(dict.fromkeys(doubts)))
    if problems := sorted(problems):
        said.append(f"{_some(problems)} cannot be used, see the tags.")
    if counts.failed:
        named = f" ({_some(declined, counts.failed)})" if declined else ""
        said.append(f"The UEM declined {_tags(counts.failed)}{named}; they are tried again by themselves.")
    if said:
        return Outcome(SyncRunState.WARNING, _fitting(said), "Look at the tags of this integration.")
    return Outcome(SyncRunState.OK)


def of_error(error: UemError, counts: Counts, use_oauth2: bool = True) -> PlannedOutcome:
    """Return how an error of the UEM ends the run. A missing permission waits for a person: no failure.

    A refused password is not tried again by itself either: the UEM would lock the account.
    """
    if isinstance(error, Forbidden):
        reason = f"Tags are not written: {error.sentence} {_DEVICES_GO_ON}"
        return PlannedOutcome(Outcome(SyncRunState.WARNING, reason, error.advice), park=True)
    if isinstance(error, SignInRefused):
        ended = Outcome(SyncRunState.AUTH_FAILED, error.sentence, error.advice)
        return PlannedOutcome(ended, park=not use_oauth2)
    some = counts.added or counts.removed
    state = SyncRunState.INCOMPLETE if some else SyncRunState.FAILED
    ended = Outcome(state, f"{error.sentence} {_REST}", error.advice)
    return PlannedOutcome(ended, not_before=error.retry_at if isinstance(error, RateLimited) else None)


def retry_wait(failures: int) -> timedelta:
    """Return how long the next run waits after so many that failed in a row: from a minute to an hour.

    >>> [retry_wait(failures) // SOONEST for failures in (1, 2, 6, 7, 100)]
    [1, 2, 32, 60, 60]
    """
    doublings: int = 2 ** min(max(failures - 1, 0), 10)
    return min(SOONEST * doublings, LONGEST_RETRY)


def next_due(times: Iterable[datetime | None], now: datetime) -> datetime | None:
    """The earliest of the times at which there is something to do again, but not before a minute from now."""
    known = [time for time in times if time is not None]
    return max(min(known), now + SOONEST) if known else None


def _fitting(sentences: Iterable[str]) -> str:
    """As many of the sentences as the column takes, the first at least in part."""
    text = ""
    for sentence in sentences:
        if len(text) + len(sentence) >= LONGEST_REASON:
            return text.strip() or sentence[:LONGEST_REASON]
        text += f"{sentence} "
    return text.strip()


def _first_doubts(doubts: list[str]) -> list[str]:
    more = len(doubts) - MOST_DOUBTS
    times = "once" if more == 1 else f"{more} times"
    return doubts[:MOST_DOUBTS] + ([f"It contradicted itself {times} more."] if more > 0 else [])


def disputed(names: Sequence[str]) -> str:
    """The sentence about tags that the UEM lists otherwise than before; nothing is written with them."""
    verb = "is" if len(names) == 1 else "are"
    kept = "nothing is forgotten or written until that is clear"
    return f"{_some(names)} {verb} not where the UEM showed it before; {kept}."


def doubtful(names: Sequence[str]) -> str:
    """The sentence about tags of which the UEM's answers contradict each other."""
    return f"The UEM's answers about {_some(names)} contradict each other; nothing is forgotten."


def unconfirmed(names: Sequence[str]) -> str:
    """The sentence about tags whose ids the UEM's answers do not agree on."""
    verb, pronoun = ("is", "it") if len(names) == 1 else ("are", "them")
    missing = f"The UEM has not confirmed which of its tags {verb} {_some(names)}"
    return f"{missing}; nothing is written with {pronoun} until it has."


def contradicted(count: int) -> str:
    """The sentence about answers that a second look put right."""
    return f"The UEM once answered wrongly about {_tags(count)}; a second look agreed with what is known."


def carriers_odd(name: str, unreadable: int) -> str:
    """The sentence about a list of devices that cannot be read to its end."""
    rows = "1 device" if unreadable == 1 else f"{unreadable:,} devices"
    lacking = f"The UEM's list of devices with {name} has {rows} without a readable id"
    return f"{lacking}; it only adds to what is known."


def carriers_wrong(name: str, missing: int, known: int, *, again: bool) -> str:
    """The sentence about a list that lacks many of the devices that are known to carry a tag."""
    lacked = f"The UEM's list of devices with {name} lacked {missing:,} of {known:,} that have it"
    return f"{lacked}, twice; it is put on them again." if again else f"{lacked}; a second look was right."


def _some(names: Sequence[str], count: int | None = None) -> str:
    """The first three names, and how many more there are.

    >>> _some(["a", "b", "c", "d"])
    'a, b, c and 1 more'
    """
    more = (count or len(names)) - len(names[:3])
    return f"{', '.join(names[:3])} and {more:,} more" if more > 0 else ", ".join(names)


def _tags(count: int) -> str:
    return "1 tag" if count == 1 else f"{count:,} tags"
