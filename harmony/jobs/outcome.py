"""PURE: how a run ended, in a state, a reason and a next step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from harmony.jobs.accounting import FEW
from harmony.jobs.tally import Tally
from harmony.models.states import StopReason, SyncRunState
from harmony.uem.errors import RateLimited, SignInRefused, UemError

_KEPT = "Nothing was marked missing."
_LOOK_UP = "Look them up in the UEM console by their id."
NAMED, NAME_SHOWN = 5, 80
_LONGEST_REASON = 1024
# What a run may end with after it read all it was to read; anything else leaves the next one to find out.
GOOD = frozenset({SyncRunState.OK, SyncRunState.WARNING, SyncRunState.HELD})
UNEXPECTED = "The sync met an error of its own; the worker's log has the details."
# What SQLite (by the beginning of its name) and PostgreSQL (by SQLSTATE) call the troubles a person can end.
_TROUBLES = (
    (("SQLITE_FULL", "53100"), "The disk is full: the database cannot grow.",
     "Free space on the disk of the database."),
    (("SQLITE_IOERR", "58030"), "The disk failed while the database was read or written.",
     "Look at the disk and at the machine's log."),
    (("SQLITE_BUSY", "SQLITE_LOCKED", "55P03"), "Another program kept the database locked for too long.",
     "End what holds it, such as a database shell."),
    (("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "25006"), "The database may not be written.",
     "Give its folder and files back to the user that Harmony runs as, on a disk that can be written."),
    (("08", "57P"), "The connection to the database was lost: it was stopped, or the network failed.",
     "Nothing, if the database answers again; otherwise look at its server and at the network."),
    (("SQLITE_CORRUPT", "SQLITE_NOTADB"), "The database is damaged.",
     "Stop Harmony, and restore a backup with `flask --app app db restore FILE`."),
)  # fmt: skip
_WRITTEN_IS_KEPT = "What this sync had written before is kept; the rest comes with the next one."


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end state of a run with the words the page shows.

    `complete`: a whole snapshot, which counts. `stop` is set when trying again by itself does harm or no
    good; `not_before` when the UEM named a time. `full_sync`: what was read calls for one.
    """

    state: SyncRunState
    reason: str = ""
    advice: str = ""
    again_at_once: bool = False
    complete: bool = False
    not_before: datetime | None = None
    stop: StopReason | None = None
    full_sync: bool = False

    @property
    def good(self) -> bool:
        """Tell whether the run read all it was to read."""
        return self.state in GOOD

    @property
    def failed(self) -> bool:
        """Tell whether the run got nothing done."""
        return self.state in {SyncRunState.FAILED, SyncRunState.AUTH_FAILED}


_STOPPED = "Harmony was stopped during the sync."
STOPPED = Outcome(SyncRunState.CANCELLED, _STOPPED, "It syncs again at the next start.", again_at_once=True)
PAUSED = Outcome(SyncRunState.CANCELLED, "The integration was paused during the sync.")
OVERTAKEN = Outcome(
    SyncRunState.ABORTED, "Another worker took over, because this one was silent for too long."
)


def of_error(error: UemError, tally: Tally, use_oauth2: bool = True) -> Outcome:
    """Return what an error of the UEM makes of the run: pages that were read before it count as kept.

    A refused user name is never tried again by itself: the UEM would lock the account (facts 11, 13).
    """
    reason = f"{error.sentence} {_KEPT}"
    if isinstance(error, SignInRefused):
        stop = None if use_oauth2 else StopReason.SIGN_IN
        return Outcome(SyncRunState.AUTH_FAILED, reason, error.advice, stop=stop)
    state = SyncRunState.INCOMPLETE if tally.pages_read else SyncRunState.FAILED
    not_before = error.retry_at if isinstance(error, RateLimited) else None
    return Outcome(state, reason, error.advice, not_before=not_before)


def of_locked(sentence: str, advice: str) -> Outcome:
    """The stored secrets do not open: only a person can help."""
    return Outcome(SyncRunState.FAILED, sentence, advice, stop=StopReason.SECRETS)


def of_database(sign: str) -> Outcome:
    """The database failed the run; `sign` is its own name for why, "" when it was not the database.

    >>> of_database("SQLITE_FULL").reason.partition(":")[0]
    'The disk is full'
    """
    said = database_says(sign)
    if said is None:
        return Outcome(SyncRunState.FAILED, UNEXPECTED)
    sentence, advice = said
    return Outcome(SyncRunState.FAILED, f"{sentence} {_WRITTEN_IS_KEPT}", advice)


def database_says(sign: str) -> tuple[str, str] | None:
    """Return what a database's name for an error means and what to do; None when it is another."""
    return next(((says, do) for signs, says, do in _TROUBLES if sign.startswith(signs)), None)


@dataclass(frozen=True, slots=True)
class Doubt:
    """The doubts of a snapshot.

    `gone` and `short` name groups: no longer there, and listing less than announced, so that not all was
    read. `unproven` lists announced no number of devices, or are lists of members shorter than the UEM's own
    count. `anonymous` counts the rows that may be about any device, `unreadable` says that most rows are
    doubtful. `unlisted` are members of smart groups that no list shows, `kept` devices that a doubtful row
    may be about, `former` those not found since a move of UEM, `unbelieved` those that keep their marks.
    """

    gone: tuple[str, ...] = ()
    short: tuple[str, ...] = ()
    unproven: tuple[str, ...] = ()
    anonymous: int = 0
    unreadable: bool = False
    unlisted: int = 0
    kept: int = 0
    former: int = 0
    unbelieved: int = 0

    @property
    def read(self) -> bool:
        """Tell whether everything that there was to read was read."""
        return not (self.gone or self.short or self.unreadable)

    @property
    def counts(self) -> bool:
        """Tell whether what was not listed counts as missing."""
        return self.read and not (self.unproven or self.anonymous)


def of_snapshot(tally: Tally, doubt: Doubt, reasons: Sequence[str] = ()) -> Outcome:
    """The end of a snapshot that read what there was to read; `reasons` are those that hold deletions."""
    if not doubt.read:
        return _doubtful(doubt)
    if reasons:
        deletions = "only those that had been approved were made" if tally.deleted else "none was made"
        rest = [*_unreadable(tally), *_doubts(doubt)] or ["Everything else is up to date."]
        reason = " ".join([f"Deletions wait for you; {deletions}.", *reasons, *rest])[:_LONGEST_REASON]
        return Outcome(SyncRunState.HELD, reason, "Review the list.", complete=True)
    return replace(_finished(tally, doubt), complete=doubt.counts)


def of_delta(tally: Tally, doubt: Doubt) -> Outcome:
    """The end of a delta: groups that are gone are the next snapshot's business to tell."""
    if doubt.short:
        return _doubtful(replace(doubt, gone=()))
    return _finished(tally, Doubt(unbelieved=doubt.unbelieved))


def _finished(tally: Tally, doubt: Doubt) -> Outcome:
    """Return a warning with everything that is not sure; ok where all of it is."""
    sentences = [*_unreadable(tally), *_doubts(doubt)]
    state = SyncRunState.WARNING if sentences else SyncRunState.OK
    return Outcome(state, " ".join(sentences), _LOOK_UP if tally.skipped else "")


def mostly_doubtful(doubtful: int, others: int) -> bool:
    """Return True if a run could place so few of its rows that it was no look at the devices."""
    return doubtful > FEW and doubtful > others


def _doubtful(doubt: Doubt) -> Outcome:
    if doubt.unreadable:
        reason = f"Most of the devices that the UEM listed could not be read. {_KEPT}"
        advice = "See the list below, and look some of them up in the UEM console."
    elif doubt.gone:
        reason = f"The account no longer sees {named(doubt.gone)}. {_KEPT}"
        advice = "Choose the groups again on the Synchronization page."
    else:
        reason = f"{named(doubt.short)} listed fewer devices than announced, twice. {_KEPT}"
        advice = "Devices may be moving between groups right now. The next sync reads everything again."
    return Outcome(SyncRunState.INCOMPLETE, reason, advice)


def named(groups: Sequence[str]) -> str:
    """The first of these names, so that a sentence with any number of them fits its column.

    >>> named(["Sales"]), named([f"Group {n}" for n in range(7)])
    ('Sales', 'Group 0, Group 1, Group 2, Group 3, Group 4 and 2 more')
    """
    short = ", ".join(name if len(name) <= NAME_SHOWN else f"{name[:NAME_SHOWN]}…" for name in groups[:NAMED])
    return f"{short} and {len(groups) - NAMED:,} more" if len(groups) > NAMED else short


def _unreadable(tally: Tally) -> Iterator[str]:
    if tally.skipped:
        yield f"{_devices(tally.skipped)} could not be read, see the list below. All others are up to date."


def _doubts(doubt: Doubt) -> Iterator[str]:
    if doubt.anonymous:
        yield (
            f"{doubt.anonymous:,} of the rows do not say which device they are about, so none was counted as "
            "missing."
        )
    if doubt.unproven:
        yield (
            f"{named(doubt.unproven)} did not list as many devices as the UEM counts, or gave no number, so "
            "none was counted as missing."
        )
    if doubt.unlisted:
        yield f"Kept: {_devices(doubt.unlisted)} that smart groups name and no list shows."
    if doubt.kept:
        yield f"Kept: {_devices(doubt.kept)} that no row names, because an unreadable row may be about them."
    if doubt.unbelieved:
        changed = f"the UUID, UDID or serial number of {_devices(doubt.unbelieved)}"
        yield f"Not taken over: another value for {changed}, because too many changed at once."
    if doubt.former:
        yield (
            f"Not tagged, and no apps read: {_devices(doubt.former)} that no sync has found in the UEM since "
            "Server Details were changed."
        )


def _devices(count: int) -> str:
    return "1 device" if count == 1 else f"{count:,} devices"
