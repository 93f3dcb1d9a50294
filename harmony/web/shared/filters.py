"""What a list can be narrowed by: read from an address, written into the next one, a condition of its query.

A list has a tuple of filters, and everything that acts on "all of these" goes through `Filters`: what is
added to the tuple is in every link, form, file and action of the list (CONTRIBUTING.md).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from dataclasses import replace as replaced
from typing import Any, Protocol

from flask import url_for
from sqlalchemy import ColumnElement
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from harmony.folding import fold
from harmony.web.shared.ids import number
from harmony.web.shared.searching import search

LONGEST_TEXT = 200
_Condition = ColumnElement[bool]


class Filter(Protocol):
    """One thing that a list is narrowed by; `name` is its part of an address."""

    @property
    def name(self) -> str: ...

    def read(self, text: str) -> Any:
        """Parse its part of an address; None for nothing and for nonsense, which narrow nothing."""

    def condition(self, value: Any) -> _Condition:
        """Return what a row must meet, for a value that `read` gave."""


@dataclass(frozen=True, slots=True)
class Text:
    """Typed text that a column of folded text contains."""

    name: str
    column: Any

    def read(self, text: str) -> str | None:
        typed = text.strip()[:LONGEST_TEXT]
        return typed if fold(typed) else None

    def condition(self, value: str) -> _Condition:
        return search(self.column, value)


@dataclass(frozen=True, slots=True)
class Number:
    """The id of what a row belongs to."""

    name: str
    column: Any

    def read(self, text: str) -> int | None:
        return number(text)

    def condition(self, value: int) -> _Condition:
        equal: _Condition = self.column == value
        return equal


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words; `values` has what stands in the column for each. Its value is the word."""

    name: str
    values: Mapping[str, Any]
    column: Any
    default: str | None = None

    def read(self, text: str) -> str | None:
        return text if text in self.values else self.default

    def condition(self, value: str) -> _Condition:
        equal: _Condition = self.column == self.values[value]
        return equal


@dataclass(frozen=True, slots=True)
class Exactly:
    """A name to the letter, as it was chosen from a list."""

    name: str
    column: Any
    longest: int

    def read(self, text: str) -> str | None:
        return text[: self.longest] or None

    def condition(self, value: str) -> _Condition:
        equal: _Condition = self.column == value
        return equal


@dataclass(frozen=True, slots=True)
class Conditions:
    """One of a few words, each with a condition of its own. Its value is the word."""

    name: str
    conditions: Mapping[str, _Condition]
    default: str | None = None

    def read(self, text: str) -> str | None:
        return text if text in self.conditions else self.default

    def condition(self, value: str) -> _Condition:
        return self.conditions[value]


@dataclass(frozen=True, slots=True)
class Filters:
    """What an address asks of a list: `values` by the names of the filters that ask for anything.

    `route` are the parts of the path of the list's addresses.
    """

    kinds: tuple[Filter, ...]
    values: Mapping[str, Any] = field(default_factory=dict)
    route: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_query(cls, kinds: tuple[Filter, ...], query: Mapping[str, str], **route: Any) -> Filters:
        read = {kind.name: kind.read(query.get(kind.name, "")) for kind in kinds}
        return cls(kinds, {name: value for name, value in read.items() if value is not None}, route)

    def __bool__(self) -> bool:
        """Return True when anything narrows the list."""
        return bool(self.values)

    def __getitem__(self, name: str) -> Any:
        """Return the value of a filter, None when it asks for nothing."""
        if name not in {kind.name for kind in self.kinds}:
            raise KeyError(name)
        return self.values.get(name)

    @property
    def query(self) -> dict[str, str]:
        """The filters as parts of an address."""
        return {name: str(value) for name, value in self.values.items()}

    def href(self, endpoint: str, **place: object) -> str:
        """Return the address of the same rows at another place, as a file, or of an action on all of them."""
        parts: dict[str, Any] = {**self.route, **self.query, **place}
        return url_for(endpoint, **parts)

    def conditions(self, *, without: Collection[str] = ()) -> tuple[_Condition, ...]:
        """Return what a row must meet, leaving out the filters of these names."""
        asked = (kind for kind in self.kinds if kind.name in self.values and kind.name not in without)
        return tuple(kind.condition(self.values[kind.name]) for kind in asked)

    def only(self, *names: str) -> bool:
        """Return True when no other filter than these narrows the list."""
        return self.values.keys() <= set(names)

    def asking(self, **values: Any) -> Filters:
        """Return the same filters with other values for these."""
        return replaced(self, values={**self.values, **values})

    def hidden(self, shown: Iterable[str]) -> list[tuple[str, str]]:
        """Return name and value of each filter that a form carries on without a control of its own."""
        return [(name, value) for name, value in self.query.items() if name not in set(shown)]


def unindexed(column: Any) -> ColumnElement[Any]:
    """Return the column as no index of SQLite knows it: the index of the order leads, and has it checked.

    SQLite has no statistics and takes any index for better than the order; PostgreSQL knows better itself.
    """
    return _Unindexed(column, type_=column.type)


class _Unindexed(FunctionElement[Any]):
    inherit_cache = True

    def __init__(self, column: Any, type_: Any) -> None:
        super().__init__(column)
        self.type = type_


@compiles(_Unindexed)
def _plain(element: _Unindexed, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses, **options)


@compiles(_Unindexed, "sqlite")
def _with_a_plus(element: _Unindexed, compiler: SQLCompiler, **options: Any) -> str:
    return f"+{compiler.process(element.clauses, **options)}"
