"""Faults that a tester injects: what goes wrong, on which calls, and how often (facts 13, rule 4)."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import Any

from harmony.simulator.records import DECODE

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
# Well-formed answers that say the wrong thing; `lies.py` tells them.
LIES: dict[str, str] = {
    "null_field": "The field is null",
    "drop_field": "The field is left out",
    "set_field": "The field is the text, read as JSON where it is JSON",
    "text_field": "The field is text, whatever it was",
    "list_field": "The field is a list of what it was",
    "shared_field": "The rows share the value of the first of them",
    "swapped_field": "Each row has the value of the next",
    "odd_rows": "The rows are the text (null where it is empty)",
    "short_list": "The rows are left out, and still counted in Total",
    "doubled_rows": "The rows are listed twice",
    "ghost_rows": "So many more rows (1) with ids that nothing else shows",
    "empty_list": "An empty list with a Total of 0",
    "no_content": "204, as if there were nothing",
    "not_found": "404, and nothing is carried out",
    "html_not_found": "404 as an HTML page, and nothing is carried out",
    "done_not_found": "404, although it was carried out",
    "unheeded": "A write over devices is accepted and not carried out",
    "other_id": "What was made is said to have the id value (10001), which is another's",
}
DEFAULT_VALUES = {
    "server_error": 503,
    "slow": 1000,
    "moving_rows": 3,
    "lying_total": 1_000_000,
    "other_id": 10_001,
}


@dataclass(slots=True)
class Fault:
    """One fault: it waits `after` matching calls, then strikes `times` times (None: for ever).

    A lie is about `field` (dotted) of every `every`-th row.
    """

    id: int
    kind: str
    path: str = ""
    page: int | None = None
    group: int | None = None
    after: int = 0
    times: int | None = None
    value: int = 0
    hits: int = 0
    field: str = ""
    text: str = ""
    every: int = 1

    def json(self) -> Any:
        """The text as JSON, or as it is where it is none; null where there is none."""
        try:
            return DECODE(self.text) if self.text else None
        except ValueError:
            return self.text

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
        """Without a path a fault is about the API, not about tokens; `*` stands for any part of a path."""
        where = self.path.lower() or "/api/"
        return (
            fnmatchcase(path.lower(), f"*{where}*")
            and (self.page is None or page == str(self.page))
            and (self.group is None or group == str(self.group))
        )


def _refuse_unknown(kind: str, field: str, every: int | None) -> None:
    known = KINDS | LIES
    if kind not in known:
        raise ValueError(f"There is no fault {kind!r}; there are {', '.join(known)}.")
    if kind.endswith("_field") and not field:
        raise ValueError(f"{kind} needs a field.")
    if every is not None and every < 1:
        raise ValueError("every counts rows from 1.")


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
        field: str = "",
        text: str = "",
        every: int | None = None,
    ) -> Fault:
        """Put a fault in force; an unknown kind, or a lie about a field without one, is a ValueError."""
        _refuse_unknown(kind, field, every)
        chosen = DEFAULT_VALUES.get(kind, 0) if value is None else value
        with self._lock:
            self._made += 1
            fault = Fault(self._made, kind, path, page, group, after, times, chosen)
            fault.field, fault.text, fault.every = field, text, every or 1
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
