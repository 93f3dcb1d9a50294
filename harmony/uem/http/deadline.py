"""One total deadline for one call: when it passes, the socket is cut, however slowly bytes trickle in.

A read timeout is no deadline: one byte per 0.8 s kept a call with a timeout of 2 s alive for 9.6 s
[measured].
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import socket
import threading
from types import TracebackType
from typing import Self

from harmony import clock

log = logging.getLogger(__name__)

_current = threading.local()


class Deadline:
    """A span of `seconds` around the network part of a call, entered with `with` in the calling thread."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.expired = False
        self._end = clock.monotonic() + seconds
        self._lock = threading.Lock()
        self._handle: socket.socket | None = None
        self._cut = False

    def __enter__(self) -> Self:
        _watch.add(self, self._end)
        _current.deadline = self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _watch.remove(self)
        _current.deadline = None
        self._replace(None)

    def left(self) -> float:
        """Seconds until the deadline, never negative."""
        return max(0.0, self._end - clock.monotonic())

    @property
    def was_cut(self) -> bool:
        """Tell whether the call was ended, by its time or by whoever made it."""
        return self._cut

    def watch(self, connection: socket.socket) -> None:
        """Cut this connection when the time is over.

        The descriptor is duplicated: wrapping in TLS detaches the socket object, and http.client closes its
        own while a body is still being read, yet a shutdown of the duplicate ends them all.
        """
        with contextlib.suppress(OSError):
            self._replace(socket.socket(fileno=os.dup(connection.fileno())))

    def cut(self) -> None:
        """Shut the watched connection down now; whatever waits on it wakes up."""
        with self._lock:
            self._cut = True
            if self._handle is not None:
                with contextlib.suppress(OSError):
                    self._handle.shutdown(socket.SHUT_RDWR)

    def expire(self) -> None:
        """End the call because its time is over."""
        # The flag first: a call that is cut in its headers looks like an empty success [measured].
        self.expired = True
        self.cut()

    def _replace(self, handle: socket.socket | None) -> None:
        with self._lock:
            old, self._handle = self._handle, handle
            late = self._cut
        if old is not None:
            old.close()
        if late and handle is not None:
            self.cut()


def current_deadline() -> Deadline | None:
    """Return the deadline of this thread, if it has one."""
    found: Deadline | None = getattr(_current, "deadline", None)
    return found


class _Watch:
    """Expires the deadlines of this process by one thread, which ends when there are none.

    A timer for each call is a thread for each call: a fifth of the processor time of an agent [measured].
    """

    def __init__(self) -> None:
        self.forget()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.forget)

    def forget(self) -> None:
        """Begin anew: a forked process has neither the thread nor the calls, and perhaps a locked lock."""
        self._news = threading.Condition()
        self._ends: dict[Deadline, float] = {}
        self._wakes_at = -math.inf
        self._thread: threading.Thread | None = None

    def add(self, deadline: Deadline, end: float) -> None:
        """Expire this one at `end`, as of `clock.monotonic`."""
        with self._news:
            self._ends[deadline] = end
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="deadlines", daemon=True)
                thread.start()
                self._thread = thread
            elif end < self._wakes_at:
                self._news.notify()

    def remove(self, deadline: Deadline) -> None:
        """Let this one be: its call has ended."""
        with self._news:
            self._ends.pop(deadline, None)

    def _run(self) -> None:
        while (due := self._wait()) is not None:
            for deadline in due:
                try:
                    deadline.expire()
                except Exception:  # the other calls still need this thread
                    log.exception("A call could not be cut at its deadline")

    def _wait(self) -> list[Deadline] | None:
        """Return those that are due, after a wait perhaps none; None at the end of the thread."""
        with self._news:
            if not self._ends:
                self._thread = None
                return None
            self._wakes_at = min(self._ends.values())
            self._news.wait(max(0.0, self._wakes_at - clock.monotonic()))
            now = clock.monotonic()
            due = [deadline for deadline, end in self._ends.items() if end <= now]
            for deadline in due:
                del self._ends[deadline]
            return due


_watch = _Watch()
