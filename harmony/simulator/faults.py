"""Faults that a tester injects: what goes wrong, on which calls, and how often (facts 13, rule 4)."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass
from typing import Any

KINDS: dict[str, str] = {
    "html": "An HTML page with status 200",
    "truncated": "The first half of the body, then the connection closes",
    "dropped": "The connection closes without an answer",
    "unauthorized": "401, as if the token had expired",
    "throttled": "429",
    "server_error": "A 5xx; value is the status (503)",
    "forbidden": "403, as if the role lacked the permission",
    "empty_200": "200 with no body",
    "slow": "Answers late; value is milliseconds (1000)",
    "repeated_page": "Ignores the page asked for and repeats page 0",
    "moving_rows": "Rows move by value places per call (3): holes; negative gives duplicates",
    "lying_total": "Total says value (1000000)",
}
DEFAULT_VALUES = {"server_error": 503, "slow": 1000, "moving_rows": 3, "lying_total": 1_000_000}


@dataclass(slots=True)
class Fault:
    """One fault: it waits `after` matching calls, then strikes `times` times (None: for ever)."""

    id: int
    kind: str
    path: str = ""
    page: int | None = None
    group: int | None = None
    after: int = 0
    times: int | None = None
    value: int = 0
    hits: int = 0

    def strikes(self, path: str, page: str, group: str) -> bool:
        """Whether this call suffers; a call that matches is counted either way."""
        if not self._matches(path, page, group):
            return False
        if self.after > 0:
            self.after -= 1
            return False
        if self.times is not None and self.hits >= self.times:
            return False
        self.hits += 1
        return True

    def _matches(self, path: str, page: str, group: str) -> bool:
        """Without a path a fault is about the API; the token endpoint has to be named."""
        where = self.path.lower() or "/api/"
        return (
            where in path.lower()
            and (self.page is None or page == str(self.page))
            and (self.group is None or group == str(self.group))
        )


class FaultBook:
    """The faults in force."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._made = 0

    def add(
        self,
        kind: str,
        *,
        path: str = "",
        page: int | None = None,
        group: int | None = None,
        after: int = 0,
        times: int | None = None,
        value: int | None = None,
    ) -> Fault:
        """Put a fault in force; an unknown kind is a ValueError."""
        if kind not in KINDS:
            raise ValueError(f"There is no fault {kind!r}; there are {', '.join(KINDS)}.")
        chosen = DEFAULT_VALUES.get(kind, 0) if value is None else value
        with self._lock:
            self._made += 1
            fault = Fault(self._made, kind, path, page, group, after, times, chosen)
            self._faults.append(fault)
            return fault

    def clear(self, *, ident: int | None = None, kind: str | None = None) -> None:
        """Lift one fault, one kind, or all."""
        with self._lock:
            self._faults = [
                fault
                for fault in self._faults
                if (ident is not None and fault.id != ident) or (kind is not None and fault.kind != kind)
            ]

    def striking(self, path: str, page: str, group: str) -> dict[str, Fault]:
        """The faults this call suffers, by kind; the first of a kind wins."""
        with self._lock:
            struck: dict[str, Fault] = {}
            for fault in self._faults:
                if fault.kind not in struck and fault.strikes(path, page, group):
                    struck[fault.kind] = fault
            return struck

    def all(self) -> list[dict[str, Any]]:
        """The faults in force, as JSON."""
        with self._lock:
            return [asdict(fault) for fault in self._faults]
