"""Ways to take the disk from a database: no more pages, a full file system, files that may not grow."""

from __future__ import annotations

import os
import resource
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import event, text

from harmony.db import db

FILE_SYSTEM_KIB = 32 * 1024
# What is left of it, so that a few commits still succeed.
LEFT_KIB = 160


@contextmanager
def pragma(statement: str) -> Iterator[None]:
    """Every connection of the application says this first, as long as it lasts."""

    def say(connection: Any, _record: object) -> None:
        connection.execute(f"PRAGMA {statement}").close()

    db.session.remove()
    db.engine.dispose()
    event.listen(db.engine, "connect", say)
    try:
        yield
    finally:
        event.remove(db.engine, "connect", say)
        db.session.remove()
        db.engine.dispose()


@contextmanager
def no_more_pages(_folder: Path) -> Iterator[None]:
    """The database may grow by a few pages only."""
    pages = db.session.scalar(text("PRAGMA page_count"))
    with pragma(f"max_page_count={pages + 10}"):
        yield


@contextmanager
def full_file_system(folder: Path) -> Iterator[None]:
    """Somebody else has taken almost all of the file system that `folder` is on."""
    ballast = folder.parent / "ballast"
    free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
    ballast.write_bytes(b"\0" * (free - LEFT_KIB * 1024))
    try:
        yield
    finally:
        ballast.unlink()


@contextmanager
def small_file_system(folder: Path) -> Iterator[None]:
    """A file system in memory, with room for a WAL that is moved behind the writes, mounted at `folder`."""
    folder.mkdir(exist_ok=True)
    options = ["-o", f"size={FILE_SYSTEM_KIB}k,mode=700", "none", str(folder)]
    subprocess.run(["mount", "-t", "tmpfs", *options], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def may_mount() -> bool:
    """Whether this user may mount a file system, which needs root and a machine that lets it."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        try:
            stack.enter_context(small_file_system(Path(folder)))
        except (OSError, subprocess.CalledProcessError):
            return False
        return True


@contextmanager
def files_end_at(size: int, pid: int = 0) -> Iterator[None]:
    """Writes of a process beyond this size of a file fail (EFBIG); of this one when no other is named."""
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
