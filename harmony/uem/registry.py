"""The kinds of UEM and their clients."""

from __future__ import annotations

from harmony.uem.client import UemClient
from harmony.uem.connection import Connection
from harmony.uem.http.client import CallLimits, TimeSource
from harmony.uem.http.retry import LONGEST_WAIT
from harmony.uem.workspace_one.client import WorkspaceOne

KINDS: dict[str, str] = {"workspace_one": "Workspace ONE UEM"}


def connect(
    kind: str,
    connection: Connection,
    *,
    fetchers: int = 4,
    calls_per_minute: int = 1000,
    longest_wait: float = LONGEST_WAIT,
    times: TimeSource | None = None,
) -> UemClient:
    """Return a client that has not called yet. Raises BlockedByPolicy for a forbidden address.

    `fetchers` is the number of pages fetched at once, 1 to 16; `longest_wait` the seconds of patience with a
    server that asks to wait.
    """
    if kind not in KINDS:
        raise ValueError(f"no UEM of kind {kind}")
    limits = CallLimits(calls_per_minute=calls_per_minute, longest_wait=longest_wait)
    return WorkspaceOne(connection, fetchers, limits, times)
