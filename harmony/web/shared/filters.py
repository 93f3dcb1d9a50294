"""What a list can be narrowed by: read from an address, written into the next one, a condition of its query.

A list has a tuple of filters, and everything that acts on "all of these" goes through `Filters`: what is
added to the tuple is in every link, form, file and action of the list (CONTRIBUTING.md).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from flask import url_for
from sqlalchemy import ColumnElement, or_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from harmony.folding import fold
from harmony.web.shared.ids import number

_LONGEST_TEXT = 200
_Condition = ColumnElement[bool]
# `indexed` or `unindexed`: whether an index of the column may lead.
Led = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Filter(ABC):
    """One thing that a list is narrowed by; `name` is its part of an address."""

    name: str

    @abstractmethod
    def read(self, text: str) -> Any:
        """Parse its part of an address; None for nothing and for nonsense, which narrow nothing."""

    @abstractmethod
    def condition(self, value: Any, led: Led) -> _Condition:
        """Return what a row must meet, for a value that `read` gave; its columns go through `led`."""

    def is_few(self, value: Any) -> bool:  # for those that are
        """Return True when so few rows meet it that its own index finds them faster than the order's."""
        return False


@dataclass(frozen=True, slots=True)
class TextFilter(Filter):
    """Typed text that a column of folded text contains."""

    column: Any

    def read(self, text: str) -> str | None:
        typed = text.strip()[:_LONGEST_TEXT]
        return typed if fold(typed) else None

    def condition(self, value: str, led: Led) -> _Condition:
        """Look for the text without its dashes too: a UDID is shown in both ways."""
        text = fold(value)
        spellings = sorted({text, text.replace("-", "") or text})
        return or_(*(led(self.column).contains(spelling, autoescape=True) for spelling in spellings))


@dataclass(frozen=True, slots=True)
class _EqualFilter(Filter):
    """A value that stands in the column."""

    column: Any

    def condition(self, value: Any, led: Led) -> _Condition:
        equal: _Condition = led(self.column) == value
        return equal


@dataclass(frozen=True, slots=True)
class IdFilter(_EqualFilter):
    """The id of what a row belongs to."""

    def read(self, text: str) -> int | None:
        return number(text)


@dataclass(frozen=True, slots=True)
class NameFilter(_EqualFilter):
    """A name to the letter, as it was chosen from a list."""

    longest: int

    def read(self, text: str) -> str | None:
        return text[: self.longest] or None


@dataclass(frozen=True, slots=True)
class ChoiceFilter(_EqualFilter):
    """One of a few words; `values` has what stands in the column for each. Its value is the word."""

    values: Mapping[str, Any]

    def read(self, text: str) -> str | None:
        return text if text in self.values else None

    def condition(self, value: str, led: Led) -> _Condition:
        equal: _Condition = led(self.column) == self.values[value]
        return equal


def words_of(values: Iterable[str]) -> dict[str, str]:
    """Return words that stand in the column as they are."""
    return {str(value): str(value) for value in values}


@dataclass(frozen=True, slots=True)
class ConditionFilter(Filter):
    """One of a few words, each with a condition of its own. Its value is the word."""

    conditions: Mapping[str, _Condition]
    default: str | None = None

    def read(self, text: str) -> str | None:
        return text if text in self.conditions else self.default

    def condition(self, value: str, led: Led) -> _Condition:  # written as they are
        return self.conditions[value]


@dataclass(frozen=True, slots=True)
class Filters:
    """The filters that an address asks for: `values` by the names of the filters that ask for anything.

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
        """Return the filters as parts of an address."""
        return {name: str(value) for name, value in self.values.items()}

    def href(self, endpoint: str, **place: object) -> str:
        """Return the address of the same rows at another place, as a file, or of an action on all of them."""
        parts: dict[str, Any] = {**self.route, **self.query, **place}
        return url_for(endpoint, **parts)

    def conditions(
        self, *, leading: Collection[str] | None = None, without: Collection[str] = ()
    ) -> tuple[_Condition, ...]:
        """Return what a row must meet, leaving out the filters of the names in `without`.

        SQLite looks for an index of the `leading` filters' columns only; None: of any.
        """
        return tuple(
            kind.condition(value, indexed if leading is None or kind.name in leading else unindexed)
            for kind, value in self._asked()
            if kind.name not in without
        )

    def leading(self) -> frozenset[str]:
        """Return the names of those whose own index leads, because few rows meet them: asks the database."""
        return frozenset(kind.name for kind, value in self._asked() if kind.is_few(value))

    def only(self, *names: str) -> bool:
        """Return True when no other filter than these narrows the list."""
        return self.values.keys() <= set(names)

    def asking(self, **values: Any) -> Filters:
        """Return the same filters with other values for these."""
        return replace(self, values={**self.values, **values})

    def _asked(self) -> Iterator[tuple[Filter, Any]]:
        return ((kind, self.values[kind.name]) for kind in self.kinds if kind.name in self.values)


def indexed(column: Any) -> Any:
    """Return the column as it is."""
    return column


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
