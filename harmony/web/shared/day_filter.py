"""The filter of a list by the days that its rows are of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement

from harmony.web.shared.filters import Filter
from harmony.web.shared.led import Led

_FIRST_YEAR, _LAST_YEAR = 1970, 9998


@dataclass(frozen=True, slots=True)
class DayFilter(Filter):
    """A day in UTC that rows begin at, or end with if it `is_last`. Its value is the date."""

    column: Any
    is_last: bool = False

    def read(self, text: str) -> date | None:
        try:
            found = date.fromisoformat(text.strip()[: len("2026-01-31")])
        except ValueError:
            return None
        return found if _FIRST_YEAR <= found.year <= _LAST_YEAR else None

    def condition(self, value: date, led: Led) -> ColumnElement[bool]:
        begin = datetime.combine(value, time(), UTC)
        column = led(self.column)
        within: ColumnElement[bool] = column < begin + timedelta(days=1) if self.is_last else column >= begin
        return within

    def word(self, value: date) -> str:
        return f"{value:%d %b %Y}"
