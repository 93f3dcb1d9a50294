"""The pool of connections: a run that writes a lot keeps its own, whose page cache stays true."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy.pool import ConnectionPoolEntry, QueuePool


class KeepingPool(QueuePool):
    """Leaves the connection of a run to the thread of the run.

    SQLite forgets the pages that a connection has read as soon as another one has written. A run whose writes
    went through all connections in turns read the same pages from the file again and again, into the cache of
    each of them.
    """

    # As every other pool: under our own name it would write into our log.
    _sqla_logger_namespace = "sqlalchemy.pool"

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._own = threading.local()

    @contextmanager
    def keep(self) -> Iterator[None]:
        """Keep the connection of this thread for this thread, within the body. Not to be nested."""
        self._own.keeps, self._own.entry = True, None
        try:
            yield
        finally:
            self._own.keeps, entry = False, self._own.entry
            if entry is not None:
                self._own.entry = None
                super()._do_return_conn(entry)

    def _do_get(self) -> ConnectionPoolEntry:
        entry: ConnectionPoolEntry | None = getattr(self._own, "entry", None)
        if entry is None:
            return super()._do_get()
        self._own.entry = None
        return entry

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        if getattr(self._own, "keeps", False) and self._own.entry is None:
            self._own.entry = record
        else:
            super()._do_return_conn(record)
