"""PURE: tells which stored device each row of the UEM is about, and which rows contradict what is stored."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from harmony.jobs.accounting import (
    Match,
    compare,
    contradicts_many,
    identity,
    other_hardware,
    same_hardware,
)
from harmony.sync.reading.known import (
    Known,
    has_other_marks,
    has_other_udid,
    is_newer,
    is_same_record,
)
from harmony.sync.reading.scope import Incoming, with_marks

# A device that is enrolled again leaves records behind: so many where serial numbers prove it, else so many.
MOST_ENROLMENTS, MOST_UNPROVEN = 5, 2


@dataclass(slots=True)
class Matches:
    """Rows by what they are about.

    `same` are stored devices, `new` ones that are not stored. `twins` are older enrolments of a device that
    is listed under a newer one. `doubtful` contradict the device that is stored under their id. `detached`
    has, by the UEM's id, the row id of the device that had the id until other hardware was listed under it.
    `waiting` change which device has which id, and wait until every id that is listed was seen. `unbelieved`
    are the ids of those `same` devices whose other UUID, UDID or serial is not believed.
    """

    same: list[tuple[Known, Incoming]] = field(default_factory=list)
    new: list[Incoming] = field(default_factory=list)
    twins: list[Incoming] = field(default_factory=list)
    doubtful: list[tuple[Known, Incoming]] = field(default_factory=list)
    detached: dict[str, int] = field(default_factory=dict)
    waiting: list[Incoming] = field(default_factory=list)
    unbelieved: set[str] = field(default_factory=set)


Compared = tuple[Known, Incoming, Match]


@dataclass(slots=True)
class Matcher:
    """The devices that rows are compared with: by the UEM's id and, for new ids, by UDID key.

    `shared` are the UDID keys that identify nobody in this run; those found are added. `is_placed` tells of
    an id whether this run has read a row of it. `believed` is None for rows
    as they come: what changes which device has which id waits then, unless so many contradict what is stored
    that nothing of what identifies a device changes. Of rows that waited it is known.
    """

    by_id: Mapping[str, Known]
    by_udid: Mapping[str, Known]
    shared: set[str]
    is_placed: Callable[[str], bool] = lambda _id: False
    believed: bool | None = None
    found: Matches = field(default_factory=Matches)

    def match(self, rows: Sequence[Incoming]) -> Matches:
        """Sort the rows; each is in exactly one list of the result."""
        if self._are_strangers(rows):
            self.found.new += rows
            return self.found
        strange, others = self._by_id(rows)
        replaced = self._settle(others)
        self.found.detached |= {row.device.external_id: known.id for known, row in replaced}
        for key, alike in _by_udid([*strange, *(row for _, row in replaced)]).items():
            self._place(key, alike)
        return self.found

    def _are_strangers(self, rows: Sequence[Incoming]) -> bool:
        """Return True if nothing is stored of the rows and each has a UDID of its own: a first sync."""
        if self.by_id or self.by_udid:
            return False
        keys = {row.udid_key for row in rows}
        return len(keys) == len(rows) and "" not in keys and keys.isdisjoint(self.shared)

    def _by_id(self, rows: Sequence[Incoming]) -> tuple[list[Incoming], list[tuple[Known, Incoming]]]:
        """Match what has its id and its marks; return the rows with new ids, and those with other marks."""
        strange, others = [], []
        for row in rows:
            known = self.by_id.get(row.device.external_id)
            if known is None:
                strange.append(row)
            elif known.fingerprint == row.fingerprint:
                self.found.same.append((known, row))
            elif known.former and not is_same_record(known, row):
                self.found.detached[row.device.external_id] = known.id
                strange.append(row)
            elif has_other_udid(known, row) or has_other_marks(known, row):
                others.append((known, row))
            else:
                self.found.same.append((known, row))
        return strange, others

    def _settle(self, others: Sequence[tuple[Known, Incoming]]) -> list[tuple[Known, Incoming]]:
        """Match known ids with another UDID; return those that the UEM gave to other hardware.

        So many at once that a single answer would turn the fleet over are not believed.
        """
        compared = [(known, row, compare(known.identity, identity(row.device))) for known, row in others]
        if self.believed is None and contradicts_many(_contradicting(compared), len(self.by_id)):
            self.believed = False
        if self.believed is None:
            compared = self._put_off(compared)
        elif not self.believed:
            compared = [_distrusted(known, row, match) for known, row, match in compared]
        carriers = _by_udid(row for _, row, match in compared if match is Match.SAME)
        for known, row, match in compared:
            if match is Match.SAME:
                self.found.same.append((known, self._usable(known, row, len(carriers[row.udid_key]))))
            elif match is Match.DOUBTFUL:
                self.found.doubtful.append((known, row))
        return [(known, row) for known, row, match in compared if match is Match.OTHER]

    def _put_off(self, compared: Sequence[Compared]) -> list[Compared]:
        """Let the rows wait that give a device other hardware; return the rest."""
        rest: list[Compared] = []
        for known, row, match in compared:
            if match is Match.OTHER or (match is Match.SAME and has_other_marks(known, row)):
                self.found.waiting.append(row)
            else:
                rest.append((known, row, match))
        return rest

    def _usable(self, known: Known, row: Incoming, carriers: int) -> Incoming:
        """Return the row with the stored UDID where its own is none, or that of several records.

        If so many contradict what is stored that it is not believed, every stored mark stays; this is noted.
        """
        key = row.udid_key
        if self.believed is False:
            if has_other_marks(known, row):
                self.found.unbelieved.add(row.device.external_id)
            row = with_marks(
                row, uuid=known.uuid or row.device.uuid, serial=known.serial or row.device.serial
            )
        if key == known.udid_key:
            return row
        other = self.by_udid.get(key)
        if key and (carriers > 1 or (other is not None and other.id != known.id and not other.deleted)):
            self.shared.add(key)
        if key and key not in self.shared and (self.believed is not False or not known.udid_key):
            return row
        return with_marks(row, udid=known.udid) if known.udid_key else row._replace(shared=bool(key))

    def _place(self, key: str, rows: Sequence[Incoming]) -> None:
        """Match rows with new ids and one UDID: a device enrolled again, or records that share the UDID."""
        known = self.by_udid.get(key)
        if key and _is_shared(rows, known):
            self.shared.add(key)
        if not key or key in self.shared:
            self.found.new += [row._replace(shared=bool(key)) for row in rows]
            return
        *older, newest = sorted(rows, key=lambda row: row.enrolment) if len(rows) > 1 else rows
        self.found.twins += older
        if known is None:
            self.found.new.append(newest)
        elif not self._is_free(known, newest):
            self.found.twins.append(newest)
        elif self.believed is None and known.current_id is not None and not known.deleted:
            self.found.waiting.append(newest)
        else:
            self.found.same.append((known, newest))

    def _is_free(self, known: Known, row: Incoming) -> bool:
        """Return True if a row may become a device that is stored under another id.

        It may not where both ids were different devices and both are listed: then the row is not believed.
        """
        detached = self.found.detached
        own = known.current_id
        if own is None or known.deleted or detached.get(own) == known.id:
            return True
        taken = row.device.external_id in detached and self.is_placed(own)
        if self.believed is False or taken:
            return False
        return is_newer(row, known)


def _contradicting(compared: Sequence[Compared]) -> int:
    """Count the rows that give a stored device other hardware, or another UUID, UDID or serial."""
    return sum(
        match is Match.OTHER or (match is Match.SAME and has_other_marks(known, row))
        for known, row, match in compared
    )


def _distrusted(known: Known, row: Incoming, match: Match) -> Compared:
    """Return the row as doubtful if it is about other hardware, even if it names the same record."""
    other = match is Match.OTHER or other_hardware(known.identity, identity(row.device))
    return known, row, Match.DOUBTFUL if other else match


def _by_udid(rows: Iterable[Incoming]) -> dict[str, list[Incoming]]:
    """Return the rows by UDID key."""
    found: dict[str, list[Incoming]] = defaultdict(list)
    for row in rows:
        found[row.udid_key].append(row)
    return found


def _is_shared(rows: Sequence[Incoming], known: Known | None) -> bool:
    """Return True if records with one UDID cannot all be enrolments of one device."""
    if len(rows) == 1 and known is None:
        return (
            False  # as almost every row of a first sync, for which comparing would cost more than inserting
        )
    marks = [identity(row.device) for row in rows]
    if known is not None and known.current_id is not None and not known.deleted:
        marks.append(known.identity)
    proven = all(mark.serial for mark in marks)
    if len(rows) > (MOST_ENROLMENTS if proven else MOST_UNPROVEN):
        return True
    return not all(same_hardware(first, second) for first in marks for second in marks)
