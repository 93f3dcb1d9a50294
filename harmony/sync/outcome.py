"""PURE: how a run ended, in a state, a reason and a next step."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from harmony.models.states import Stopped, SyncRunState
from harmony.uem.errors import RateLimited, SignInRefused, UemError

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
    quota_left: int | None = None
    quota_limit: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end state of a run with the words the page shows.

    `stop` is set when trying again by itself does harm or no good; `not_before` when the UEM named a time.
    """

    state: SyncRunState
    reason: str = ""
    advice: str = ""
    again_at_once: bool = False
    not_before: datetime | None = None
    stop: Stopped | None = None


STOPPED = Outcome(
    SyncRunState.CANCELLED,
    "Harmony was stopped during the sync.",
    "It syncs again at the next start.",
    again_at_once=True,
)


def of_error(error: UemError, tally: Tally, use_oauth2: bool = True) -> Outcome:
    """What an error of the UEM makes of the run: pages that were read before it count as kept.

    A refused user name is never tried again by itself: the UEM would lock the account (facts 11, 13).
    """
    reason = f"{error.sentence} {KEPT}"
    if isinstance(error, SignInRefused):
        stop = None if use_oauth2 else Stopped.SIGN_IN
        return Outcome(SyncRunState.AUTH_FAILED, reason, error.advice, stop=stop)
    state = SyncRunState.INCOMPLETE if tally.pages_read else SyncRunState.FAILED
    not_before = error.retry_at if isinstance(error, RateLimited) else None
    return Outcome(state, reason, error.advice, not_before=not_before)


def of_locked(sentence: str, advice: str) -> Outcome:
    """The stored secrets do not open: only a person can help."""
    return Outcome(SyncRunState.FAILED, sentence, advice, stop=Stopped.SECRETS)


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why a snapshot may not be whole. Any of it, and nothing counts as missing.

    `gone` and `short` name groups: no longer there, and listing less than announced; `nameless` counts
    the rows of which nobody can say which device they are.
    """

    gone: tuple[str, ...] = ()
    short: tuple[str, ...] = ()
    nameless: int = 0

    def __bool__(self) -> bool:
        return bool(self.gone or self.short or self.nameless)


def of_snapshot(tally: Tally, doubt: Doubt) -> Outcome:
    """The end of a run that read what there was to read."""
    if doubt.gone:
        reason = f"The account no longer sees {', '.join(doubt.gone)}. {KEPT}"
        return Outcome(
            SyncRunState.INCOMPLETE, reason, "Choose the groups again on the Synchronization page."
        )
    if doubt.short:
        reason = f"{', '.join(doubt.short)} listed fewer devices than announced. {KEPT}"
        advice = "Devices may be moving between groups right now. The next sync reads everything again."
        return Outcome(SyncRunState.INCOMPLETE, reason, advice)
    if tally.skipped:
        devices = "1 device" if tally.skipped == 1 else f"{tally.skipped:,} devices"
        reason = f"{devices} could not be read, see the list below. All others are in step."
        if doubt.nameless:
            reason += f" {doubt.nameless} of them cannot even be told apart, so none was counted as missing."
        return Outcome(SyncRunState.WARNING, reason, "Look them up in the UEM console by their id.")
    return Outcome(SyncRunState.OK)
