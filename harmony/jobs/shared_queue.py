"""The queue in PostgreSQL, for processes on several machines: a message wakes a worker that is free."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

import huey.storage
from huey import Huey
from huey.storage import PostgresStorage
from sqlalchemy import make_url
from sqlalchemy.orm import Session

from harmony.config import Settings
from harmony.config.version import VERSION
from harmony.db import bulk
from harmony.db.postgresql import network
from harmony.models.queue_tables import PREFIX, TABLES

_NAME = f"harmony {VERSION}"
# How long a thread waits for a message before it looks at the table by itself.
_LOOK_SECONDS = 1.0
# How long a process that works on something leaves a message to others: an idle one takes it within 10 ms.
_YIELD_SECONDS = 0.03


class _SharedStorage(PostgresStorage):  # type: ignore[misc]  # Huey ships no types
    """Huey's own, which notices only by failing that the server was started again.

    A process that works on something lets others take the next message: two syncs share two machines.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._working: set[int] = set()

    def dequeue(self) -> bytes | None:
        """Wait for a message; the thread counts as working from then on until it asks again."""
        thread = threading.get_ident()
        self._working.discard(thread)
        data: bytes | None = super().dequeue()
        if data is not None:
            self._working.add(thread)
        return data

    def _dequeue(self) -> bytes | None:
        if self._working:
            time.sleep(_YIELD_SECONDS)
        data: bytes | None = super()._dequeue()
        return data

    def enqueue(self, data: bytes, priority: float | None = None) -> None:
        """Put a message into the queue, over a new connection if the present one is gone."""
        try:
            super().enqueue(data, priority)
        except Exception:
            if self._conn is not None and not (self._conn.closed or self._conn.broken):
                raise
            super().enqueue(data, priority)


def shared_queue(settings: Settings, options: dict[str, Any]) -> Huey:
    """Return the queue in the database. It connects when it is used first; a migration makes its tables.

    Each version has one of its own: a worker takes out and loses a message whose task it does not know.
    """
    import psycopg  # noqa: PLC0415 - only PostgreSQL needs its driver

    huey.storage.psycopg = psycopg
    limits = network(make_url(settings.database_url))
    return Huey(
        name=_NAME,
        storage_class=_SharedStorage,
        dsn=settings.database_url,
        create_tables=False,
        table_prefix=PREFIX,
        read_timeout=_LOOK_SECONDS,
        **limits,
        **options,
    )


def forget_former(session: Session) -> int:
    """Remove what waits in the queues of other versions, inside the caller's `write()`. How many."""
    statements = [f"DELETE FROM {table} WHERE queue <> ?" for table in TABLES]  # noqa: S608 - names of ours
    return sum(bulk.execute(session, sql, (_NAME,)) for sql in statements)


def quiet_connection_errors() -> None:
    """Log one line, without a traceback, for each try of a consumer's thread while the database is away."""
    for process in ("Worker", "Scheduler"):
        logging.getLogger(f"huey.consumer.{process}").addFilter(_without_traceback)


def _without_traceback(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    if record.msg in {"Error reading from queue", "Error reading schedule."} and error is not None:
        record.exc_info = None
        record.msg = f"The queue cannot be read ({type(error).__name__}); it is tried again."
    return True
