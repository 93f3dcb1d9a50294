"""Ends the calls of a run as soon as the process is told to stop: a slow UEM must not hold it up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from harmony.uem.client import UemClient

LOOK_SECONDS = 0.2


@contextmanager
def cut_when(should_stop: Callable[[], bool], client: UemClient) -> Iterator[None]:
    """Close `client` once `should_stop()`; whoever waits for an answer, or to try again, gets a UemError."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(LOOK_SECONDS):
            if should_stop():
                client.close()
                return

    threading.Thread(target=watch, daemon=True, name="cut").start()
    try:
        yield
    finally:
        over.set()
