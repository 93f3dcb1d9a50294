"""Around writes of a run that writes a lot: SQLite moves its WAL, PostgreSQL looks at the table it fills."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple, cast

from flask import current_app
from sqlalchemy.exc import SQLAlchemyError

from harmony.db import bulk, db, is_sqlite, postgresql
from harmony.db.pool import KeepingPool

log = logging.getLogger(__name__)

# 32 MiB. Writes rewrite the same pages of the indexes: moved less often, they are moved once.
PAGES_PER_MOVE = 8000
# Then little by little, so that little is left once the WAL is at its longest: a run waits for that.
PAGES_PER_FURTHER_MOVE = 1500
# 48 MiB. While somebody always writes, the WAL only grows, however much of it has been moved. At 64 MiB
# SQLite would move it within a commit, for which everybody waits.
LONGEST_WAL_PAGES = 12_000
_SMALL_TABLE_ROWS = 10_000


class WriteHooks(NamedTuple):
    """The calls of a run that writes a lot, before and after each of its writes."""

    before: Callable[[], object]
    after: Callable[[], object]


class WalMover:
    """Follows the WAL with each write of a run; `pages` returns how many it has, and how many were moved."""

    def __init__(self, checkpoint: Callable[[], object], pages: Callable[[], tuple[int, int]]) -> None:
        self._checkpoint, self._pages = checkpoint, pages
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="wal")
        self._moving: Future[object] | None = None
        self._is_long = False

    def before_write(self) -> None:
        """Have a long WAL moved to its end, so that the write begins it anew. Raises what went wrong."""
        if not self._is_long:
            return
        self._is_long = False
        self._end_move()
        pages, moved = self._pages()
        if moved < pages:
            self._checkpoint()

    def after_write(self) -> None:
        """Move what has become much, beside the run. Raises what went wrong meanwhile."""
        pages, moved = self._pages()
        self._is_long = pages >= LONGEST_WAL_PAGES
        enough = PAGES_PER_FURTHER_MOVE if moved else PAGES_PER_MOVE
        if (self._is_long or pages - moved >= enough) and self.is_idle():
            self._end_move()
            self._moving = self._pool.submit(self._checkpoint)

    def is_idle(self) -> bool:
        """Tell whether nothing is being moved."""
        return self._moving is None or self._moving.done()

    def close(self) -> None:
        """Wait for what is under way."""
        self._pool.shutdown()

    def _end_move(self) -> None:
        if self._moving is not None:
            self._moving.result()
            self._moving = None


@contextmanager
def write_hooks(fills: str = "") -> Iterator[WriteHooks]:
    """Yield what the body calls around each of its writes; `fills` names the table of a first run."""
    if not is_sqlite():
        yield WriteHooks(lambda: None, _analyzing(fills))
        return
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # the thread outlives the proxy

    def checkpoint() -> None:
        with app.app_context():
            bulk.checkpoint()

    mover = WalMover(checkpoint, bulk.wal_pages)
    try:
        with cast(KeepingPool, db.engine.pool).keep():
            yield WriteHooks(mover.before_write, mover.after_write)
    finally:
        mover.close()


def _analyzing(table: str) -> Callable[[], None]:
    """Let PostgreSQL look at a table that it takes for a small one, after the first write of a first run.

    Autovacuum comes a minute later, or more. Until then it takes every column for as common as any other, and
    the plans it keeps stay so. The write is committed already, so a look that fails is left to autovacuum.
    Of a table with the devices of others it knows enough, and a look takes half a second [measured].
    """
    waiting = [table] if table else []

    def look_once() -> None:
        if not waiting:
            return
        filled = waiting.pop()
        try:
            with db.engine.begin() as connection:
                if postgresql.known_rows(connection, filled) < _SMALL_TABLE_ROWS:
                    connection.exec_driver_sql(f"ANALYZE (SKIP_LOCKED) {filled}")
        except SQLAlchemyError as error:
            log.warning("The early ANALYZE of %s failed, and is left to autovacuum: %s", filled, error)

    return look_once
