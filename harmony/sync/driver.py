"""Statements straight to the database's driver: rows as tuples, none of the ORM's work for each of them.

SQLAlchemy's parameters cost more than SQLite's own work at a hundred thousand rows (docs/performance.md).
The SQL is written once with `?`, for SQLite and PostgreSQL alike.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from harmony.db import db, is_sqlite

Row = tuple[Any, ...]


def run_many(session: Session, sql: str, rows: Sequence[Row]) -> None:
    """Execute once for each row, inside the caller's `write()`."""
    if rows:
        session.connection().exec_driver_sql(_marked(sql), list(rows))


def run(session: Session, sql: str, row: Row = ()) -> int:
    """Execute once, inside the caller's `write()`; how many rows changed."""
    return session.connection().exec_driver_sql(_marked(sql), row).rowcount


def fetch(session: Session, sql: str, row: Row = ()) -> Sequence[Row]:
    """Every row as the driver gives it; times need `read_time`."""
    cursor = session.connection().exec_driver_sql(_marked(sql), row).cursor
    assert cursor is not None  # a SELECT has one
    try:
        rows: Sequence[Row] = cursor.fetchall()
    finally:
        cursor.close()
    return rows


def among(column: str) -> str:
    """A condition with one `?` for the list that `listed` makes, however long it is."""
    if is_sqlite():
        return f"{column} IN (SELECT value FROM json_each(?))"  # noqa: S608 - a column named in the code
    return f"{column} = ANY(?)"


def listed(values: Sequence[str] | Sequence[int]) -> Any:
    """The parameter of `among`."""
    if not is_sqlite():
        return list(values)
    return json.dumps(list(values))


def written_time() -> Callable[[datetime | None], Any]:
    """How a time has to be given to the driver: as `db.UtcDateTime` stores it."""
    return _as_text if is_sqlite() else _as_naive


def read_time(value: Any) -> datetime | None:
    """A time as the driver gives it, in aware UTC."""
    if value is None:
        return None
    if isinstance(value, str):
        return datetime.fromisoformat(value + "+00:00")
    naive: datetime = value
    return naive.replace(tzinfo=UTC)


def checkpoint() -> None:
    """Move what is in the WAL into the database file, outside of any transaction; nobody waits for it.

    A few pages of devices rewrite the same pages of the indexes: moved less often, they are moved once.
    """
    if not is_sqlite():
        return
    with closing(db.engine.raw_connection()) as raw:
        raw.cursor().execute("PRAGMA wal_checkpoint(PASSIVE)").close()


def _marked(sql: str) -> str:
    return sql if is_sqlite() else sql.replace("?", "%s")


def _as_text(moment: datetime | None) -> str | None:
    # Cutting the "+00:00" off is cheaper than making a time without it.
    return None if moment is None else moment.isoformat(" ", "microseconds")[:26]


def _as_naive(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=None)
