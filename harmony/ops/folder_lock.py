"""One supervisor a data folder: a lock that the kernel gives back however its holder dies."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

log = logging.getLogger(__name__)


class FolderTaken(Exception):
    """Another Harmony runs on this data folder. One sentence."""


@contextmanager
def locked(folder: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold the folder for this process, or with others that share it; no file is made. Raises FolderTaken.

    The lock is advisory and nobody else asks for it: commands and workers may use the folder meanwhile.
    """
    handle = os.open(folder, os.O_RDONLY)  # closed on exec, so that no child keeps it
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise FolderTaken(
            f"another Harmony runs on {folder}; stop that one, or set another HARMONY_DATA_DIR."
        ) from None
    except OSError as error:  # NFS and some others lock no folders
        log.warning("%s cannot be locked (%s); start only one Harmony on it.", folder, error.strerror)
    try:
        yield
    finally:
        os.close(handle)


def is_locked(folder: Path) -> bool:
    """Tell whether somebody holds the folder. Doubt means True."""
    try:
        with locked(folder):
            return False
    except (FolderTaken, OSError):
        return True
