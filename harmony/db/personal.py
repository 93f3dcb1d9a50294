"""Personal data: columns that read as a stand-in while a request acts for a role that does not see it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from typing import TypeVar

from sqlalchemy import String
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

_Row = TypeVar("_Row")

_HIDDEN = "Hidden"
_hidden: ContextVar[bool] = ContextVar("personal_data_hidden", default=False)


def hide_personal_data(hides: bool) -> None:
    """Hide personal data from what this thread reads from now on, or show them again."""
    _hidden.set(hides)


def hides_personal_data() -> bool:
    """Tell if personal data are hidden now."""
    return _hidden.get()


def hidden_rows(rows: Iterable[_Row]) -> Iterator[_Row]:
    """Yield rows that are read with personal data hidden, also after the request that asked for them."""
    reading = iter(rows)
    while True:
        token = _hidden.set(True)
        try:
            row = next(reading)
        except StopIteration:
            return
        finally:
            _hidden.reset(token)
        yield row


class PersonalText(TypeDecorator[str]):
    """A text about a person. Pages, files and answers get the stand-in by themselves, whatever they ask for.

    Conditions and orders still see the text in the database: they must be asked for with care.
    """

    impl = String
    cache_ok = True

    def __init__(self, length: int, stand_in: str = _HIDDEN) -> None:
        super().__init__(length)
        self.stand_in = stand_in

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        return self.stand_in if value and _hidden.get() else value
