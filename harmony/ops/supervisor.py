"""Keeps child processes running: restart with back-off, prefixed output, a clean stop."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from harmony.clock import monotonic
from harmony.logs import line_of

_FIRST_WAIT = 0.5
_LONGEST_WAIT = 30.0
# A child that lived this long was healthy: the next wait starts small again.
_HEALTHY_AFTER = 30.0
_STOP_WITHIN = 35.0
_POLL = 0.1


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
    """One process that must be running: what it is called in the output, and how it is started."""

    prefix: str
    command: Sequence[str]
    environment: dict[str, str] = field(default_factory=dict)
    folder: Path | None = None
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    wait: float = 0.0
    again_at: float = 0.0

    def start(self) -> None:
        """Start it with a pipe from us as its standard input, which ends with us, its output prefixed."""
        self.process = subprocess.Popen(  # noqa: S603 - our own command line
            self.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=os.environ | self.environment,
            cwd=self.folder,
            # Ctrl+C reaches the supervisor alone: it tells its children, once.
            start_new_session=True,
        )
        self.started = monotonic()
        threading.Thread(target=self._copy_output, args=(self.process,), daemon=True).start()

    def check(self) -> None:
        """Notice its end; start it again once its wait is over."""
        if self.process is not None and (code := self.process.poll()) is not None:
            self._plan_restart(code)
        if self.process is None and monotonic() >= self.again_at:
            self.start()

    def terminate(self) -> None:
        """Ask it to stop."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()

    def end(self, deadline: float) -> None:
        """Wait until it is gone; kill it at `deadline` (monotonic seconds)."""
        if self.process is None:
            return
        try:
            self.process.wait(max(0.0, deadline - monotonic()))
        except subprocess.TimeoutExpired:
            say(self.prefix, "did not stop in time and is killed")
            self.process.kill()
            self.process.wait()

    def _plan_restart(self, code: int) -> None:
        self.wait = _next_wait(self.wait, monotonic() - self.started)
        self.again_at = monotonic() + self.wait
        self.process = None
        say(self.prefix, f"ended with {code}; it is started again in {self.wait:g} s")

    def _copy_output(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None  # we asked for a pipe
        for line in process.stdout:
            say(self.prefix, line.decode("utf-8", "replace").rstrip())


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
    while not stop.is_set():
        for child in children:
            child.check()
        time.sleep(_POLL)
    return _stop(children)


def _stop(children: Sequence[Child]) -> int:
    for child in children:
        child.terminate()
    deadline = monotonic() + _STOP_WITHIN
    for child in children:
        child.end(deadline)
    return 0
