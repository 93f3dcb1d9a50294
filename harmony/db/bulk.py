"""Statements straight to the database's driver: rows as tuples, none of the ORM's work for each of them.

SQLAlchemy's parameters cost more than SQLite's own work at a hundred thousand rows (docs/performance.md).
The SQL is written once with `?`, for SQLite and PostgreSQL alike.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, date, datetime
from typing import Any

import msgspec
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from harmony.clock import monotonic
from harmony.db import LARGEST_WAL_BYTES, db, is_sqlite

Row = tuple[Any, ...]

_TRUNCATE_WITHIN_MS = 250
# After a truncation in vain, so that a long reader does not make writers wait again and again.
TRUNCATE_PAUSE_SECONDS = 5.0


def execute_many(session: Session, sql: str, rows: Sequence[Row]) -> None:
    """Execute a statement once for each row, inside the caller's `write()`."""
    if rows:
        session.connection().exec_driver_sql(_with_placeholders(sql), list(rows))


def insert_many(session: Session, sql: str, rows: Sequence[Row]) -> None:
    """Execute `INSERT INTO … (…) VALUES (?, …)` for each row, inside the caller's `write()`.

    On PostgreSQL by COPY, which takes half of the driver's time and two thirds of the server's [measured].
    """
    if is_sqlite() or len(rows) < 2:
        execute_many(session, sql, rows)
    else:
        target = sql.removeprefix("INSERT INTO ").partition(" VALUES ")[0]
        session.connection().exec_driver_sql(f"COPY {target} FROM STDIN", list(rows))


def update_times(session: Session, table: str, column: str, times: Mapping[int, datetime | None]) -> None:
    """Set a column of times by the ids of the rows, inside the caller's `write()`."""
    encode = time_encoder()
    if is_sqlite():
        sql = f"UPDATE {table} SET {column} = ? WHERE id = ?"  # noqa: S608 - named in the code
        execute_many(session, sql, [(encode(time), id_) for id_, time in times.items()])
    elif times:
        sql = (
            f"UPDATE {table} SET {column} = given.time FROM unnest(?::timestamp[], ?::bigint[]) "  # noqa: S608
            f"AS given(time, id) WHERE {table}.id = given.id"
        )
        execute(session, sql, ([encode(time) for time in times.values()], list(times)))


def execute(session: Session, sql: str, row: Row = ()) -> int:
    """Execute a statement inside the caller's `write()` and return how many rows it changed."""
    return session.connection().exec_driver_sql(_with_placeholders(sql), row).rowcount


def fetch_all(session: Session, sql: str, row: Row = ()) -> Sequence[Row]:
    """Return every row as the driver gives it; times need `decode_time`."""
    cursor = session.connection().exec_driver_sql(_with_placeholders(sql), row).cursor
    assert cursor is not None  # a SELECT has one
    try:
        rows: Sequence[Row] = cursor.fetchall()
    finally:
        cursor.close()
    return rows


def fetch_apart(sql: str, row: Row = ()) -> Sequence[Row]:
    """Return every row of a SELECT that stands alone: nothing is open afterwards. Raises DBAPIError.

    For what is asked very often: session and transaction take seven times what the statement does [measured].
    """
    engine = db.engine
    try:
        with closing(engine.raw_connection()) as raw, closing(raw.cursor()) as cursor:
            cursor.execute(_with_placeholders(sql), row)
            rows: Sequence[Row] = cursor.fetchall()
    except engine.dialect.loaded_dbapi.Error as error:
        kind = engine.dialect.loaded_dbapi.Error
        raise DBAPIError.instance(sql, None, error, kind, hide_parameters=True) from error
    return rows


def new_ids(session: Session, table: str, count: int) -> Sequence[int]:
    """Return the ids of so many rows to be inserted inside the caller's `write()`: nobody else takes them."""
    if is_sqlite():
        ((last,),) = fetch_all(session, f"SELECT coalesce(max(id), 0) FROM {table}")  # noqa: S608 - no input
        return range(last + 1, last + 1 + count)
    # The name is looked up once, not for each id.
    sql = (
        "WITH own AS MATERIALIZED (SELECT pg_get_serial_sequence(?, 'id')::regclass AS sequence) "
        "SELECT nextval(own.sequence) FROM own, generate_series(1, ?)"
    )
    return [id_ for (id_,) in fetch_all(session, sql, (table, count))]


def in_list(column: str) -> str:
    """Return the condition that `column` is in the list of one `?`, however long (see `list_param`)."""
    if is_sqlite():
        return f"{column} IN (SELECT value FROM json_each(?))"  # noqa: S608 - a column named in the code
    return f"{column} = ANY(?)"


def in_texts(column: str) -> str:
    """Return the same of a column that stands behind another one in its index.

    PostgreSQL plans for the number of values. While it knows little of a table, it would rather read all rows
    that have the first column, for each page of a sync all devices, than look for 500 of them one by one. An
    array whose size it does not know in advance is a short one to it.
    """
    return in_list(column) if is_sqlite() else f"{column} = ANY(ARRAY(SELECT unnest(?::text[])))"


def prefer_indexes(session: Session) -> None:
    """Have PostgreSQL look rows up by index until the end of the caller's `write()`.

    For statements about some rows of large tables, by id. Of a table that was filled a moment ago it knows
    little: it took 1,500 devices for one, and read 20,000 rows of another table for each of them [measured].
    """
    if not is_sqlite():
        session.connection().exec_driver_sql("SET LOCAL enable_seqscan = off")


def list_param(values: Sequence[str] | Sequence[int]) -> Any:
    """Return `values` as the parameter of `in_list` and `in_texts`."""
    if not is_sqlite():
        return list(values)
    return json.dumps(list(values))


def encode_time(time: datetime | None) -> Any:
    """Return a time as `db.UtcDateTime` stores it, for the driver."""
    return time_encoder()(time)


def time_encoder() -> Callable[[datetime | None], Any]:
    """Return the function behind `encode_time`, for many times: asking for the database costs more."""
    return _as_text if is_sqlite() else _as_naive


def decode_time(value: Any) -> datetime | None:
    """Return a time that the driver gave, in aware UTC."""
    if value is None:
        return None
    if isinstance(value, str):
        return datetime.fromisoformat(value + "+00:00")
    naive: datetime = value
    return naive.replace(tzinfo=UTC)


def decode_date(value: Any) -> date | None:
    """Return a date as it was read: text from SQLite, a date from PostgreSQL."""
    return date.fromisoformat(str(value)) if value else None


def wal_pages() -> tuple[int, int]:
    """Return how many pages the WAL of SQLite has, and how many of them are in the database file already."""
    with closing(db.engine.raw_connection()) as raw:
        return _wal_checkpoint(raw.cursor(), "NOOP")


def checkpoint() -> None:
    """Move what is in the WAL into the database file, outside of any transaction.

    A few pages of devices rewrite the same pages of the indexes: moved less often, they are moved once.
    No write waits for it, unless the WAL has become large: then for a quarter of a second at most.
    """
    if not is_sqlite():
        return
    with closing(db.engine.raw_connection()) as raw:
        if monotonic() < _truncation.not_before or _wal_bytes() <= LARGEST_WAL_BYTES:
            _wal_checkpoint(raw.cursor(), "PASSIVE")
        elif not _truncate_wal(raw.cursor()):
            _truncation.not_before = monotonic() + TRUNCATE_PAUSE_SECONDS


class _Truncation:
    """The time before which this process does not truncate the WAL again."""

    not_before = 0.0


_truncation = _Truncation()


def _wal_checkpoint(cursor: Any, mode: str) -> tuple[int, int]:
    """Return how many pages the WAL has, and how many are moved afterwards."""
    try:
        _busy, pages, moved = cursor.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
    finally:
        cursor.close()
    return int(pages), int(moved)


def _truncate_wal(cursor: Any) -> bool:
    """Move all of the WAL and truncate it. Return False if a reader kept an old state of it for too long.

    As long as there is always some reader, a passive checkpoint never lets the WAL begin anew: it grew to
    five times the database [measured]. This one keeps writers out until the present readers have ended; later
    ones read the file.
    """
    patience_ms = cursor.execute("PRAGMA busy_timeout").fetchone()[0]
    cursor.execute(f"PRAGMA busy_timeout={_TRUNCATE_WITHIN_MS}")
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


def _with_placeholders(sql: str) -> str:
    return sql if is_sqlite() else sql.replace("?", "%s")


def _as_text(time: datetime | None) -> str | None:
    if time is None:
        return None
    # `isoformat` and `str` take three times as long, and a sync has two times of every device.
    text: str = msgspec.to_builtins(time)
    return f"{text[:10]} {text[11:26]}" if text[19:20] == "." else f"{text[:10]} {text[11:19]}.000000"


def _as_naive(time: datetime | None) -> datetime | None:
    return None if time is None else time.replace(tzinfo=None)
