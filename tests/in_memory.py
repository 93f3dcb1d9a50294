"""Files of tests in memory: none of them need survive a power cut, and each waited for the disk."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

from tests.sampling import soaking

# What is in memory on Linux; a container may have 64 MB of it.
MEMORY = Path("/dev/shm")  # noqa: S108 - each run makes a private folder there
NEEDED_BYTES = 3 << 30
# The room is a limit, and not free memory: what else runs must not be driven out to swap.
NEEDED_MEMORY_BYTES = 6 << 30
MEMINFO = Path("/proc/meminfo")


def keep_files_in_memory() -> None:
    """Let this process and those it starts make temporary files in memory, where there is room.

    TMPDIR says otherwise: what a test of it leaves can be looked at, or a disk be part of it. So does a soak.
    """
    if "TMPDIR" not in os.environ and not soaking() and has_room():
        os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)


def open_to_everybody() -> str:
    """Return the folder where users other than ours find what a test makes."""
    return str(MEMORY) if tempfile.gettempdir() == str(MEMORY) else "/tmp"  # noqa: S108 - as above


def has_room() -> bool:
    """Tell whether both the folder and the memory of this machine have what the files may take."""
    return _free_bytes() >= NEEDED_BYTES and available_bytes() >= NEEDED_MEMORY_BYTES


def available_bytes() -> int:
    """Return what programs can take before the machine swaps; 0 where nobody says."""
    try:
        found = re.search(r"^MemAvailable: +(\d+) kB$", MEMINFO.read_text("ascii"), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0


def _free_bytes() -> int:
    try:
        system = os.statvfs(MEMORY)
    except OSError:
        return 0
    return system.f_bavail * system.f_frsize
