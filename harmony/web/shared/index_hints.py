"""Columns of a condition, with or without the index that they have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

# `indexed` or `unindexed`: whether an index of the column may lead.
Led = Callable[[Any], Any]


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
