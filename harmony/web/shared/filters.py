"""What a list can be narrowed by: read from an address, written into the next one, a condition of its query.

A list has a tuple of filters, and everything that acts on "all of these" goes through `Filters`: what is
added to the tuple is in every link, form, file and action of the list (CONTRIBUTING.md).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from flask import url_for
from sqlalchemy import ColumnElement, or_

from harmony.folding import fold
from harmony.web.shared.ids import number
from harmony.web.shared.index_hints import Led, indexed, unindexed
from harmony.web.shared.sorting import Sort

_LONGEST_TEXT = 200
_Condition = ColumnElement[bool]


@dataclass(frozen=True, slots=True)
class Filter(ABC):
    """One thing that a list is narrowed by; `name` is its part of an address, `label` its name on pages."""

    name: str
    label: str = field(default="", kw_only=True)

    @abstractmethod
    def read(self, text: str) -> Any:
        """Parse its part of an address; None for nothing and for nonsense, which narrow nothing."""

    @abstractmethod
    def condition(self, value: Any, led: Led) -> _Condition:
        """Return what a row must meet, for a value that `read` gave; its columns go through `led`."""

    def choices(self) -> Collection[str] | None:
        """Return all texts that `read` takes; None when there are more than a list can have."""
        return None

    def word(self, value: Any) -> str:
        """Return the value as a person reads it; "" when nothing was asked for."""
        return str(value).replace("_", " ").capitalize()

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

    def word(self, value: str) -> str:
        return value

    def spellings(self, value: str) -> list[str]:
        """Return the folded text, and without its dashes: a UDID is shown in both ways."""
        text = fold(value)
        return sorted({text, text.replace("-", "") or text})

    def condition(self, value: str, led: Led) -> _Condition:
        column = led(self.column)
        return or_(*(column.contains(spelling, autoescape=True) for spelling in self.spellings(value)))


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

    def word(self, value: str) -> str:
        return value


@dataclass(frozen=True, slots=True)
class ChoiceFilter(_EqualFilter):
    """One of a few words; `values` has what stands in the column for each. Its value is the word."""

    values: Mapping[str, Any]

    def choices(self) -> Collection[str]:
        return self.values.keys()

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

    def choices(self) -> Collection[str]:
        return self.conditions.keys()

    def read(self, text: str) -> str | None:
        return text if text in self.conditions else self.default

    def condition(self, value: str, led: Led) -> _Condition:  # written as they are
        return self.conditions[value]

    def word(self, value: str) -> str:
        return "" if value == self.default else super(ConditionFilter, self).word(value)


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter that asks for something, on a page: its name, both as words, and the list without it."""

    name: str
    value: str
    label: str
    word: str
    without: Filters


@dataclass(frozen=True, slots=True)
class Filters:
    """The filters that an address asks for: `values` by the names of the filters that ask for anything.

    `route` are the parts of the path of the list's addresses, `sort` its order if it has several.
    """

    kinds: tuple[Filter, ...]
    values: Mapping[str, Any] = field(default_factory=dict)
    route: Mapping[str, Any] = field(default_factory=dict)
    sort: Sort | None = None

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
        """Return the filters, and the order, as parts of an address."""
        sort = self.sort.word if self.sort else None
        return {name: str(value) for name, value in self.values.items()} | ({"sort": sort} if sort else {})

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

    def chips(self) -> Iterator[Chip]:
        """Yield what narrows the list, each with a way to take it off."""
        for kind, value in self._asked():
            if word := kind.word(value):
                rest = {name: other for name, other in self.values.items() if name != kind.name}
                label = kind.label or kind.name.capitalize()
                yield Chip(kind.name, str(value), label, word, replace(self, values=rest))

    def sorted_by(self, name: str) -> Filters:
        """Return the same filters in the order of that column, or the other way round if they are in it."""
        return replace(self, sort=self.sort.by(name)) if self.sort else self

    def _asked(self) -> Iterator[tuple[Filter, Any]]:
        return ((kind, self.values[kind.name]) for kind in self.kinds if kind.name in self.values)
