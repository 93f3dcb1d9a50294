"""Text files that are there whole or not at all, whatever dies meanwhile; only their owner may read them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def create(path: Path, text: str) -> None:
    """Write a new file, or leave the one that another process was quicker to write. Raises OSError.

    Not O_EXCL on the file itself: the slower process could then read it before it is written. A hard link
    fails when its name is taken.
    """
    with _draft(path, text) as draft:
        try:
            os.link(draft, path)
        except FileExistsError:
            return
    sync_folder(path.parent)


def replace(path: Path, text: str) -> None:
    """Write a file in the place of the former one, if there is any. Raises OSError."""
    with _draft(path, text) as draft:
        os.replace(draft, path)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _draft(path: Path, text: str) -> Iterator[Path]:
    """Write the text beside `path`, with mode 0600; nothing of it is left."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    draft = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        yield draft
    finally:
        draft.unlink(missing_ok=True)
