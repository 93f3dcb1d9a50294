"""A process forked from this one: it has what is loaded here, and nothing of what is open here."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NoReturn

Work = Callable[[], int]

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_CHUNK = 64 * 1024
_LONGEST_LINE = 64 * 1024
# What a process has left in its pipe is a chunk or two; who else has the pipe may write for ever.
_LAST_CHUNKS = 16


@dataclass(slots=True)
class Forked:
    """The parent's side: a pipe that ends with us, and one that brings what the process writes."""

    pid: int
    lifeline: int
    output: int | None
    code: int | None = None
    unfinished: bytes = b""

    def poll(self) -> int | None:
        """Return how it ended, minus the number of the signal that killed it; None while it lives."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code

    def send(self, number: signal.Signals) -> None:
        """Send a signal unless it has ended; until we have seen that, its number is nobody else's."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def read(self) -> list[bytes]:
        """Return the whole lines that can be read now; at the end of the output the rest as well."""
        chunk = self._chunk()
        if chunk == b"":
            return self._close_output()
        *whole, rest = (self.unfinished + (chunk or b"")).split(b"\n")
        *pieces, self.unfinished = _cut(rest)
        return [piece for line in whole for piece in _cut(line)] + pieces

    def bury(self) -> list[bytes]:
        """Close everything of a process that has ended. Return its last lines."""
        lines = [line for _ in range(_LAST_CHUNKS) for line in self.read()]
        os.close(self.lifeline)
        return lines + self._close_output()

    def _chunk(self) -> bytes | None:
        """Return what can be read now, None if nothing, b"" at the end."""
        try:
            return b"" if self.output is None else os.read(self.output, _CHUNK)
        except BlockingIOError:
            return None

    def _close_output(self) -> list[bytes]:
        if self.output is not None:
            os.close(self.output)
        rest, self.output, self.unfinished = self.unfinished, None, b""
        return rest.splitlines()


def _cut(line: bytes) -> list[bytes]:
    """Return a line in pieces that are not too long; an empty line is a piece as well."""
    return [line[at : at + _LONGEST_LINE] for at in range(0, max(len(line), 1), _LONGEST_LINE)]


def fork(work: Work) -> Forked:
    """Start a process that does `work` and ends with what it returns.

    Call it with a single thread and with nothing open but plain numbers of files: locks that another thread
    holds stay locked in a forked process, and a connection in use by two processes is broken in both.
    Raises OSError where the system has no room for another.
    """
    with contextlib.ExitStack() as failed:
        lifeline_end, lifeline = _pipe(failed)
        output, output_end = _pipe(failed)
        os.set_blocking(output, False)
        with _undisturbed():
            pid = os.fork()
            if pid == 0:
                _become(work, lifeline_end, output_end)
        failed.pop_all()
    os.close(lifeline_end)
    os.close(output_end)
    return Forked(pid, lifeline, output)


def _pipe(failed: contextlib.ExitStack) -> tuple[int, int]:
    ends = os.pipe()
    for end in ends:
        failed.callback(os.close, end)
    return ends


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Let a signal to stop wait, lest the new process get it while it still has its parent's handlers."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _become(work: Work, lifeline: int, output: int) -> NoReturn:
    """Be the new process until its end; what the parent was about to do is never returned to."""
    code = 1
    try:
        # Ctrl+C reaches the supervisor alone: it tells its children, each in a session of its own.
        os.setsid()
        _keep_only(lifeline, output)
        _reset_inherited()
        code = work()
    except SystemExit as leaving:
        code = _code_of(leaving)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
        os._exit(code)


def _code_of(leaving: SystemExit) -> int:
    """Return the exit code; print what was given in its place, as the end of Python does."""
    if leaving.code is None or isinstance(leaving.code, int):
        return leaving.code or 0
    sys.stderr.write(f"{leaving.code}\n")
    return 1


def _keep_only(lifeline: int, output: int) -> None:
    """Make the pipes standard input, output and error, and close everything else of the parent.

    The lifelines of other children are among that: they must end with the parent, not with us.
    """
    for number, pipe in enumerate((lifeline, output, output)):
        os.dup2(pipe, number)
    # A container that was given a /dev of its own may lack the link.
    opened = next(filter(os.path.isdir, ("/proc/self/fd", "/dev/fd")))
    for number in map(int, os.listdir(opened)):
        if number > 2:
            with contextlib.suppress(OSError):  # the number of the listing itself
                os.close(number)


def _reset_inherited() -> None:
    """Have the output, the log and the signals of a process that has just been started."""
    written = open(1, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    sys.stdout = sys.stderr = written
    logging.getLogger().handlers.clear()
    logging.getLogger().setLevel(logging.WARNING)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP_SIGNALS)
