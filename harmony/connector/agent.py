"""The agent: asks the dashboard for work over outbound connections, for ever, and carries it out."""

from __future__ import annotations

import logging
import platform
import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, repeat

from harmony import clock
from harmony.connector.dashboard import Dashboard, KeyRefused
from harmony.connector.execution import Executor
from harmony.connector.settings import AgentSettings
from harmony.connector.wire import Poll, Reply, Work
from harmony.uem.errors import UemError

log = logging.getLogger(__name__)

VERSION = "1"
_FIRST_REST, _LONGEST_REST = 1.0, 60.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
# Before each further try to hand an answer over; the last counts for all after it.
_RETRY_PAUSES = (0.0, 1.0, 2.0, 4.0)


class Agent:
    """One process that runs for a Connector, until it is told to stop."""

    def __init__(self, settings: AgentSettings) -> None:
        self._settings, self._stop = settings, threading.Event()
        self._dashboard, self._executor = Dashboard(settings), Executor(settings)
        self._code = secrets.token_hex(16)
        self._running: set[str] = set()
        self._changed = threading.Condition()
        self._error = ""

    def request_stop(self) -> None:
        """Take no more work; `run` returns once what was taken is finished."""
        self._stop.set()
        self._dashboard.interrupt()

    def run(self) -> None:
        """Work until a stop is requested."""
        rest, pause = _FIRST_REST, _FIRST_PAUSE
        with ThreadPoolExecutor(self._settings.calls, thread_name_prefix="call") as pool:
            while not self._stop.is_set():
                began = clock.monotonic()
                try:
                    works = self._dashboard.poll(self._asked())
                    for work in works:
                        self._begin(pool, work)
                    pause = self._pause(pause, bool(works) or clock.monotonic() - began >= _FIRST_REST)
                    rest = _FIRST_REST
                except UemError as error:
                    rest = self._rest(error, rest)
        self._executor.close()
        self._dashboard.close()

    def _asked(self) -> Poll:
        """Return what to ask, as soon as there is room for a call."""
        with self._changed:
            self._changed.wait_for(self._has_room, timeout=_FIRST_REST)
            running, error = tuple(self._running), self._error
            self._error = ""
        return Poll(
            agent=self._code, host=platform.node(), version=VERSION, free=self._settings.calls - len(running),
            running=running, allowed=self._settings.allowed.shown(), error=error,
        )  # fmt: skip

    def _has_room(self) -> bool:
        return len(self._running) < self._settings.calls or self._stop.is_set()

    def _begin(self, pool: ThreadPoolExecutor, work: Work) -> None:
        with self._changed:
            self._running.add(work.id)
        pool.submit(self._finish, work)

    def _finish(self, work: Work) -> None:
        taken_at = clock.monotonic()
        try:
            reply = self._executor.carry_out(work)
            if reply.failure is not None:
                self._error = reply.failure.sentence
                log.warning("A call failed: %s", reply.failure.sentence)
            self._hand_over(work, reply, taken_at + work.seconds)
        except Exception:
            log.exception("An answer could not be handed over")
        finally:
            with self._changed:
                self._running.discard(work.id)
                self._changed.notify()

    def _hand_over(self, work: Work, reply: Reply, until: float) -> None:
        """Hand over the reply, again and again while somebody may wait for it: the dashboard may restart."""
        for pause in chain(_RETRY_PAUSES, repeat(_RETRY_PAUSES[-1])):
            try:
                if not self._dashboard.hand_over(work, reply):
                    log.info("Nobody waited for an answer any more.")
                return
            except UemError as error:
                log.warning("An answer could not be handed over: %s", error.sentence)
                if self._stop.wait(pause) or clock.monotonic() + pause >= until:
                    return

    def _pause(self, pause: float, was_held: bool) -> float:
        """Wait when nothing came at once, as of a dashboard that keeps no more agents waiting.

        Return how long to wait if that happens again.
        """
        if was_held:
            return _FIRST_PAUSE
        self._stop.wait(pause)
        return min(pause * 2, _LONGEST_PAUSE)

    def _rest(self, error: UemError, rest: float) -> float:
        """Wait before the next try; return how long to wait if that fails too."""
        if self._stop.is_set():
            return rest
        wait = _LONGEST_REST if isinstance(error, KeyRefused) else rest
        log.warning("%s %s Trying again in %.0f seconds.", error.sentence, error.advice, wait)
        self._stop.wait(wait)
        return min(rest * 2, _LONGEST_REST)
