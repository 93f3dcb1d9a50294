"""SQLite's write lock: `BEGIN IMMEDIATE` as soon as the lock is free.

SQLite's own waiting polls ever less often, in the end ten times a second, and a sync that writes page after
page leaves gaps shorter than that: others would wait for many of its writes instead of for one.
"""

from __future__ import annotations

from time import sleep
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from harmony.clock import monotonic

_POLL_SECONDS = 0.002


def begin_immediate(connection: Connection, within_seconds: float | None = None) -> None:
    """Begin a writing transaction. Raises OperationalError after so long, else the busy timeout."""
    raw: Any = connection.connection.dbapi_connection
    patience_ms = raw.execute("PRAGMA busy_timeout").fetchone()[0]
    give_up = monotonic() + (patience_ms / 1000 if within_seconds is None else within_seconds)
    raw.execute("PRAGMA busy_timeout=0").close()
    try:
        while not _try_begin(connection, give_up):
            sleep(_POLL_SECONDS)
    finally:
        if not (connection.invalidated or connection.closed):  # as an interrupted statement leaves it
            raw.execute(f"PRAGMA busy_timeout={patience_ms}").close()


def _try_begin(connection: Connection, give_up: float) -> bool:
    try:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    except OperationalError as error:
        busy = getattr(error.orig, "sqlite_errorname", "").startswith("SQLITE_BUSY")
        if not busy or monotonic() >= give_up:
            raise
        return False
    return True
