"""Plans what the rows of a run change: most of them at once, those that change who is who at its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from harmony.db import release
from harmony.jobs.accounting import Account, Identity, contradicts_many, identity
from harmony.sync.diff import Plan, plan, unread
from harmony.sync.reading import lookup
from harmony.sync.reading.arrived import Arrived
from harmony.sync.reading.crossings import contest, contested_inside, contested_outside
from harmony.sync.reading.known import Known
from harmony.sync.reading.matching import Matcher
from harmony.sync.reading.placement import CONTRADICTS, TAKES_ID, doubtful_row
from harmony.sync.reading.scope import Incoming
from harmony.uem.records import SkippedRow, UemDevice

# Rows are large. Beyond so many, ids are judged by what was read until then.
MOST_WAITING = 10_000
ROWS_PER_PLAN = 1000

# What to write, and the rows that are not believed and were not known as such before.
_Planned = tuple[Plan, list[SkippedRow]]


@dataclass(slots=True)
class Planner:
    """Compares rows with what is stored; reads only. Its `account` takes what is doubtful, shared or new.

    `is_placed` tells of an id whether this run has read a row of it in the chosen groups.
    """

    integration_id: int
    account: Account = field(default_factory=Account)
    is_placed: Callable[[str], bool] = lambda _id: False
    _waiting: list[Incoming] = field(default_factory=list)
    _rows: int = 0
    _arrived: Arrived = field(default_factory=Arrived)
    _is_first: bool | None = None

    @property
    def is_full(self) -> bool:
        """Tell whether so many rows wait that they are to be finished now."""
        return len(self._waiting) >= MOST_WAITING

    def plan(
        self, arriving: Sequence[Incoming], skipped: Sequence[SkippedRow], outside: Sequence[UemDevice]
    ) -> _Planned:
        """Plan a few pages of rows, but for those that wait until `finish`."""
        self._rows += len(arriving)
        contested = self._compare_outside([identity(device) for device in outside])
        changes, doubtful = self._plan(arriving, skipped)
        self._waiting += changes.waiting
        return changes, [*contested, *doubtful]

    def finish(self) -> Iterator[_Planned]:
        """Plan the rows that waited for all ids to be known."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        by_id, by_udid = lookup.known_of(self.integration_id, waiting, ())
        release()
        contested = contested_inside(waiting, by_id, by_udid, self.account)
        yield Plan(), self._doubt([doubtful_row(row.device, TAKES_ID) for row in contested])
        ids = {row.device.external_id for row in contested}
        waiting = [row for row in waiting if row.device.external_id not in ids]
        contradicting = sum(row.device.external_id in by_id for row in waiting)
        believed = not contradicts_many(contradicting, self._rows)
        for start in range(0, len(waiting), ROWS_PER_PLAN):
            yield self._plan(waiting[start : start + ROWS_PER_PLAN], (), believed)

    def _plan(
        self, arriving: Sequence[Incoming], skipped: Sequence[SkippedRow], believed: bool | None = None
    ) -> _Planned:
        by_id, by_udid = self._known_of(arriving, skipped)
        release()
        matcher = Matcher(by_id, by_udid, self.account.shared, self.is_placed, believed)
        changes = plan(matcher.match(arriving))
        back = {*changes.reappeared, *changes.unread}
        changes.unread += [id_ for id_ in unread(skipped, by_id, by_udid) if id_ not in back]
        self.account.remember(row.device for row in changes.create)
        for row in changes.twins:
            self.account.name(identity(row.device))
        self.account.detached.update(changes.detach)
        self.account.unbelieved.update(matcher.found.unbelieved)
        for row in changes.doubtful:
            contest(row.device.external_id, by_udid.get(row.udid_key), self.account)
        return changes, self._doubt([doubtful_row(row.device, CONTRADICTS) for row in changes.doubtful])

    def _known_of(
        self, arriving: Sequence[Incoming], skipped: Sequence[SkippedRow]
    ) -> tuple[dict[str, Known], dict[str, Known]]:
        """Look up the stored devices; in a first sync only those that it may have stored itself.

        Nobody else creates devices of the integration meanwhile but the registration, which marks them.
        """
        if self._is_first is None:
            self._is_first = lookup.is_empty(self.integration_id)
        if self._is_first:
            repeated = self._arrived.take(arriving)
            if not lookup.has_registered(self.integration_id):
                arriving = repeated
        return lookup.known_of(self.integration_id, arriving, skipped)

    def _compare_outside(self, rows: Sequence[Identity]) -> list[SkippedRow]:
        if not rows:
            return []
        self.account.see_outside(rows)
        by_id, by_udid = lookup.known_outside(self.integration_id, rows)
        release()
        contested = contested_outside(rows, by_id, by_udid, self.account)
        return self._doubt(
            [
                SkippedRow(row.external_id, CONTRADICTS, row.udid_key, row.uuid, row.serial)
                for row in contested
            ]
        )

    def _doubt(self, rows: Sequence[SkippedRow]) -> list[SkippedRow]:
        return [row for row in rows if self.account.doubt(identity(row))]
