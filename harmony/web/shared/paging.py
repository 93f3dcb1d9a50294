"""Keyset pages of a list: any page of 100,000 rows costs the same, and rows that come or go shift nothing.

A list has one `Order`, by name or newest first, and everything else is the same for both (CONTRIBUTING.md).
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, tuple_

from harmony.db import db, release
from harmony.web.shared.ids import number

PAGE_SIZE = 50
_BATCH = 1000
_LONGEST_NAME = 4096

# Any columns; its rows have the values of the order's key as `id` and, by name, `name_key`.
Query = Select[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Cursor:
    """The key of a row: its id, in a list by name also its folded name."""

    id: int
    name: str | None = None

    def __str__(self) -> str:
        """Write it into an address: `7`, or `7.` and the name in Base64."""
        if self.name is None:
            return str(self.id)
        return f"{self.id}.{base64.urlsafe_b64encode(self.name.encode()).decode().rstrip('=')}"

    @classmethod
    def read(cls, word: str) -> Cursor | None:
        """Parse it; None for what `str` never wrote."""
        id_, dot, name = word.partition(".")
        row_id = number(id_)
        if row_id is None or len(name) > _LONGEST_NAME:
            return None
        try:
            text = base64.urlsafe_b64decode(name + "=" * (-len(name) % 4)).decode()
        except ValueError:
            return None
        return None if "\0" in text else cls(row_id, text if dot else None)


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a list: after a row, or before one; its beginning when neither."""

    after: Cursor | None = None
    before: Cursor | None = None

    def __bool__(self) -> bool:
        return self.after is not None or self.before is not None


BEGINNING = Place()


@dataclass(frozen=True, slots=True)
class Page:
    """Rows, and where the pages beside them are: `before` the first row, `after` the last."""

    rows: Sequence[Row[Any]]
    before: Cursor | None
    after: Cursor | None


@dataclass(frozen=True, slots=True)
class Order:
    """By folded name, then by id; newest first, by falling id, where there is no column of names."""

    id: Any
    name: Any = None

    def place(self, query: Mapping[str, str]) -> Place:
        """Read a place from an address; nonsense is ignored rather than answered with an error."""
        return Place(self._read(query.get("after", "")), self._read(query.get("before", "")))

    def statement(self, query: Query, place: Place, size: int = PAGE_SIZE) -> Query:
        """Return a page of `query` and one row more, which tells whether there is a next one.

        What is before a row is read backwards from it, so that the nearest rows come first.
        """
        is_rising = (self.name is not None) == (place.before is None)
        columns = (self.id,) if self.name is None else (self.name, self.id)
        if cursor := place.before or place.after:
            key, bound = tuple_(*columns), (cursor.id,) if self.name is None else (cursor.name, cursor.id)
            query = query.where(key > bound if is_rising else key < bound)
        return query.order_by(*(column.asc() if is_rising else column.desc() for column in columns)).limit(
            size + 1
        )

    def page(self, query: Query, place: Place, size: int = PAGE_SIZE) -> Page:
        """Return the page of `query` at `place`."""
        found = list(db.session.execute(self.statement(query, place, size)))
        is_backwards, has_more, rows = place.before is not None, len(found) > size, found[:size]
        if is_backwards:
            rows.reverse()
        has_previous = has_more if is_backwards else place.after is not None
        has_next = is_backwards or has_more
        return Page(
            rows,
            self._cursor(rows[0]) if rows and has_previous else None,
            self._cursor(rows[-1]) if rows and has_next else None,
        )

    def every(self, query: Query) -> Iterator[Row[Any]]:
        """Yield all rows; nothing is held open between two batches, however slow the reader is."""
        place: Place | None = BEGINNING
        while place is not None:
            rows = list(db.session.execute(self.statement(query, place, _BATCH)))
            release()
            yield from rows[:_BATCH]
            place = Place(after=self._cursor(rows[_BATCH - 1])) if len(rows) > _BATCH else None

    def _cursor(self, row: Row[Any]) -> Cursor:
        return Cursor(row.id, None if self.name is None else row.name_key)

    def _read(self, word: str) -> Cursor | None:
        cursor = Cursor.read(word)
        is_of_this = cursor is not None and (cursor.name is None) == (self.name is None)
        return cursor if is_of_this else None
