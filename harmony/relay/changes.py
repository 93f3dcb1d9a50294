"""Notices commits of other processes cheaply: only then is the database asked for what is waited for."""

from __future__ import annotations

import math
import os
import time
from pathlib import Path

from sqlalchemy import Engine

from harmony import clock

# How often the file is looked at while somebody waits for an answer, and while nothing is to do.
QUICK_SECONDS, CALM_SECONDS = 0.002, 0.1
# The same for a database that has no file here, and the longest that is trusted without asking.
_ASK_SECONDS, _ASK_CALMLY_SECONDS = 0.01, 0.25
_MOST_QUICK_SECONDS, _MOST_SECONDS = 0.5, 2.0
# A file's time moves with the ticks of the kernel, of 10 ms at most: a later commit may leave it as it is.
_TICK_SECONDS = 0.01


class Changes:
    """Tells when the database may have changed since it was last asked."""

    def __init__(self, engine: Engine) -> None:
        is_file = engine.dialect.name == "sqlite"
        self._wal = Path(f"{engine.url.database}-wal") if is_file else None
        self._seen, self._sure_at = self._mark(), clock.monotonic() + _TICK_SECONDS

    def wait(self, seconds: float, *, quick: bool) -> None:
        """Return after a commit, or after `seconds`, at most two seconds, whatever comes first."""
        if self._wal is None:
            time.sleep(min(seconds, _ASK_SECONDS if quick else _ASK_CALMLY_SECONDS))
            return
        until = clock.monotonic() + min(seconds, _MOST_QUICK_SECONDS if quick else _MOST_SECONDS)
        while not self._is_news() and clock.monotonic() < until:
            time.sleep(QUICK_SECONDS if quick else CALM_SECONDS)

    def _is_news(self) -> bool:
        """Tell if there was a commit since the last look, or may have been one within the tick of it."""
        mark, at = self._mark(), clock.monotonic()
        if mark != self._seen:
            self._seen, self._sure_at = mark, at + _TICK_SECONDS
            return True
        if at < self._sure_at:
            return False
        self._sure_at = math.inf
        return True

    def _mark(self) -> tuple[int, int]:
        try:
            found = os.stat(self._wal) if self._wal else None
        except OSError:  # no commit yet, or the last connection was closed
            found = None
        return (found.st_mtime_ns, found.st_size) if found else (0, 0)
