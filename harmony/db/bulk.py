"""Statements straight to the database's driver: rows as tuples, none of the ORM's work for each of them.

SQLAlchemy's parameters cost more than SQLite's own work at a hundred thousand rows (docs/performance.md).
The SQL is written once with `?`, for SQLite and PostgreSQL alike.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from harmony.clock import monotonic
from harmony.db import LARGEST_WAL_BYTES, db, is_sqlite

Row = tuple[Any, ...]

_EMPTY_WITHIN_MS = 250
# After a try in vain, so that a long reader does not make writers wait again and again.
GIVE_WAY_SECONDS = 5.0


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
    """Move what is in the WAL into the database file, outside of any transaction.

    A few pages of devices rewrite the same pages of the indexes: moved less often, they are moved once.
    Nobody waits for it, unless the WAL has become large: then writers do, for a quarter of a second at most.
    """
    if not is_sqlite():
        return
    with closing(db.engine.raw_connection()) as raw:
        if monotonic() < _give_way.until or _wal_bytes() <= LARGEST_WAL_BYTES:
            raw.cursor().execute("PRAGMA wal_checkpoint(PASSIVE)").close()
        elif not _emptied(raw.cursor()):
            _give_way.until = monotonic() + GIVE_WAY_SECONDS


class _GiveWay:
    """When this process may next ask for an empty WAL."""

    until = 0.0


_give_way = _GiveWay()


def _emptied(cursor: Any) -> bool:
    """Move all of the WAL and cut it to nothing; False when somebody read an old state of it for too long.

    As long as there is always some reader, a passive checkpoint never lets the WAL begin anew: it grew to
    five times the database [measured]. This one keeps writers out until the readers of now have ended; those
    who come meanwhile read the file.
    """
    patience_ms = cursor.execute("PRAGMA busy_timeout").fetchone()[0]
    cursor.execute(f"PRAGMA busy_timeout={_EMPTY_WITHIN_MS}")
    try:
        busy = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    finally:
        cursor.execute(f"PRAGMA busy_timeout={patience_ms}")
    return not busy


def _wal_bytes() -> int:
    try:
        return os.stat(f"{db.engine.url.database}-wal").st_size
    except FileNotFoundError:
        return 0


def _marked(sql: str) -> str:
    return sql if is_sqlite() else sql.replace("?", "%s")


def _as_text(moment: datetime | None) -> str | None:
    # Cutting the "+00:00" off is cheaper than making a time without it.
    return None if moment is None else moment.isoformat(" ", "microseconds")[:26]


def _as_naive(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=None)
