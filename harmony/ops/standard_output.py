"""The lines of all processes on standard output, for a supervisor that must not wait for who reads them."""

from __future__ import annotations

import contextlib
import os
import select
import sys
from collections import deque
from collections.abc import Callable

from harmony.clock import monotonic
from harmony.logs import line_of

Say = Callable[[str, str], None]

_MOST_WAITING = 1024 * 1024
_FINISH_WITHIN = 2.0


def say(prefix: str, text: str) -> None:
    """Print one whole line, marked with its source; wait until it is taken."""
    with contextlib.suppress(OSError, ValueError):  # a closed output (`| head`)
        sys.stdout.buffer.write(_line(prefix, text))
        sys.stdout.flush()


class Lines:
    """Lines that wait for a standard output which somebody may have stopped reading.

    The oldest are dropped when too many wait. A closed output swallows them: reading of a child's pipe must
    go on, or the child would wait.
    """

    def __init__(self, number: int = 1) -> None:
        """Write to this number of an open file, which others may share: it stays a blocking one."""
        self._number = _never_waiting(number)
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._dropped = 0
        self._begun = b""

    def say(self, prefix: str, text: str) -> None:
        """Add one whole line, marked with its source."""
        line = _line(prefix, text)
        self._waiting.append(line)
        self._size += len(line)
        while self._size > _MOST_WAITING:
            self._size -= len(self._waiting.popleft())
            self._dropped += 1

    def write(self) -> None:
        """Write what is taken at once."""
        with contextlib.suppress(BlockingIOError):
            while self._is_waiting() and self._is_ready(0):
                self._write_some()

    def finish(self) -> None:
        """Write the rest, unless that takes long."""
        deadline = monotonic() + _FINISH_WITHIN
        while self._is_waiting() and (left := deadline - monotonic()) > 0:
            self._is_ready(left)
            self.write()

    def _is_waiting(self) -> bool:
        return bool(self._begun or self._waiting)

    def _is_ready(self, seconds: float) -> bool:
        poller = select.poll()
        poller.register(self._number, select.POLLOUT)
        return bool(poller.poll(seconds * 1000))

    def _write_some(self) -> None:
        """Write so little that an output that is ready takes it without waiting."""
        if not self._begun:
            self._begin()
        try:
            self._begun = self._begun[os.write(self._number, self._begun[: select.PIPE_BUF]) :]
        except BlockingIOError:
            raise
        except OSError:
            self._begun = b""

    def _begin(self) -> None:
        """Take the next lines, the number of those that are missing before them."""
        if self._dropped:
            text = f"{self._dropped} lines are missing here: standard output was not read"
            self._begun, self._dropped = _line("main", text), 0
        while self._waiting and len(self._begun) < select.PIPE_BUF:
            line = self._waiting.popleft()
            self._begun += line
            self._size -= len(line)


def _line(prefix: str, text: str) -> bytes:
    return f"{line_of(prefix, text)}\n".encode(sys.stdout.encoding or "utf-8", "replace")


def _never_waiting(number: int) -> int:
    """Open a terminal anew for us alone: one that is ready need not take as much as a pipe does."""
    if not os.isatty(number):
        return number
    try:
        return os.open(os.ttyname(number), os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:  # of another user, or of another container
        return number
