"""Names of files with the time in them: of backups, and of what a restore replaces."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import count
from pathlib import Path


def free_name(folder: Path, stem: str, now: datetime, ending: str) -> Path:
    """Return a name with the second in it that no file of `folder` has.

    Names of one second are numbered, and sort in their order. Another process may choose the same name: who
    must replace nothing creates the file exclusively.
    """
    return next(path for path in _names(folder, f"{stem}-{now:%Y%m%dT%H%M%SZ}", ending) if not path.exists())


def _names(folder: Path, dated: str, ending: str) -> Iterator[Path]:
    yield folder / f"{dated}.{ending}"
    yield from (folder / f"{dated}_{number:02}.{ending}" for number in count(2))
