"""PURE: how a run ended, in a state, a reason and a next step."""

from __future__ import annotations

from dataclasses import dataclass

from harmony.models.run import SyncRunState
from harmony.uem.errors import SignInRefused, UemError

KEPT = "Nothing was marked missing."
UNEXPECTED = "The sync met an error of its own; the worker's log has the details."


@dataclass(slots=True)
class Tally:
    """What a run has done so far; each field is a column of `SyncRun`."""

    step: str = ""
    pages_read: int = 0
    devices_read: int = 0
    expected: int | None = None
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    missing: int = 0
    reappeared: int = 0
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end state of a run with the words the page shows."""

    state: SyncRunState
    reason: str = ""
    advice: str = ""
    again_at_once: bool = False


STOPPED = Outcome(
    SyncRunState.CANCELLED, "Harmony was stopped during the sync.", "It syncs again at the next start.", True
)


def of_error(error: UemError, tally: Tally) -> Outcome:
    """What an error of the UEM makes of the run: pages that were read before it count as kept."""
    if isinstance(error, SignInRefused):
        state = SyncRunState.AUTH_FAILED
    else:
        state = SyncRunState.INCOMPLETE if tally.pages_read else SyncRunState.FAILED
    return Outcome(state, f"{error.sentence} {KEPT}", error.advice)


def of_snapshot(tally: Tally, short: list[str]) -> Outcome:
    """The end of a run that read every group; `short` names those that listed less than they promised."""
    if short:
        reason = f"{', '.join(short)} listed fewer devices than announced. {KEPT}"
        advice = "Devices may be moving between groups right now. The next sync reads everything again."
        return Outcome(SyncRunState.INCOMPLETE, reason, advice)
    if tally.skipped:
        reason = f"{tally.skipped} devices could not be read and were skipped; they are listed below."
        return Outcome(SyncRunState.WARNING, reason, "Look them up in the UEM console by their id.")
    return Outcome(SyncRunState.OK)
