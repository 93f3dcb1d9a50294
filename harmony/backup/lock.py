"""The lock of a scheduled backup: one process at a time, in a folder, and on PostgreSQL on any machine."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harmony.backup import postgresql
from harmony.db import is_sqlite

log = logging.getLogger(__name__)

LOCK = ".scheduled.lock"


@contextmanager
def exclusive(folder: Path) -> Iterator[bool]:
    """Yield whether this process alone makes the backup.

    The kernel and the server free the lock of a process that died. Raises OSError, NotDumped.
    """
    with _folder_locked(folder) as has_folder:
        if not has_folder or is_sqlite():
            yield has_folder
            return
        with postgresql.dump_locked() as has_database:
            yield has_database


@contextmanager
def _folder_locked(folder: Path) -> Iterator[bool]:
    # Closed on exec: a `pg_dump` whose worker was killed keeps no lock.
    handle = os.open(folder / LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        yield _locked(handle, folder)
    finally:
        os.close(handle)


def _locked(handle: int, folder: Path) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:  # some network file systems lock nothing
        log.warning("%s cannot be locked (%s); let one worker alone back up into it.", folder, error.strerror)
    return True
