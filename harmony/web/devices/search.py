"""The text searched for in the list of devices, looked up in the trigram index (decision 30)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from flask import current_app
from sqlalchemy import (
    ColumnElement,
    and_,
    column,
    func,
    or_,
    select,
    table,
    text,
    union_all,
)

from harmony.db import db, is_sqlite
from harmony.db.personal import hides_personal_data
from harmony.models import Device
from harmony.models.search_index import INDEX, NOTED, TOP, is_there
from harmony.web.shared.filters import TextFilter
from harmony.web.shared.index_hints import Led, unindexed

_SHORTEST = 3
# Up to so many devices are sorted; of more, the index of the order is walked.
FEW = 1000
# PostgreSQL takes a range for few rows, and all above an id that it does not know for a third of them.
_LARGEST_ID = 2**63 - 1
# Each of a word that all devices have in common costs 5 ms; the text is compared anyway.
_TRIGRAMS_AT_MOST = 4
_KNOWN = "harmony.search_index"
_INDEX, _NOTED = table(INDEX, column("rowid"), column("search_text")), table(NOTED, column("id"))
_FTS5 = text(
    f"SELECT rowid FROM {INDEX} WHERE {INDEX} MATCH :match "  # noqa: S608 - names of ours
    f"UNION ALL SELECT id FROM {NOTED} UNION ALL SELECT id FROM device WHERE id > ({TOP})"
)
_TOP = text(TOP).columns(column("rowid")).scalar_subquery()


@dataclass(frozen=True, slots=True)
class PersonalTextFilter(TextFilter):
    """Typed text in what a device is searched by; in serial number and UDID alone where people are hidden."""

    def condition(self, value: str, led: Led) -> ColumnElement[bool]:
        if not hides_personal_data():
            return TextFilter.condition(self, value, led)
        columns = func.lower(Device.serial), Device.udid_key
        texts = self.spellings(value)
        return or_(*(column.contains(text, autoescape=True) for column in columns for text in texts))


@dataclass(frozen=True, slots=True)
class DeviceSearch(PersonalTextFilter):
    """Typed text that the search text of a device contains; one of three letters or more is looked up."""

    def condition(self, value: str, led: Led) -> ColumnElement[bool]:
        """Compare the text last; PostgreSQL, which would sort many that are found, compares it alone."""
        if hides_personal_data():
            return PersonalTextFilter.condition(self, value, unindexed)
        spellings = self.spellings(value)
        if (led is unindexed and not is_sqlite()) or not _is_looked_up(spellings):
            return TextFilter.condition(self, value, unindexed)
        found: ColumnElement[bool] = led(Device.id).in_(_candidates(spellings))
        return and_(found, or_(*(_position(self.column, spelling) > 0 for spelling in spellings)))

    def is_few(self, value: str) -> bool:
        spellings = self.spellings(value)
        if hides_personal_data() or not _is_looked_up(spellings):
            return False
        some = select(_candidates(spellings).subquery()).limit(FEW + 1).subquery()
        return (db.session.scalar(select(func.count()).select_from(some)) or 0) <= FEW


def _match_of(spellings: Iterable[str]) -> str:
    """PURE: what FTS5 is asked for: any spelling, of each all trigrams, or some of the many of a long one.

    >>> _match_of(["ab-c", "abc"])
    '("ab-" AND "b-c") OR ("abc")'
    """
    return " OR ".join(f"({' AND '.join(_quoted(_trigrams(spelling)))})" for spelling in spellings)


def _trigrams(text: str) -> list[str]:
    found = list(dict.fromkeys(text[start : start + _SHORTEST] for start in range(len(text) - _SHORTEST + 1)))
    return found[:: -(-len(found) // _TRIGRAMS_AT_MOST)]


def _quoted(words: Iterable[str]) -> list[str]:
    return ['"{}"'.format(word.replace('"', '""')) for word in words]


def _is_looked_up(spellings: Iterable[str]) -> bool:
    return min(map(len, spellings)) >= _SHORTEST and _has_index()


def _has_index() -> bool:
    """Ask the database until it has one: it is not taken away while a process runs."""
    known = current_app.extensions
    if not known.get(_KNOWN):
        known[_KNOWN] = is_there(db.session.connection())
    return bool(known[_KNOWN])


def _position(column: Any, spelling: str) -> Any:
    """Return the position in a text, from 1; PostgreSQL would begin with LIKE as the rarest condition."""
    return (func.instr if is_sqlite() else func.strpos)(unindexed(column), spelling)


def _candidates(spellings: Iterable[str]) -> Any:
    """Select what the index has under the trigrams, and all that it does not have as they are now."""
    if is_sqlite():
        return _FTS5.bindparams(match=_match_of(spellings)).columns(column("rowid"))
    texts = (_INDEX.c.search_text.contains(spelling, autoescape=True) for spelling in spellings)
    due = select(Device.id).where(Device.id > _TOP, Device.id <= _LARGEST_ID)
    return union_all(select(_INDEX.c.rowid).where(or_(*texts)), select(_NOTED.c.id), due)
