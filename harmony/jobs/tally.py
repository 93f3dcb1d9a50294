"""PURE: what a device sync has read and done so far."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar


@dataclass(slots=True)
class Tally:
    """The counts and the progress; the fields in `COLUMNS` are columns of its run."""

    COLUMNS: ClassVar = ("step", "calls", "quota_left", "quota_limit")

    step: str = ""
    pages_read: int = 0
    devices_read: int = 0
    expected: int | None = None
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    missing: int = 0
    reappeared: int = 0
    deleted: int = 0
    restored: int = 0
    skipped: int = 0
    calls: int = 0
    quota_left: int | None = None
    quota_limit: int | None = None

    def progress(self) -> dict[str, Any]:
        """Return the values of the run's row; a count that is zero takes no room in it."""
        fields = asdict(self)
        columns = {name: fields.pop(name) for name in self.COLUMNS}
        return columns | {"counts": {name: count for name, count in fields.items() if count}}
