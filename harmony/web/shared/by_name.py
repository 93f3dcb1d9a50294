"""Keyset pages by name: any page of 100,000 rows costs the same, and rows that move do not repeat."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Row, Select, tuple_

from harmony.db import db, release
from harmony.web.shared.ids import LARGEST_ID

PAGE_SIZE = 50
BATCH = 1000
_LONGEST_CURSOR = 4096

# Any columns; its rows need `name_key` and `id`, the values of the key.
Query = Select[*tuple[Any, ...]]
_Cursor = tuple[str, int]


class Key(NamedTuple):
    """The order of a list: by the folded name, then by id."""

    name: ColumnElement[str]
    id: ColumnElement[int]


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the list: after a row, or before one; its beginning when neither."""

    after: _Cursor | None = None
    before: _Cursor | None = None

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> Place:
        """Nonsense in the address is ignored rather than answered with an error."""
        return cls(_cursor(query.get("after", "")), _cursor(query.get("before", "")))

    def __bool__(self) -> bool:
        return self.after is not None or self.before is not None


BEGINNING = Place()


@dataclass(frozen=True, slots=True)
class Page:
    """Rows and the cursors of the neighbouring pages: `before` the first row, `after` the last."""

    rows: Sequence[Row[Any]]
    before: str | None
    after: str | None


def page_of(query: Query, key: Key, place: Place) -> Page:
    """The page of `query` at `place`."""
    found = list(db.session.execute(statement(query, key, place)))
    more, rows = len(found) > PAGE_SIZE, found[:PAGE_SIZE]
    if place.before is not None:
        rows.reverse()
    has_previous = more if place.before is not None else place.after is not None
    has_next = True if place.before is not None else more
    return Page(
        rows,
        _token(rows[0]) if rows and has_previous else None,
        _token(rows[-1]) if rows and has_next else None,
    )


def statement(query: Query, key: Key, place: Place, size: int = PAGE_SIZE) -> Query:
    """One page and one row more, so that we know whether there is a next one."""
    here = tuple_(*key)
    if place.before is not None:
        query = query.where(here < place.before).order_by(key.name.desc(), key.id.desc())
    else:
        query = query.order_by(*key)
    if place.after is not None:
        query = query.where(here > place.after)
    return query.limit(size + 1)


def every(query: Query, key: Key) -> Iterator[Row[Any]]:
    """All rows by name; nothing is held open between two batches, however slow the reader is."""
    place = BEGINNING
    rows: list[Row[Any]] = []
    while not rows or len(rows) > BATCH:
        rows = list(db.session.execute(statement(query, key, place, BATCH)))
        release()
        if not rows:
            return
        yield from rows[:BATCH]
        place = Place(after=(rows[:BATCH][-1].name_key, rows[:BATCH][-1].id))


def _token(row: Row[Any]) -> str:
    place = json.dumps([row.name_key, row.id]).encode()
    return base64.urlsafe_b64encode(place).decode().rstrip("=")


def _cursor(token: str) -> _Cursor | None:
    if len(token) > _LONGEST_CURSOR:
        return None
    try:
        match json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))):
            case [str(name), int(id_)] if abs(id_) <= LARGEST_ID:
                name.encode()  # half of a pair of surrogates is nothing to ask a database for
                return name, id_
            case _:
                return None
    except (ValueError, RecursionError, binascii.Error):
        return None
