"""The parameters of a list: a closed list of names and values, where a page ignores others; its cursors."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from werkzeug.datastructures import MultiDict

from harmony.api.collection import Collection
from harmony.api.problems import ApiProblem, Complaint
from harmony.security.principal import Principal
from harmony.web.devices.related_filters import LONGEST_KEY, TagFilter
from harmony.web.shared.filters import Filter, Filters, NameFilter, TextFilter
from harmony.web.shared.ids import number
from harmony.web.shared.paging import BEGINNING, Cursor, Order, Page, Place
from harmony.web.shared.sorting import Sort

USUAL_LIMIT, LARGEST_LIMIT = 100, 500
LONGEST_TEXT = 200
_PAGING = frozenset({"limit", "cursor"})

_Parameters = MultiDict[str, str]

_LONGEST_CURSOR = 8192
_DIGEST_LENGTH = 12


@dataclass(frozen=True, slots=True)
class ListRequest:
    """A list as it was asked for."""

    filters: Filters
    limit: int
    cursor: str | None
    digest: str

    def place(self, order: Order) -> Place:
        """Return the place of the cursor. Raises ApiProblem."""
        if self.cursor is None:
            return BEGINNING
        place = order.place({"after": _decode(self.cursor, self.digest) or ""})
        if place.after is None:
            raise ApiProblem("cursor")
        return place

    def next_cursor(self, page: Page) -> str | None:
        """Return the cursor of the page after this one, None for the last."""
        following: Cursor | None = page.after
        return None if following is None else _encode(self.digest, str(following))


def read(collection: Collection, asked: _Parameters, principal: Principal) -> ListRequest:
    """Read what is asked of a list. Raises ApiProblem."""
    if principal.hides_personal_data and _asks_for_personal(collection, asked):
        raise ApiProblem("personal_data")
    orders = collection.orders_for(principal)
    if complaints := list(_complaints(collection, asked)):
        raise ApiProblem("parameter", complaints=complaints)
    filters = Filters.from_query(collection.filters, asked)
    if orders:
        filters = replace(filters, sort=Sort.from_query(orders, asked))
    digest = _digest_of(collection.name, filters.query | {"sort": asked.get("sort", "")})
    return ListRequest(filters, int(asked.get("limit", USUAL_LIMIT)), asked.get("cursor"), digest)


def only(asked: _Parameters, *names: str) -> None:
    """Refuse parameters of other names, and such as are given twice. Raises ApiProblem."""
    if complaints := list(_unknown(asked, frozenset(names))):
        raise ApiProblem("parameter", complaints=complaints)


def sorts_of(collection: Collection) -> list[str]:
    """Return all values of `sort`: each order, and with a minus before it the other way round."""
    return [f"{sign}{name}" for name in collection.orders for sign in ("", "-")]


def _asks_for_personal(collection: Collection, asked: _Parameters) -> bool:
    sort = asked.get("sort", "").removeprefix("-")
    return bool(collection.personal & asked.keys()) or sort in collection.personal


def _complaints(collection: Collection, asked: _Parameters) -> Iterator[Complaint]:
    sort = {"sort"} if collection.orders else set()
    yield from _unknown(asked, frozenset({*_PAGING, *sort, *(kind.name for kind in collection.filters)}))
    for kind in collection.filters:
        if kind.name in asked and (why := _refusal(kind, asked[kind.name])):
            yield Complaint(kind.name, why)
    limit = number(asked.get("limit", str(USUAL_LIMIT)))
    if limit is None or not 1 <= limit <= LARGEST_LIMIT:
        yield Complaint("limit", f"A number from 1 to {LARGEST_LIMIT}.")
    if sort and "sort" in asked and asked["sort"] not in sorts_of(collection):
        yield Complaint("sort", f"Choose one of: {', '.join(sorts_of(collection))}.")


def _unknown(asked: _Parameters, names: frozenset[str]) -> Iterator[Complaint]:
    for name, values in asked.lists():
        if name not in names:
            yield Complaint(name[:LONGEST_TEXT], "There is no such parameter.")
        elif len(values) > 1:
            yield Complaint(name, "It is given twice.")


def _refusal(kind: Filter, text: str) -> str | None:
    """Return why a filter does not take the text. A search for blanks narrows nothing, as on the page."""
    if len(text) > longest_of(kind) or not all(letter >= " " for letter in text):
        return f"At most {longest_of(kind)} characters, and none that controls a terminal."
    if kind.read(text) is not None or isinstance(kind, TextFilter):
        return None
    choices = kind.choices()
    return "This is no value of it." if choices is None else f"Choose one of: {', '.join(choices)}."


def longest_of(kind: Filter) -> int:
    """Return how long the text of a filter may be."""
    if isinstance(kind, TagFilter):
        return LONGEST_KEY
    return kind.longest if isinstance(kind, NameFilter) else LONGEST_TEXT


def _digest_of(name: str, query: Mapping[str, str]) -> str:
    """Return what stands for a list with these filters.

    >>> _digest_of("devices", {"risk": "high"}) == _digest_of("devices", {})
    False
    """
    asked = "\n".join([name, *(f"{part}={value!r}" for part, value in sorted(query.items()))])
    return hashlib.sha256(asked.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST_LENGTH]


def _encode(digest: str, place: str) -> str:
    """Return the cursor of a place.

    >>> _decode(_encode("0123456789ab", "7.bmFtZQ"), "0123456789ab")
    '7.bmFtZQ'
    """
    return base64.urlsafe_b64encode(f"{digest}{place}".encode()).decode().rstrip("=")


def _decode(cursor: str, digest: str) -> str | None:
    """Return the place of a cursor; None for one that `_encode` did not give for this list."""
    if len(cursor) > _LONGEST_CURSOR or not cursor.isascii():
        return None
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except ValueError:
        return None
    return text.removeprefix(digest) if text.startswith(digest) else None
