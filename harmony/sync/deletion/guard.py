"""PURE: may these devices be deleted? Numbers in, a verdict in words out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from harmony.jobs.outcome import named
from harmony.models.states import Absence


class Cause(StrEnum):
    """A reason to hold deletions, the plainest first."""

    THRESHOLD = "threshold"
    ROLLING = "rolling"
    EMPTIED = "emptied"
    EDITED = "edited"
    RESTORED = "restored"
    WAITING = "waiting"


DOUBTS = {Absence.EMPTIED: Cause.EMPTIED, Absence.EDITED: Cause.EDITED, Absence.RESTORED: Cause.RESTORED}


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts at the end of a complete snapshot.

    `due` of the `live` devices would go; `threshold` is in percent; `deleted_lately` counts what syncs
    deleted by themselves in the last 24 hours; `whys` are those of the due devices, `suspect` is that of
    this snapshot; `emptied` names the groups of due devices that list none now; `waiting`: an earlier hold
    is not decided yet.
    """

    due: int
    live: int
    threshold: int
    deleted_lately: int = 0
    whys: frozenset[Absence] = frozenset()
    suspect: Absence | None = None
    waiting: bool = False
    emptied: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reason:
    """A cause with the numbers or groups its sentence names, as they were; `str()` is what a hold stores."""

    cause: Cause
    numbers: tuple[int, ...] = ()
    groups: tuple[str, ...] = ()

    def __str__(self) -> str:
        groups = f"={json.dumps(self.groups)}" if self.groups else ""
        return ":".join([self.cause.value, *map(str, self.numbers)]) + groups

    @classmethod
    def read(cls, stored: str) -> Reason:
        """The reason that was stored as `stored`."""
        head, _, groups = stored.partition("=")
        cause, *numbers = head.split(":")
        return cls(Cause(cause), tuple(map(int, numbers)), tuple(json.loads(groups)) if groups else ())

    @property
    def sentence(self) -> str:
        """The reason in words for a page."""
        if self.cause is Cause.THRESHOLD and self.numbers[-1] == 0:
            return _EVERY_ONE
        if self.groups:
            return _LIST_NONE.format(named(self.groups))
        return _SENTENCES[self.cause].format(*self.numbers)


_EVERY_ONE = "The deletion threshold is 0 %, so that every deletion needs approval."
_LIST_NONE = "There were devices in {0}; none is listed there any more."
_SENTENCES = {
    Cause.THRESHOLD: "{0:,} of {1:,} devices would go; the deletion threshold is {2} %.",
    Cause.ROLLING: "With the {0:,} deleted in the last 24 hours, {1:,} of {2:,} devices would be gone; "
    "the deletion threshold is {3} %.",
    Cause.EMPTIED: "Chosen groups that had devices list none any more.",
    Cause.EDITED: "The groups, the server or its credentials were edited before the sync that missed them.",
    Cause.RESTORED: "The database was restored from a backup before the sync that missed them.",
    Cause.WAITING: "An earlier sync held deletions back; none is done until somebody has decided.",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """All of them or none. Not allowed always has a reason, allowed never has one."""

    reasons: tuple[Reason, ...] = ()

    @property
    def allowed(self) -> bool:
        """Tell whether every due device may be deleted."""
        return not self.reasons


def due_up_to(snapshots: int, deletion_after: int) -> int:
    """Return the newest snapshot of which a device that has been absent since then is due for deletion.

    `snapshots` is the number of the last complete one, `deletion_after` how many in a row have to miss it.

    >>> due_up_to(snapshots=7, deletion_after=3)
    5
    """
    return snapshots - deletion_after + 1


def decide(facts: Facts) -> Verdict:
    """May the due devices go?

    >>> [str(reason) for reason in decide(Facts(due=2, live=5, threshold=20)).reasons]
    ['threshold:2:5:20']
    >>> decide(Facts(due=1, live=5, threshold=20)).allowed
    True
    """
    if not facts.due:
        return Verdict()
    reasons = tuple(_reasons(facts))
    # Named only where nothing else would hold them, so that a run repeated after a kill says the same.
    waits = (Reason(Cause.WAITING),) if facts.waiting and not reasons else ()
    return Verdict(reasons + waits)


def _reasons(facts: Facts) -> Iterator[Reason]:
    yield from _percentage(facts)
    for absence, cause in DOUBTS.items():
        if absence in facts.whys or facts.suspect is absence:
            yield Reason(cause, groups=facts.emptied if cause is Cause.EMPTIED else ())


def _percentage(facts: Facts) -> Iterator[Reason]:
    gone, of_all = facts.due + facts.deleted_lately, facts.live + facts.deleted_lately
    if facts.due * 100 > facts.threshold * facts.live:
        yield Reason(Cause.THRESHOLD, (facts.due, facts.live, facts.threshold))
    elif gone * 100 > facts.threshold * of_all:
        # Otherwise a threshold could be passed a little below it at every sync.
        yield Reason(Cause.ROLLING, (facts.deleted_lately, gone, of_all, facts.threshold))
