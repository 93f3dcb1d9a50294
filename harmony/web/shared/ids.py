"""Ids of rows as they stand in addresses and forms: what no row can have is nothing, and never an error."""

from __future__ import annotations

from flask import Flask
from werkzeug.routing import IntegerConverter

# Every number of so many digits fits a column of either database, whose drivers raise for more than 2^63 - 1.
_MOST_DIGITS = 18
LARGEST_ID = 10**_MOST_DIGITS - 1


class _IdConverter(IntegerConverter):
    """`<int:…>` in the address of a view: a longer number is an address that does not exist."""

    regex = rf"[0-9]{{1,{_MOST_DIGITS}}}"


def init_app(app: Flask) -> None:
    """Bound the ids in all addresses. Before any view is registered."""
    app.url_map.converters["int"] = _IdConverter


def number(text: str) -> int | None:
    """Return the id that `text` is; None for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else None
