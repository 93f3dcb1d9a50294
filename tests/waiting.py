"""Wait for something to become true; the only place in the tests that sleeps, and it fails loudly."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


def wait_for(look: Callable[[], Value], what: str, seconds: float = 60) -> Value:
    """Look again and again until the answer is true; fail, naming `what`, when it never is.

    A look that takes long, such as one at every process, is taken as much less often: it would keep the
    machine from what it waits for.
    """
    deadline = time.monotonic() + seconds
    while True:
        began = time.monotonic()
        if value := look():
            return value
        ended = time.monotonic()
        assert ended < deadline, f"waited {seconds:g} s in vain for {what}"
        time.sleep(min(max(0.02, 4 * (ended - began)), 0.2))
