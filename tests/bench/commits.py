"""How long each writing transaction of this process holds the database's only write lock."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import Any

from sqlalchemy import Connection, Engine, event

from harmony.clock import monotonic


class Commits:
    """From the moment BEGIN IMMEDIATE has the lock to the end of COMMIT, in milliseconds.

    Transactions that only read are left out. A rollback gives the lock back without a commit: dropped.
    """

    def __init__(self, engine: Engine) -> None:
        self.milliseconds: list[float] = []
        self._began: dict[int, float] = {}
        # After Harmony's own listener, which sends BEGIN: the wait for the lock holds nobody up.
        event.listen(engine, "begin", self._on_begin)
        dialect: Any = engine.dialect
        dialect.do_commit = self._around(dialect.do_commit, self._ended)
        dialect.do_rollback = self._around(dialect.do_rollback, self._forget)

    def told(self) -> dict[str, Any]:
        """Number, median and longest."""
        held = self.milliseconds
        if not held:
            return {"commits": 0, "longest_commit_ms": 0.0, "median_commit_ms": 0.0}
        return {
            "commits": len(held),
            "longest_commit_ms": round(max(held), 2),
            "median_commit_ms": round(median(held), 2),
        }

    def _on_begin(self, connection: Connection) -> None:
        if connection.get_execution_options().get("write_intent"):
            self._began[_driver(connection.connection)] = monotonic()

    def _ended(self, key: int) -> None:
        if (began := self._began.pop(key, None)) is not None:
            self.milliseconds.append((monotonic() - began) * 1000)

    def _forget(self, key: int) -> None:
        self._began.pop(key, None)

    @staticmethod
    def _around(plain: Callable[[Any], None], after: Callable[[int], None]) -> Callable[[Any], None]:
        """The dialect tells of a commit before it happens, never after."""

        def done(connection: Any) -> None:
            plain(connection)
            after(_driver(connection))

        return done


def _driver(connection: Any) -> int:
    """The same for a pooled connection and for the driver's own inside it."""
    return id(getattr(connection, "dbapi_connection", connection))
