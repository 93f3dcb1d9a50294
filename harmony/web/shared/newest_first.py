"""Keyset pages of what happened, newest first: any page costs the same, and new rows shift nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select
from sqlalchemy.orm import InstrumentedAttribute

from harmony.db import db, release
from harmony.web.shared.by_name import PAGE_SIZE
from harmony.web.shared.ids import number

# Any columns; its rows need `id`, the value of the key.
Query = Select[*tuple[Any, ...]]
Key = InstrumentedAttribute[int]
BATCH = 1000


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the list: below the id `older`, or above the id `newer`; its beginning when neither."""

    older: int | None = None
    newer: int | None = None

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> Place:
        """Nonsense in the address is ignored rather than answered with an error."""
        return cls(number(query.get("older", "")), number(query.get("newer", "")))

    def __bool__(self) -> bool:
        return self.older is not None or self.newer is not None


@dataclass(frozen=True, slots=True)
class Page:
    """Rows, newest first, and the places of the neighbours: the ids to ask below of and above of."""

    rows: Sequence[Row[Any]]
    newer: int | None
    older: int | None


NEWEST = Place()


def page_of(query: Query, key: Key, place: Place, size: int = PAGE_SIZE) -> Page:
    """The page of `query` at `place`."""
    found = list(db.session.execute(statement(query, key, place, size)))
    more, rows = len(found) > size, found[:size]
    if place.newer is not None:
        rows.reverse()
    has_newer = more if place.newer is not None else place.older is not None
    has_older = True if place.newer is not None else more
    return Page(rows, rows[0].id if rows and has_newer else None, rows[-1].id if rows and has_older else None)


def statement(query: Query, key: Key, place: Place, size: int = PAGE_SIZE) -> Query:
    """One page and one row more, so that we know whether there is a next one."""
    if place.newer is not None:
        return query.where(key > place.newer).order_by(key.asc()).limit(size + 1)
    if place.older is not None:
        query = query.where(key < place.older)
    return query.order_by(key.desc()).limit(size + 1)


def every(query: Query, key: Key) -> Iterator[Row[Any]]:
    """All rows, newest first; nothing is held open between two batches, however slow the reader is."""
    place: Place | None = NEWEST
    while place is not None:
        page = page_of(query, key, place, BATCH)
        release()
        yield from page.rows
        place = Place(older=page.older) if page.older is not None else None
