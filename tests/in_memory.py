"""Files of tests in memory: none of them need survive a power cut, and each waited for the disk."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

# What is in memory on Linux; a container may have 64 MB of it.
MEMORY = Path("/dev/shm")  # noqa: S108 - each run makes a private folder there
NEEDED_BYTES = 3 << 30


def keep_files_in_memory() -> None:
    """Let this process and those it starts make temporary files in memory, where there is room.

    TMPDIR says otherwise: what a test of it leaves can be looked at, or a disk be part of it.
    """
    if "TMPDIR" not in os.environ and _free_bytes() >= NEEDED_BYTES:
        os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)


def open_to_everybody() -> str:
    """Return the folder where users other than ours find what a test makes."""
    return str(MEMORY) if tempfile.gettempdir() == str(MEMORY) else "/tmp"  # noqa: S108 - as above


def _free_bytes() -> int:
    try:
        system = os.statvfs(MEMORY)
    except OSError:
        return 0
    return system.f_bavail * system.f_frsize
