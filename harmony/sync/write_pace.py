"""PURE: how many rows one write of a run takes, so that nobody else waits long for the database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

from harmony.sync.diff import Plan

_T = TypeVar("_T")

# Others wait for a whole write. Shorter ones rewrite the same pages of the indexes more often.
AIM_SECONDS = 0.03
FEWEST_ROWS = 400


@dataclass(slots=True)
class WritePace:
    """Follows how long writes take; `most` is never exceeded, and half of it is where a run begins."""

    most: int
    rows: int = 0

    def __post_init__(self) -> None:
        self.rows = max(1, self.most // 2)

    def note(self, rows: int, seconds: float) -> None:
        """Take how long a write of so many rows took. One that is too short to tell anything changes nothing.

        >>> pace = WritePace(2000); pace.note(1000, 0.06); pace.rows
        750
        """
        if rows < min(FEWEST_ROWS, self.most) or seconds <= 0:
            return
        fitting = int(rows * AIM_SECONDS / seconds)
        # Half of the way, so that a single slow write does not make many small ones follow.
        self.rows = min(self.most, max(FEWEST_ROWS, (self.rows + fitting) // 2))


def pieces(plan: Plan, rows: int) -> Iterator[Plan]:
    """Split a plan into writes of about so many new and changed devices; the rest goes with the first.

    Ids that change hands do so within one write.
    """
    total = len(plan.create) + len(plan.update)
    parts = 1 if plan.detach else max(1, round(total / rows))
    for part in range(parts):
        piece = Plan() if part else plan.without_rows()
        piece.create = _part(plan.create, part, parts)
        piece.update = _part(plan.update, part, parts)
        yield piece


def _part(rows: list[_T], part: int, parts: int) -> list[_T]:
    return rows[len(rows) * part // parts : len(rows) * (part + 1) // parts]
