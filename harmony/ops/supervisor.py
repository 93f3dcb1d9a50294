"""Keeps child processes running: restart with back-off, prefixed output, a clean stop."""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import threading
from collections.abc import Sequence, Set
from dataclasses import dataclass
from types import FrameType

from harmony.clock import monotonic
from harmony.ops.forked import Forked, Work, fork
from harmony.ops.standard_output import Lines, Say, say

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
    say: Say = say
    process: Forked | None = None
    started: float = 0.0
    wait: float = 0.0
    again_at: float = 0.0

    def check(self) -> None:
        """Notice its end; start it again once its wait is over."""
        if self.process is not None and self.has_ended():
            code = self.process.code
            self.bury()
            self._plan_restart(f"ended with {code}; it is started again")
        if self.process is None and monotonic() >= self.again_at:
            self._start()

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
            self.say(self.prefix, line.decode("utf-8", "replace").rstrip())

    def _start(self) -> None:
        self.started = monotonic()
        try:
            self.process = fork(self.work)
        except OSError as error:  # too many processes or open files, or too little memory
            self._plan_restart(f"cannot be started ({error.strerror}); it is tried again")

    def _plan_restart(self, why: str) -> None:
        self.wait = _next_wait(self.wait, monotonic() - self.started)
        self.again_at = monotonic() + self.wait
        self.say(self.prefix, f"{why} in {self.wait:g} s")


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
    lines = Lines()
    for child in children:
        child.say = lines.say
    while not stop.is_set():
        for child in children:
            child.check()
        _copy_output(children, lines)
        if os.getpid() == 1:
            _reap_orphans({child.process.pid for child in children if child.process is not None})
    _stop(children, lines)
    return 0


def _copy_output(children: Sequence[Child], lines: Lines) -> None:
    """Print what children write, once; wait a tenth of a second for it.

    No threads do that: a process with threads cannot be forked safely.
    """
    writing = {output: child for child in children if (output := child.output()) is not None}
    poller = select.poll()
    for output in writing:
        poller.register(output, select.POLLIN)
    for output, _ in poller.poll(_POLL_MILLISECONDS):
        writing[output].print_lines()
    lines.write()


def _reap_orphans(ours: Set[int]) -> None:
    """Bury processes that were left to us, process 1 of a container, by parents that died before them."""
    with contextlib.suppress(ChildProcessError):
        while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if ended.si_pid in ours:
                break
            os.waitpid(ended.si_pid, 0)


def _stop(children: Sequence[Child], lines: Lines) -> None:
    for child in children:
        child.send(signal.SIGTERM)
    deadline = monotonic() + _STOP_WITHIN
    while (living := [child for child in children if not child.has_ended()]) and monotonic() < deadline:
        _copy_output(children, lines)
    for child in living:
        child.send(signal.SIGKILL)
        child.say(child.prefix, "did not stop in time and is killed")
    while not all(child.has_ended() for child in living):
        _copy_output(children, lines)
    for child in children:
        child.bury()
    lines.finish()
