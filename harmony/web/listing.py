"""Keyset pages over the devices: any page of 100,000 costs the same, and rows that move do not repeat."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

import msgspec
from flask import url_for
from sqlalchemy import ColumnElement, Row, Select, func, select, tuple_

from harmony.db import db, release
from harmony.models import Device, Protection
from harmony.web.ids import LARGEST_ID, number
from harmony.web.searching import search
from harmony.web.standings import ANY, RISK, STATUS, Wanted

PAGE_SIZE = 50
BATCH = 1000

COLUMNS = (
    Device.id,
    Device.name,
    Device.name_key,
    Device.user_name,
    Device.email,
    Device.platform,
    Device.model,
    Device.os_version,
    Device.serial,
    Device.group_name,
    Device.last_seen_at,
    Device.missing_since,
    Device.deleted_at,
    Device.deleted_by,
    Device.added_by,
    STATUS,
    RISK,
)
Cursor = tuple[str, int]
_CURSOR = msgspec.json.Decoder(tuple[str, Annotated[int, msgspec.Meta(ge=-LARGEST_ID, le=LARGEST_ID)]])
Where = Sequence[ColumnElement[bool]]


class Shown(StrEnum):
    """Which devices: all that are not deleted, the missing or never listed of them, or the deleted alone."""

    LIVE = ""
    MISSING = "missing"
    UNLISTED = "unlisted"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Filters:
    """What the address asks for; nonsense in it is ignored rather than answered with an error."""

    text: str = ""
    integration_id: int | None = None
    state: Shown = Shown.LIVE
    after: Cursor | None = None
    before: Cursor | None = None
    wanted: Wanted = ANY

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> Filters:
        state = query.get("state", "")
        return cls(
            query.get("q", "").strip()[:200],
            number(query.get("integration", "")),
            Shown(state) if state in set(Shown) else Shown.LIVE,
            _cursor(query.get("after", "")),
            _cursor(query.get("before", "")),
            Wanted.from_query(query),
        )

    @property
    def narrowed(self) -> bool:
        """Whether anything but the place in the list was asked for."""
        return bool(self.text or self.integration_id is not None or self.state or self.wanted)

    @property
    def few(self) -> bool:
        """Whether its conditions find few devices by an index of their own."""
        return bool(self.state) or self.wanted.is_few()

    def href(
        self, after: str | None = None, before: str | None = None, endpoint: str = "devices.index"
    ) -> str:
        """The address of the same list at another place, or of what is done with it."""
        place: dict[str, Any] = {"after": after, "before": before, "state": self.state.value or None}
        place |= {"q": self.text or None, "integration": self.integration_id}
        return url_for(endpoint, **place, **self.wanted.query)


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of rows with the addresses of its neighbours.

    `total` counts without the search text, except where all of them can be deleted or restored at once.
    """

    rows: Sequence[Row[Any]]
    total: int
    previous_href: str | None
    next_href: str | None


@dataclass(frozen=True, slots=True)
class Page:
    """Rows and the cursors of the neighbouring pages: `before` the first row, `after` the last."""

    rows: Sequence[Row[Any]]
    before: str | None
    after: str | None


def list_devices(filters: Filters) -> Listed:
    """The page that `filters` asks for."""
    page = page_of(list(db.session.execute(statement(filters))), filters.after, filters.before)
    return Listed(
        page.rows,
        _total(filters),
        filters.href(before=page.before) if page.before else None,
        filters.href(after=page.after) if page.after else None,
    )


def every(filters: Filters) -> Iterator[Row[Any]]:
    """All devices that `filters` asks for, from the first page on, by name."""
    return all_of(_rows(filters), few=filters.few)


def statement(filters: Filters) -> Select[Any]:
    """One page and one row more, so that we know whether there is a next one."""
    return at(_rows(filters), filters.after, filters.before, few=filters.few)


def conditions(filters: Filters) -> Where:
    """The devices that `filters` asks for, wherever in the list."""
    return (*_kept(filters), *containing(filters.text))


def containing(text: str) -> Where:
    """The devices in whose name, serial, UDID, user or e-mail the text stands."""
    return search(Device.search_text, text)


def at(
    query: Select[Any], after: Cursor | None, before: Cursor | None, *, few: bool, size: int = PAGE_SIZE
) -> Select[Any]:
    """One page of `query` by name, and one row more.

    `few`: the conditions find few devices by an index of their own; to sort those is less work than to walk
    through all names.
    """
    name = Device.name_key.concat("") if few else Device.name_key
    place = tuple_(name, Device.id)
    if before is not None:
        query = query.where(place < before).order_by(name.desc(), Device.id.desc())
    else:
        query = query.order_by(name, Device.id)
    if after is not None:
        query = query.where(place > after)
    return query.limit(size + 1)


def page_of(
    found: list[Row[Any]], after: Cursor | None, before: Cursor | None, size: int = PAGE_SIZE
) -> Page:
    """What `at` found, in order, with the cursors of its neighbours. Its rows need `name_key` and `id`."""
    more, rows = len(found) > size, found[:size]
    if before is not None:
        rows.reverse()
    has_previous = more if before is not None else after is not None
    has_next = True if before is not None else more
    return Page(
        rows,
        _token(rows[0]) if rows and has_previous else None,
        _token(rows[-1]) if rows and has_next else None,
    )


def all_of(query: Select[Any], *, few: bool) -> Iterator[Row[Any]]:
    """All rows by name; nothing is held open between two batches, however slow the reader is."""
    after: Cursor | None = None
    rows: list[Row[Any]] = []
    while not rows or len(rows) > BATCH:
        rows = list(db.session.execute(at(query, after, None, few=few, size=BATCH)))
        release()
        if not rows:
            return
        yield from rows[:BATCH]
        after = (rows[:BATCH][-1].name_key, rows[:BATCH][-1].id)


def place(query: Mapping[str, str]) -> tuple[Cursor | None, Cursor | None]:
    """The cursors of an address: after which device, or before which."""
    return _cursor(query.get("after", "")), _cursor(query.get("before", ""))


def _rows(filters: Filters) -> Select[Any]:
    query: Any = select(*COLUMNS).outerjoin(Protection, Protection.device_id == Device.id)
    return query.where(*conditions(filters))  # type: ignore[no-any-return]


def _kept(filters: Filters) -> Where:
    kept: list[ColumnElement[bool]] = []
    if filters.integration_id is not None:
        mine = Device.integration_id if filters.few else Device.integration_id + 0  # in the index of names
        kept.append(mine == filters.integration_id)
    if filters.state is Shown.MISSING:
        # The second lets the index of the absent win over the others.
        kept += [Device.missing_since.is_not(None), Device.absent_from.is_not(None)]
    if filters.state is Shown.UNLISTED:
        kept.append(Device.added_by.is_not(None))
    if filters.wanted:
        kept.append(filters.wanted.condition(few=filters.few))
    deleted = filters.state is Shown.DELETED
    return (*kept, Device.deleted_at.is_not(None) if deleted else Device.deleted_at.is_(None))


def _total(filters: Filters) -> int:
    if filters.state in {Shown.DELETED, Shown.UNLISTED}:
        return _count(conditions(filters))
    if filters.state:
        return _count(_kept(filters))
    return filters.wanted.count(filters.integration_id)


def _count(where: Where) -> int:
    return db.session.scalar(select(func.count()).select_from(Device).where(*where)) or 0


def _token(row: Row[Any]) -> str:
    place = json.dumps([row.name_key, row.id]).encode()
    return base64.urlsafe_b64encode(place).decode().rstrip("=")


def _cursor(token: str) -> Cursor | None:
    try:
        return _CURSOR.decode(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except (ValueError, RecursionError):  # binascii's and msgspec's errors are ValueErrors
        return None
