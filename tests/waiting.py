"""Wait for something to become true; the only place in the tests that sleeps, and it fails loudly."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


def wait_for(look: Callable[[], Value], what: str, seconds: float = 60) -> Value:
    """Look again and again until the answer is true; fail, naming `what`, when it never is."""
    deadline = time.monotonic() + seconds
    while not (value := look()):
        assert time.monotonic() < deadline, f"waited {seconds:g} s in vain for {what}"
        time.sleep(0.02)
    return value
