"""A child leaves with its supervisor: standard input is a pipe that ends when the supervisor does."""

from __future__ import annotations

import os
import signal
import stat
import threading


def leave_with_parent() -> None:
    """Send this process SIGTERM when its standard input, if it is a pipe, reaches its end.

    The kernel closes the pipe however the supervisor dies, kill -9 included; there is nothing to poll.
    """
    if stat.S_ISFIFO(os.fstat(0).st_mode):
        threading.Thread(target=_wait, daemon=True, name="lifeline").start()


def _wait() -> None:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
