"""Keeps child processes running: restart with back-off, prefixed output, a clean stop."""

from __future__ import annotations

import contextlib
import gc
import select
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from types import FrameType

from harmony.clock import monotonic
from harmony.logs import line_of
from harmony.ops.forked import Forked, Work, fork

_FIRST_WAIT = 0.5
_LONGEST_WAIT = 30.0
# A child that lived this long was healthy: the next wait starts small again.
_HEALTHY_AFTER = 30.0
_STOP_WITHIN = 35.0
_POLL_MILLISECONDS = 100


def _next_wait(last: float, lived: float) -> float:
    """Return the seconds to wait before a dead child is started again: doubling, small after a healthy life.

    >>> [_next_wait(w, lived=1) for w in (0.0, 0.5, 16.0, 30.0)], _next_wait(16.0, lived=60)
    ([0.5, 1.0, 30.0, 30.0], 0.5)
    """
    if lived >= _HEALTHY_AFTER or not last:
        return _FIRST_WAIT
    return min(last * 2, _LONGEST_WAIT)


@dataclass(slots=True)
class Child:
    """One process that must be running: what it is called in the output, and what it does."""

    prefix: str
    work: Work
    process: Forked | None = None
    started: float = 0.0
    wait: float = 0.0
    again_at: float = 0.0

    def check(self) -> None:
        """Notice its end; start it again once its wait is over."""
        if self.process is not None and self.has_ended():
            self._plan_restart(self.process)
        if self.process is None and monotonic() >= self.again_at:
            self.process, self.started = fork(self.work), monotonic()

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        if self.process is not None:
            self.process.send(number)

    def has_ended(self) -> bool:
        """Tell whether nothing of it runs."""
        return self.process is None or self.process.poll() is not None

    def output(self) -> int | None:
        """Return where what it writes can be read; None at the end."""
        return None if self.process is None else self.process.output

    def print_lines(self) -> None:
        """Print what it wrote."""
        if self.process is not None:
            self._print(self.process.read())

    def bury(self) -> None:
        """Print the last of one that has ended."""
        if self.process is not None:
            self._print(self.process.bury())
        self.process = None

    def _print(self, lines: Sequence[bytes]) -> None:
        for line in lines:
            say(self.prefix, line.decode("utf-8", "replace").rstrip())

    def _plan_restart(self, process: Forked) -> None:
        self.bury()
        self.wait = _next_wait(self.wait, monotonic() - self.started)
        self.again_at = monotonic() + self.wait
        say(self.prefix, f"ended with {process.code}; it is started again in {self.wait:g} s")


def say(prefix: str, text: str) -> None:
    """Print one whole line, marked with its source."""
    line = f"{line_of(prefix, text)}\n".encode(sys.stdout.encoding or "utf-8", "replace")
    # A closed output (`| head`) must not stop the reading of a child's pipe, or the child would block.
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.buffer.write(line)
        sys.stdout.flush()


def supervise(children: Sequence[Child]) -> int:
    """Run until SIGTERM or SIGINT, restarting what dies; then stop all. Returns the exit code."""
    stop = threading.Event()

    def request_stop(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, request_stop)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # where it is ignored, nobody learns how a child ended
    # The collector would write into every page of what is loaded, and no two processes would share it.
    gc.collect()
    gc.freeze()
    while not stop.is_set():
        for child in children:
            child.check()
        _copy_output(children)
    return _stop(children)


def _copy_output(children: Sequence[Child]) -> None:
    """Print what children write, once; wait a tenth of a second for it.

    No threads do that: a process with threads cannot be forked safely.
    """
    writing = {output: child for child in children if (output := child.output()) is not None}
    poller = select.poll()
    for output in writing:
        poller.register(output, select.POLLIN)
    for output, _ in poller.poll(_POLL_MILLISECONDS):
        writing[output].print_lines()


def _stop(children: Sequence[Child]) -> int:
    for child in children:
        child.send(signal.SIGTERM)
    deadline = monotonic() + _STOP_WITHIN
    while (living := [child for child in children if not child.has_ended()]) and monotonic() < deadline:
        _copy_output(children)
    for child in living:
        say(child.prefix, "did not stop in time and is killed")
        child.send(signal.SIGKILL)
    while not all(child.has_ended() for child in living):
        _copy_output(children)
    for child in children:
        child.bury()
    return 0
