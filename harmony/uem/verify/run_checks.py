"""Verify: from a typed address to readable devices, one rung at a time, changing nothing anywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime

from harmony import clock
from harmony.uem.connection import Connection
from harmony.uem.errors import UemError
from harmony.uem.http.client import Limits, Times
from harmony.uem.registry import KINDS
from harmony.uem.verify.checks import Finding, Rung, RungState, not_tried
from harmony.uem.verify.network import NetworkSteps
from harmony.uem.workspace_one.checks import NAMES, WorkspaceOneSteps

NETWORK = ("Address", "Name", "Connection", "TLS")
RUNGS = NETWORK + NAMES
_TOTAL_SECONDS = 30.0
CALL_SECONDS = 10.0

__all__ = ["RUNGS", "Rung", "RungState", "diagnose"]


def diagnose(
    kind: str, connection: Connection, now: datetime, *, seconds: float = _TOTAL_SECONDS
) -> Iterator[Rung]:
    """Every rung of RUNGS in order, each as soon as it is known; after the first failure none is tried.

    Each call is tried once and has its own deadline; `seconds` bounds when the last rung may begin.
    """
    if kind not in KINDS:
        raise ValueError(f"no UEM of kind {kind}")
    ladder = _Ladder(seconds)
    with closing(NetworkSteps(connection, now)) as network:
        actions = (network.check_address, network.find_name, network.connect, network.speak_tls)
        for name, action in zip(NETWORK, actions, strict=True):
            yield ladder.climb(name, action)
    if ladder.stopped:
        yield from map(not_tried, NAMES)
        return
    yield from _api_rungs(ladder, connection)


def _api_rungs(ladder: _Ladder, connection: Connection) -> Iterator[Rung]:
    limits = Limits(
        request_seconds=CALL_SECONDS, total_seconds=CALL_SECONDS, attempts=1, pool_size=1, longest_wait=0
    )
    try:
        api = WorkspaceOneSteps(connection, limits, Times())
    except UemError as error:
        # The token address is refused before anything is called.
        yield Rung(NAMES[0], RungState.FAILED, None, error.sentence, error.advice or None)
        yield from map(not_tried, NAMES[1:])
        return
    with closing(api):
        for name, action in api.steps():
            yield ladder.climb(name, action)


class _Ladder:
    """Remembers whether a rung has failed, and when the time is over."""

    def __init__(self, seconds: float) -> None:
        self._end = clock.monotonic() + seconds
        self.stopped = False

    def climb(self, name: str, action: Callable[[], Finding]) -> Rung:
        """One rung; not tried after a failure or when no time is left."""
        began = clock.monotonic()
        if self.stopped:
            return not_tried(name)
        if began >= self._end:
            self.stopped = True
            sentence = "The time for Verify was over before this could be tried."
            return Rung(name, RungState.FAILED, None, sentence, "Look at the slow rungs above.")
        try:
            found = action()
        except UemError as error:
            self.stopped = True
            return Rung(name, RungState.FAILED, _since(began), error.sentence, error.advice or None)
        if not found.tried:
            return not_tried(name, found.sentence, found.advice)
        state = RungState.WARNING if found.warning else RungState.OK
        return Rung(name, state, _since(began), found.sentence, found.advice)


def _since(began: float) -> int:
    return round((clock.monotonic() - began) * 1000)
