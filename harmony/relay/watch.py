"""The answers that the threads of a relay wait for: one of them looks into the database for all."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Engine

from harmony.relay.changes import Changes

# A thread that waits looks up at least so often, for whatever else may end its wait.
_MOST_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class AnswerState:
    """The state of a call: taken by an agent, answered; neither once it is gone."""

    is_there: bool
    is_taken: bool
    is_answered: bool


_GONE = AnswerState(is_there=False, is_taken=False, is_answered=False)
# Return the states of these calls; one that is gone is missing.
_ReadStates = Callable[[list[str]], dict[str, AnswerState]]


class AnswerWatch:
    """States of the calls that are waited for. Safe to use from any thread.

    Whoever waits while nobody watches does so for all: at each commit four threads would ask four times.
    """

    def __init__(self, engine: Engine, read: _ReadStates) -> None:
        self._changes, self._read = Changes(engine), read
        self._news = threading.Condition()
        self._states: dict[str, AnswerState] = {}
        self._is_watched = False

    def add(self, call_id: str) -> AnswerState:
        """Begin to watch a call, and return its state."""
        with self._news:
            self._states[call_id] = _GONE
        self._look([call_id])
        return self.state(call_id)

    def remove(self, call_id: str) -> None:
        """Watch the call no more."""
        with self._news:
            self._states.pop(call_id, None)

    def state(self, call_id: str) -> AnswerState:
        """Return the state of a call when somebody last looked."""
        return self._states.get(call_id, _GONE)

    def wait(self, seconds: float) -> None:
        """Return when a state may have changed, or after `seconds`, at most half a second."""
        most = min(seconds, _MOST_SECONDS)
        with self._news:
            if self._is_watched:
                self._news.wait(most)
                return
            self._is_watched = True
        try:
            self._changes.wait(most, quick=True)
            self._look(list(self._states))
        finally:
            with self._news:
                self._is_watched = False
                self._news.notify_all()

    def _look(self, ids: list[str]) -> None:
        found = self._read(ids)
        with self._news:
            for call_id in ids:
                if call_id in self._states:
                    self._states[call_id] = found.get(call_id, _GONE)
