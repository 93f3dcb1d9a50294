"""Keyset pages over the devices: any page of 100,000 costs the same, and rows that move do not repeat."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import url_for
from sqlalchemy import Row, Select, func, select, tuple_

from harmony.db import db
from harmony.models import Device

PAGE_SIZE = 50
LARGEST_ID = 2**63 - 1

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
)
Cursor = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Filters:
    """What the address asks for; nonsense in it is ignored rather than answered with an error."""

    text: str = ""
    integration_id: int | None = None
    missing: bool = False
    after: Cursor | None = None
    before: Cursor | None = None

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> Filters:
        number = query.get("integration", "")
        return cls(
            query.get("q", "").strip()[:200],
            int(number) if number.isascii() and number.isdigit() and int(number) <= LARGEST_ID else None,
            query.get("missing") == "1",
            _cursor(query.get("after", "")),
            _cursor(query.get("before", "")),
        )

    @property
    def narrowed(self) -> bool:
        """Whether anything but the place in the list was asked for."""
        return bool(self.text or self.integration_id is not None or self.missing)

    def href(self, after: str | None = None, before: str | None = None) -> str:
        """The address of the same list at another place."""
        return url_for(
            "devices.index",
            q=self.text or None,
            integration=self.integration_id,
            missing="1" if self.missing else None,
            after=after,
            before=before,
        )


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of rows with the addresses of its neighbours; `total` counts without the search text."""

    rows: Sequence[Row[Any]]
    total: int
    previous_href: str | None
    next_href: str | None


def list_devices(filters: Filters) -> Listed:
    """The page that `filters` asks for."""
    backwards = filters.before is not None
    found = list(db.session.execute(statement(filters)))
    more, rows = len(found) > PAGE_SIZE, found[:PAGE_SIZE]
    if backwards:
        rows.reverse()
    has_previous = more if backwards else filters.after is not None
    has_next = True if backwards else more
    return Listed(
        rows,
        _total(filters),
        filters.href(before=_token(rows[0])) if rows and has_previous else None,
        filters.href(after=_token(rows[-1])) if rows and has_next else None,
    )


def statement(filters: Filters) -> Select[Any]:
    """One page and one row more, so that we know whether there is a next one."""
    place = tuple_(Device.name_key, Device.id)
    query: Select[Any] = _narrowed(select(*COLUMNS), filters)
    if filters.text:
        pattern = filters.text.casefold().replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
        query = query.where(Device.search_text.like(f"%{pattern}%", escape="\\"))
    if filters.before is not None:
        query = query.where(place < filters.before).order_by(Device.name_key.desc(), Device.id.desc())
    else:
        query = query.order_by(Device.name_key, Device.id)
    if filters.after is not None:
        query = query.where(place > filters.after)
    return query.limit(PAGE_SIZE + 1)


def _narrowed(query: Any, filters: Filters) -> Any:
    if filters.integration_id is not None:
        query = query.where(Device.integration_id == filters.integration_id)
    if filters.missing:
        query = query.where(Device.missing_since.is_not(None))
    return query


def _total(filters: Filters) -> int:
    return db.session.scalar(_narrowed(select(func.count()).select_from(Device), filters)) or 0


def _token(row: Row[Any]) -> str:
    place = json.dumps([row.name_key, row.id]).encode()
    return base64.urlsafe_b64encode(place).decode().rstrip("=")


def _cursor(token: str) -> Cursor | None:
    try:
        name, id_ = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        return (str(name), int(id_)) if abs(int(id_)) <= LARGEST_ID else None
    except (ValueError, TypeError, binascii.Error):
        return None
