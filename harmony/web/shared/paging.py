"""Keyset pages of a list: any page of 100,000 rows costs the same, and rows that come or go shift nothing.

A list has an `Order`, by name or newest first, and everything else is the same for both (CONTRIBUTING.md).
A list that can be sorted has several (`sorting.py`).
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from sqlalchemy import Row, Select, tuple_

from harmony.db import db, release
from harmony.db.personal import hides_personal_data
from harmony.web.shared.ids import number

PAGE_SIZE = 50
_BATCH = 1000
_LONGEST_NAME = 4096

# Any columns; its rows have the values of the order's key as `id` and under the name in `Order.label`.
Query = Select[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Cursor:
    """The key of a row: its id, and what else the list is sorted by, such as its folded name, as text."""

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
    """A place in a list: after a row, or before one; its beginning when neither.

    `row` is the number of the first row there, as the page that led here counted; 0: not known.
    """

    after: Cursor | None = None
    before: Cursor | None = None
    row: int = 0

    def __bool__(self) -> bool:
        return self.after is not None or self.before is not None


BEGINNING = Place()


@dataclass(frozen=True, slots=True)
class Page:
    """Rows, and where the pages beside them are: `before` the first row, `after` the last.

    `first` is the number of the first row in the list, 0 when it is not known. It is carried from page to
    page, because counting all rows before it would cost more on each: rows that come or go are not seen.
    """

    rows: Sequence[Row[Any]]
    before: Cursor | None
    after: Cursor | None
    first: int = 0

    @property
    def last(self) -> int:
        """Return the number of the last row; 0 when it is not known."""
        return self.first + len(self.rows) - 1 if self.first else 0

    @property
    def previous_place(self) -> dict[str, object] | None:
        """Return the parts of an address that lead to the page before this one."""
        row = max(self.first - PAGE_SIZE, 1) if self.first else None
        return {"before": self.before, "row": row} if self.before else None

    @property
    def next_place(self) -> dict[str, object] | None:
        """Return the parts of an address that lead to the page after this one."""
        return {"after": self.after, "row": self.last + 1 if self.first else None} if self.after else None


@dataclass(frozen=True, slots=True)
class Order:
    """By a key such as the folded name, then by id; newest first, by falling id, where there is no key.

    `label` is the name of the key in the rows; `is_number`: it is an integer, not text; `is_turned`: the
    other way round.
    """

    id: Any
    key: Any = None
    label: str = "name_key"
    is_number: bool = False
    is_turned: bool = False

    label_of_names: ClassVar[str] = "name_key"

    @property
    def is_rising(self) -> bool:
        """Return True when the smallest comes first."""
        return (self.key is not None) != self.is_turned

    def turned(self) -> Order:
        """Return the same order the other way round."""
        return replace(self, is_turned=not self.is_turned)

    def without_names(self) -> Order:
        """Return the order by id where names are hidden: their order and the places in it would tell them."""
        by_name = self.key is not None and self.label == Order.label_of_names
        return Order(self.id, is_turned=True) if by_name and hides_personal_data() else self

    def place(self, query: Mapping[str, str]) -> Place:
        """Read a place from an address; nonsense is ignored rather than answered with an error."""
        after, before = self._read(query.get("after", "")), self._read(query.get("before", ""))
        return Place(after, before, number(query.get("row", "")) or 0)

    def statement(self, query: Query, place: Place, size: int = PAGE_SIZE) -> Query:
        """Return a page of `query` and one row more, which tells whether there is a next one.

        What is before a row is read backwards from it, so that the nearest rows come first.
        """
        is_rising = self.is_rising == (place.before is None)
        columns = (self.id,) if self.key is None else (self.key, self.id)
        if cursor := place.before or place.after:
            key, bound = tuple_(*columns), self._bound(cursor)
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
            place.row if has_previous else 1,
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
        return Cursor(row.id, None if self.key is None else str(getattr(row, self.label)))

    def _bound(self, cursor: Cursor) -> tuple[object, ...]:
        """Return the values that the columns of the order are compared with."""
        if self.key is None:
            return (cursor.id,)
        return (int(cursor.name or 0) if self.is_number else cursor.name, cursor.id)

    def _read(self, word: str) -> Cursor | None:
        cursor = Cursor.read(word)
        if cursor is None or (cursor.name is None) != (self.key is None):
            return None
        return None if self.is_number and number(cursor.name or "") is None else cursor
