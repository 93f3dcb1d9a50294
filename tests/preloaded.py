"""Processes of the product without a start of Python: forked from one that has loaded it, once a session.

Loading takes most of what a start costs. Whatever is about the start itself begins a new Python, and in
`make soak` everything does.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.forkserver
import os
import runpy
import signal
import subprocess
import sys
import warnings
from collections.abc import Mapping, Sequence
from multiprocessing.reduction import DupFd  # type: ignore[attr-defined]
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LOADED = [
    *("tests.preloaded", "harmony.application", "harmony.ops.start", "harmony.connector.agent", "psycopg"),
    *("flask.cli", "tests.builders"),
]
MARK = "MARK_OF_THE_TEST"
_LONGEST_MARK = 4096

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(LOADED)


class Process:
    """A process, with those members of `subprocess.Popen` that the tests use."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], streams: Sequence[int], cwd: Path = ROOT
    ) -> None:
        """Start `python COMMAND`, with standard input, output and error from `streams`."""
        _start_server()
        passed = [DupFd(stream) for stream in streams]
        self._process = _context.Process(target=_become, args=(command, dict(environment), passed, str(cwd)))
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid
        self._until_marked(environment.get(MARK, ""))

    def poll(self) -> int | None:
        """The exit code, minus the number of the signal that killed it; None while it lives."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; the exit code."""
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return code

    def terminate(self) -> None:
        """Ask it to stop."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def _until_marked(self, mark: str) -> None:
        wanted = f"{MARK}={mark}\0".encode()
        while mark and self.poll() is None and not _environment(self.pid).startswith(wanted):
            self._process.join(0.005)


class Piped(Process):
    """With pipes for its input and output, which are lines of text."""

    def __init__(self, *command: str) -> None:
        """Start it in our environment; what it writes to standard error is ours."""
        read, written = os.pipe(), os.pipe()
        try:
            super().__init__(command, os.environ, (read[0], written[1], 2))
        finally:
            os.close(read[0])
            os.close(written[1])
        self.stdin, self.stdout = open(read[1], "w"), open(written[0])  # noqa: SIM115

    def tell(self, line: str) -> None:
        """Write a line to it."""
        self.stdin.write(f"{line}\n")
        self.stdin.flush()

    def line(self) -> str:
        """Its next line."""
        return self.stdout.readline().strip()

    def rest(self) -> str:
        """Return its whole output, once it has ended by itself."""
        self.stdin.close()
        text = self.stdout.read()
        self.wait(60)
        self.stdout.close()
        return text

    def end(self) -> None:
        """End it, and close its pipes."""
        self.kill()
        self.wait()
        self.stdin.close()
        self.stdout.close()


def run(*command: str, **environment: str) -> int:
    """Run `python COMMAND` with this environment as well, to its end; the exit code."""
    return Process(command, os.environ | environment, (0, 1, 2)).wait(120)


def _start_server() -> None:
    """Start the process that others are forked from, with room for a mark in its environment."""
    room = "ROOM_FOR_A_MARK"
    os.environ[room] = "x" * _LONGEST_MARK
    try:
        multiprocessing.forkserver.ensure_running()
    finally:
        del os.environ[room]


def _environment(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


def _become(command: Sequence[str], environment: Mapping[str, str], streams: Sequence[Any], cwd: str) -> None:
    """Be `python COMMAND` from here on."""
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    for number, stream in enumerate(streams):
        os.dup2(passed := stream.detach(), number)
        os.close(passed)
    sys.stdout = open(1, "w", buffering=1, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    if mark := environment.get(MARK):
        _write_mark(f"{MARK}={mark}\0".encode())
    os.chdir(cwd)
    _run(*command)


def _write_mark(mark: bytes) -> None:
    """Show `mark` where others read the environment of this process: there, only the first one is shown."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    start, end = int(fields[47]), int(fields[48])
    assert len(mark) <= end - start
    with open("/proc/self/mem", "r+b", buffering=0) as memory:
        memory.seek(start)
        memory.write(mark)


def _run(kind: str, *arguments: str) -> None:
    if kind == "-m":
        # A second copy of a module that is loaded already: it is only a way in.
        warnings.filterwarnings("ignore", "'.*' found in sys.modules", RuntimeWarning)
        sys.argv = list(arguments)
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
    elif kind == "-c":
        sys.argv = ["-c", *arguments[1:]]
        exec(compile(arguments[0], "<string>", "exec"), {"__name__": "__main__"})  # noqa: S102 - ours
    else:
        sys.argv = [kind, *arguments]
        runpy.run_path(kind, run_name="__main__")
