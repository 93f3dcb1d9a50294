"""The answers that the threads of a relay wait for: one of them looks into the database for all."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

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

    @property
    def is_over(self) -> bool:
        """Tell if nothing is left to wait for."""
        return self.is_answered or not self.is_there


_GONE = AnswerState(is_there=False, is_taken=False, is_answered=False)
_WAITS = AnswerState(is_there=True, is_taken=False, is_answered=False)
# Return the states of these calls; one that is gone is missing.
_ReadStates = Callable[[list[str]], dict[str, AnswerState]]


@dataclass(slots=True)
class _Call:
    """A call that is waited for; before it was posted it may be missing in the database."""

    state: AnswerState = _WAITS
    is_posted: bool = False
    is_asleep: bool = False
    news: threading.Event = field(default_factory=threading.Event)


class AnswerWatch:
    """States of the calls that are waited for. Safe to use from any thread.

    Whoever waits while nobody watches does so for all: at each commit four threads would ask four times. Only
    those are woken whose wait is over, and another to watch when the one who did so leaves.
    """

    def __init__(self, engine: Engine, read: _ReadStates) -> None:
        self._changes, self._read = Changes(engine), read
        self._lock = threading.Lock()
        self._calls: dict[str, _Call] = {}
        self._is_watched = False

    def add(self, call_id: str) -> None:
        """Begin to watch a call that is about to be posted, so that no answer to it is missed."""
        with self._lock:
            self._calls[call_id] = _Call()

    def posted(self, call_id: str) -> None:
        """Take the call for gone from now on when it is missing in the database."""
        with self._lock:
            self._calls[call_id].is_posted = True

    def remove(self, call_id: str) -> None:
        """Watch the call no more."""
        with self._lock:
            self._calls.pop(call_id, None)
            self._hand_over()

    def state(self, call_id: str) -> AnswerState:
        """Return the state of a call when somebody last looked."""
        found = self._calls.get(call_id)
        return found.state if found else _GONE

    def wait(self, call_id: str, seconds: float) -> None:
        """Return when the state of the call may have changed, or after `seconds`, at most half a second."""
        most = min(seconds, _MOST_SECONDS)
        with self._lock:
            call = self._calls[call_id]
            if call.state.is_over:
                return
            watches, self._is_watched = not self._is_watched, True
            call.is_asleep = not watches
        if watches:
            self._watch(call, most)
        else:
            call.news.wait(most)
            with self._lock:
                call.is_asleep = False
                call.news.clear()

    def _watch(self, call: _Call, seconds: float) -> None:
        try:
            self._changes.wait(seconds, quick=True)
            self._look()
        finally:
            with self._lock:
                self._is_watched = False
                if call.state.is_over:  # it reads its answer now, which may be long
                    self._hand_over()

    def _hand_over(self) -> None:
        """Wake a call to watch for all if nobody does; the lock is taken."""
        asleep = (call for call in self._calls.values() if call.is_asleep and not call.state.is_over)
        if not self._is_watched and (other := next(asleep, None)):
            other.news.set()

    def _look(self) -> None:
        with self._lock:
            posted = {call_id: call.is_posted for call_id, call in self._calls.items()}
        found = self._read(list(posted))
        with self._lock:
            for call_id, was_posted in posted.items():
                call = self._calls.get(call_id)
                if call and (was_posted or call_id in found):
                    call.state = found.get(call_id, _GONE)
                    if call.state.is_over:
                        call.news.set()
