"""PURE: accounts for every row that a run read, so that nothing is absent but what is known to be absent.

A single answer can be well formed and wrong. What it names is therefore *placed*, *outside* the choice for a
readable reason, or *doubtful*; and a doubt about a thing keeps that thing.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from harmony.device_ids import serial_key, udid_key
from harmony.uem.records import SkippedRow, UemDevice

# So few contradictions in one answer may be what happened since the last run.
FEW = 10
# More of what is known than this share, in percent, is never contradicted by a single answer.
_SHARE = 10
# Enough for what a fleet grows by between two runs; bounded for a first one.
_MOST_RECENT = 10_000


def contradicts_many(contradicted: int, known: int) -> bool:
    """Tell whether one answer contradicts too much of what is known to be believed.

    >>> contradicts_many(10, 12), contradicts_many(11, 200), contradicts_many(21, 200)
    (False, False, True)
    """
    return contradicted > FEW and contradicted * 100 > _SHARE * known


class Identity(NamedTuple):
    """Everything that can tell which device a row is about; "" is unknown.

    `external_id` and `uuid` name the record in the UEM, `udid_key` and `serial` the hardware.
    """

    external_id: str = ""
    uuid: str = ""
    udid_key: str = ""
    serial: str = ""


def identity(row: UemDevice | SkippedRow) -> Identity:
    """Return what a row says of which device it is; placeholders say nothing."""
    return Identity(row.external_id or "", row.uuid.lower(), udid_key(row.udid), serial_key(row.serial))


class Match(StrEnum):
    """The relation of a row to the stored device with the same id in the UEM."""

    SAME = "same"
    OTHER = "other"
    DOUBTFUL = "doubtful"


def compare(stored: Identity, read: Identity) -> Match:
    """Believe a stored id only together with what was stored beside it.

    Other hardware needs two readable contradictions and no agreement; a single contradiction is doubtful.

    >>> stored = Identity("5", "u5", "aa", "s5")
    >>> [compare(stored, Identity("5", *marks)).value for marks in (("u5", "bb", "s5"), ("u9", "bb", "s9"))]
    ['same', 'other']
    >>> compare(stored, Identity("5", "", "bb", "")).value
    'doubtful'
    """
    pairs = [(old, new) for old, new in zip(stored[1:], read[1:], strict=True) if old and new]
    if not pairs or any(old == new for old, new in pairs):
        return Match.SAME
    hardware = stored.udid_key and read.udid_key
    return Match.OTHER if hardware and len(pairs) > 1 else Match.DOUBTFUL


def same_hardware(stored: Identity, read: Identity) -> bool:
    """Tell whether two records with the same UDID can be enrolments of one device: no serial contradicts."""
    return not (stored.serial and read.serial) or stored.serial == read.serial


def other_hardware(stored: Identity, read: Identity) -> bool:
    """Tell whether UDID and serial both contradict, whatever names the record.

    >>> other_hardware(Identity("5", "u5", "aa", "s5"), Identity("5", "u5", "bb", "s9"))
    True
    """
    return all(old and new and old != new for old, new in zip(stored[2:], read[2:], strict=True))


_Mark = tuple[int, str]
_UDID = Identity._fields.index("udid_key")


@dataclass(slots=True)
class Account:
    """The doubts of one run.

    `ids`, `uuids`, `udids` and `serials` are those of doubtful rows. Of the rows without a readable id
    (`unnamed`) those whose every mark is also that of another row name nothing, like the `blank` ones without
    any mark; `named` are the marks of rows with an id that no device stands for. `shared` are the UDID keys
    that several records have, which therefore identify nobody. `recent` are the serials and UUIDs of rows
    that became new devices in this run. `detached` has, by the UEM's id, the row ids of the devices whose id
    other hardware has now. `contested` are the ids that were listed for other hardware in a row that is not
    believed; `strayed` are the row ids of devices that are listed with another id, outside the choice or in a
    row that is not believed. `unbelieved` are the ids of devices that keep their UUID, UDID and serial,
    because too many of them changed in one answer.
    """

    ids: set[str] = field(default_factory=set)
    uuids: set[str] = field(default_factory=set)
    udids: set[str] = field(default_factory=set)
    serials: set[str] = field(default_factory=set)
    shared: set[str] = field(default_factory=set)
    unnamed: set[Identity] = field(default_factory=set)
    named: set[_Mark] = field(default_factory=set)
    recent: set[str] = field(default_factory=set)
    detached: dict[str, int] = field(default_factory=dict)
    contested: set[str] = field(default_factory=set)
    strayed: set[int] = field(default_factory=set)
    unbelieved: set[str] = field(default_factory=set)
    blank: int = 0
    # Hashes of marks: for a hundred thousand rows outside the choice a few megabytes.
    _outside: array[int] = field(default_factory=lambda: array("q"))
    _in_list: Counter[_Mark] = field(default_factory=Counter)
    _repeated: set[_Mark] = field(default_factory=set)

    @property
    def doubtful(self) -> int:
        """The number of different doubtful rows."""
        return len(self.ids) + len(self.unnamed) + self.blank

    def begin_list(self) -> None:
        """Begin another list, or one again: it may repeat the rows of those before it."""
        self._in_list.clear()

    def doubt(self, row: Identity) -> bool:
        """Take a doubtful row; return True if it is the first of its kind in this run."""
        if not any(row):
            self.blank += 1
            return True
        if row.external_id:
            known = row.external_id in self.ids
            self.ids.add(row.external_id)
            self.name(row)
        else:
            known = row in self.unnamed
            self.unnamed.add(row)
            self._count(_marks(row))
        self.protect(row)
        return not known

    def protect(self, row: Identity) -> None:
        """Keep whatever has the UUID, UDID or serial of this row, without counting it as doubtful."""
        for marks, mark in ((self.uuids, row.uuid), (self.udids, row.udid_key), (self.serials, row.serial)):
            if mark:
                marks.add(mark)

    def name(self, row: Identity) -> None:
        """Take a row with an id that no device stands for: rows without one that repeat it name nothing."""
        self.named.update(_marks(row))

    def see_outside(self, rows: Iterable[Identity]) -> None:
        """Take rows outside the choice: rows without an id that only repeat them name nothing."""
        for row in rows:
            self._outside.extend(map(hash, _marks(row)))

    def remember(self, created: Iterable[UemDevice]) -> None:
        """Take rows that became new devices: one that is missing may be listed under its name."""
        for device in created:
            if len(self.recent) >= _MOST_RECENT:
                return
            row = identity(device)
            self.recent.update(mark for mark in (row.uuid, row.serial) if mark)

    def may_be(self, device: Identity) -> bool:
        """Return True if a doubtful row may be about this device."""
        return (
            device.external_id in self.ids
            or device.uuid in self.uuids
            or device.udid_key in self.udids
            or device.serial in self.serials
        )

    def may_be_recent(self, device: Identity) -> bool:
        """Return True if a device that is new in this run has the UUID or the serial of this one."""
        return device.uuid in self.recent or device.serial in self.recent

    def anonymous(self, placed: Iterable[Identity]) -> int:
        """Count the rows that name nothing; `placed` are the placed devices with marks of `unnamed` rows.

        A row that repeats the marks of a device that is there anyway, in the choice or outside it, may be
        any other one.
        """
        shared = ((_UDID, key) for key in self.shared)
        taken = self._repeated.union(self.named, shared, self._marked_outside(), *map(_marks, placed))
        return self.blank + sum(taken.issuperset(_marks(row)) for row in self.unnamed)

    def _marked_outside(self) -> set[_Mark]:
        """Return the marks of `unnamed` rows that rows outside the choice have too."""
        asked = {hash(mark): mark for row in self.unnamed for mark in _marks(row)}
        return {asked[mark] for mark in self._outside if mark in asked} if asked else set()

    def _count(self, marks: Iterable[_Mark]) -> None:
        for mark in marks:
            self._in_list[mark] += 1
            if self._in_list[mark] > 1:
                self._repeated.add(mark)


def _marks(row: Identity) -> list[_Mark]:
    """Return everything but the id that a row can be told by, with its place."""
    return [(place, mark) for place, mark in enumerate(row) if place and mark]
