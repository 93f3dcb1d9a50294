"""PURE: how a message run ended, in words."""

from __future__ import annotations

from harmony.jobs.outcome import Outcome
from harmony.messages.results import DeliveryCounts
from harmony.models.states import SyncRunState

STOPPED = Outcome(
    SyncRunState.CANCELLED, "Harmony was stopped while messages were sent.", "It goes on at the start."
)
PAUSED = Outcome(SyncRunState.CANCELLED, "The integration was paused while messages were sent.")


def of_locked(sentence: str, advice: str) -> Outcome:
    """The stored secrets do not open: only a person can help."""
    return Outcome(SyncRunState.FAILED, sentence, advice)


def of_round(counts: DeliveryCounts) -> Outcome:
    """The end of a run that nothing ended early.

    >>> of_round(DeliveryCounts(sent=3)).state
    <SyncRunState.OK: 'ok'>
    """
    if counts.fault is not None:
        state = SyncRunState.INCOMPLETE if counts.sent else SyncRunState.FAILED
        return Outcome(state, counts.fault.sentence, counts.fault.advice)
    if counts.failed or counts.delayed:
        return Outcome(SyncRunState.WARNING, _not_taken(counts), "The Messages page says why for each.")
    return Outcome(SyncRunState.OK)


def _not_taken(counts: DeliveryCounts) -> str:
    """Say how many were not taken.

    >>> _not_taken(DeliveryCounts(failed=1, delayed=2))
    '1 was given up, 2 are tried again.'
    """
    parts = [f"{counts.failed:,} {'was' if counts.failed == 1 else 'were'} given up"] if counts.failed else []
    if counts.delayed:
        parts.append(f"{counts.delayed:,} {'is' if counts.delayed == 1 else 'are'} tried again")
    return ", ".join(parts) + "."
