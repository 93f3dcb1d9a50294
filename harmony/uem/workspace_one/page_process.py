"""A process that makes records of pages of devices, so that a large fleet is read on a core of its own.

It is handed the bytes of an answer and hands records back: calls, pace, tokens and errors stay with whoever
reads. What it does not understand, and whatever becomes of it, is read by the process that asked. It ends
with that process, whose ends of the lines are its only input.
"""

from __future__ import annotations

import gc
import os
import queue
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from hashlib import blake2b
from pathlib import Path

import msgspec

from harmony import device_ids, folding
from harmony.uem import device_keys, privacy, records, text
from harmony.uem.device_keys import with_keys
from harmony.uem.workspace_one import device_page, message_line, rows, wire
from harmony.uem.workspace_one.device_page import PageContent, page_content
from harmony.uem.workspace_one.message_line import MessageLine

# A smaller fleet is read before the process would be there.
LARGE_FLEET = 10_000
# A page that waits while another is read, so that the process never does.
_LINES = 3
_ROOT = Path(__file__).resolve().parents[3]
_CGROUP_CPU = Path("/sys/fs/cgroup/cpu.max")
_SETTINGS = ("HARMONY_", "PG")
_NOT_READ = b""
# A page takes some 20 ms. A process that is stopped or starved is given up for the rest of the run.
_PATIENCE = struct.pack("ll", 20, 0)
_page = msgspec.msgpack.Decoder(PageContent)
# Said by the process when it is ready. It loads what is on the disk now, which an upgrade may have changed.
_SHARED = (device_ids, folding, device_keys, privacy, records, text, device_page, rows, wire, message_line)
_FILES = (__file__, *(str(module.__file__) for module in _SHARED))
_CODE = blake2b(b"".join(Path(file).read_bytes() for file in _FILES)).digest()


class PageProcess:
    """The process as its parent sees it. Safe to use from several threads.

    The first page that announces a large fleet starts it. A page is read by who asks while the process is not
    ready, or has enough to do.
    """

    def __init__(self) -> None:
        self._fleet = LARGE_FLEET if _cores() > 1 else sys.maxsize
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._lines: Sequence[MessageLine] = ()
        self._free: queue.SimpleQueue[MessageLine] = queue.SimpleQueue()
        self._may_start, self._is_closed = True, False

    def read(self, body: bytes) -> PageContent:
        """Return the content of a page, its devices with their keys if the process has read it.

        Raises MalformedAnswer or TooLarge.
        """
        if reply := self._ask(body):
            with suppress(msgspec.MsgspecError):
                return _page.decode(reply)
        page = page_content(body)
        if (page.total or 0) >= self._fleet:
            self._start()
        return page

    def close(self) -> None:
        """End it. Whoever waits for it reads the page itself."""
        with self._lock:
            self._may_start, self._is_closed = False, True
            if self._child is not None:
                self._child.kill()
                self._child.wait()
            for line in self._lines:
                line.end()
        self._close_free()

    def _start(self) -> None:
        with self._lock:
            if not self._may_start:
                return
            self._may_start = False
            with suppress(OSError):
                self._child, self._lines = _started()
                for line in self._lines:
                    self._free.put(line)

    def _ask(self, body: bytes) -> bytes:
        """Return what the process answers; nothing if none is there, or none that answers."""
        try:
            line = self._free.get_nowait()
        except queue.Empty:
            return _NOT_READ
        try:
            reply = line.ask(body) if line.is_ready() else _NOT_READ
        except OSError:
            line.close()
            return _NOT_READ
        self._free.put(line)
        if self._is_closed:
            self._close_free()
        return reply

    def _close_free(self) -> None:
        """Close the lines that nobody uses; who uses one closes it when that fails."""
        with suppress(queue.Empty):
            while True:
                self._free.get_nowait().close()


def _cores() -> float:
    """Return how many cores this process may use, also where a container has a share of them."""
    on_linux = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if on_linux else os.cpu_count() or 1
    try:
        quota, period = _CGROUP_CPU.read_text(encoding="ascii").split()
        return min(cores, int(quota) / int(period))
    except (OSError, ValueError):  # no such group, or one without a limit
        return cores


def _environment() -> dict[str, str]:
    """Return our environment without settings: it needs no secret to read foreign bytes."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_SETTINGS)}
    return kept | {"PYTHONPATH": os.pathsep.join(filter(None, (str(_ROOT), kept.get("PYTHONPATH"))))}


def _started() -> tuple[subprocess.Popen[bytes], list[MessageLine]]:
    """Return the process and the lines to it. Raises OSError."""
    with ExitStack() as on_failure, ExitStack() as its_ends:
        lines, numbers = [], []
        for _ in range(_LINES):
            ours, its = socket.socketpair()
            on_failure.callback(ours.close)
            numbers.append(its_ends.enter_context(its).fileno())
            for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
                ours.setsockopt(socket.SOL_SOCKET, option, _PATIENCE)
            lines.append(MessageLine(ours, _CODE))
        command = (sys.executable, "-m", __name__, *map(str, numbers))
        child = subprocess.Popen(  # noqa: S603 - our own command line
            command, stdin=subprocess.DEVNULL, pass_fds=numbers, env=_environment(), cwd=_ROOT
        )
        on_failure.pop_all()
        return child, lines


def main(arguments: Sequence[str]) -> int:
    """Answer until the lines are closed. Return the exit code."""
    # It ends with its parent, and its objects are in no cycles.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.disable()
    lines = {number: MessageLine(socket.socket(fileno=number), _CODE) for number in map(int, arguments)}
    poll = select.poll()
    try:
        for number, line in lines.items():
            poll.register(number, select.POLLIN)
            line.send(_CODE)
        while True:
            for number, _ in poll.poll():
                lines[number].send(_reply(lines[number].receive()))
    except OSError:
        return 0


def _reply(body: bytes) -> bytes:
    try:
        page = page_content(body)
        devices = tuple(map(with_keys, page.devices))
        return msgspec.msgpack.encode(msgspec.structs.replace(page, devices=devices))
    except Exception:  # whoever asked reads it again, and says what is wrong
        return _NOT_READ


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
