"""The check before a start: is the SQLite file whole, and may it be written?"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from harmony.backup.copies import NoSqliteFile, database_file, reading
from harmony.db import sqlite_module

log = logging.getLogger(__name__)

# Half a second on the machine of docs/performance.md, about two hundred thousand devices. After a clean stop
# a larger file is only examined by `flask --app app db check-file`: a start must not take minutes.
EXAMINED_UP_TO = 256 * 1024 * 1024


class DatabaseUnfit(Exception):
    """The database cannot be worked with; nothing was written. What is wrong and what to do, in sentences."""


def refuse_unfit() -> None:
    """Raise DatabaseUnfit for a damaged or read-only file. No file yet is no fault."""
    try:
        file = database_file()
    except NoSqliteFile:
        return
    locked = [str(path) for path in (file.parent, file) if path.exists() and not os.access(path, os.W_OK)]
    if locked:
        whom = "Give it back to the user that Harmony runs as, on a disk that can be written."
        raise DatabaseUnfit(f"{' and '.join(locked)} may not be written. {whom}")
    if _is_examined(file) and (damage := _damage()):
        back = "Restore a backup with `flask --app app db restore FILE`; the damaged file is kept then."
        raise DatabaseUnfit(f"{file} is damaged ({damage}). {back}")


def _is_examined(file: Path) -> bool:
    """Tell whether every page is to be read: of a small file always, of a large one after an unclean stop.

    Whoever closes the database last takes its WAL away, so that one beside it is left of somebody who died.
    """
    if not file.exists() or not (size := file.stat().st_size):
        return False
    if size <= EXAMINED_UP_TO:
        return True
    wal = file.with_name(f"{file.name}-wal")
    if not wal.exists() or not wal.stat().st_size:
        return False
    log.warning("Harmony was not stopped cleanly: all %d MiB of the database are examined.", size // 1024**2)
    return True


def _damage() -> str:
    """Return what SQLite finds wrong in a walk through every page; "" when all is well."""
    sqlite = sqlite_module()
    try:
        with reading(database_file()) as connection:
            (result,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite.OperationalError:  # busy or full: not a matter of the file
        return ""
    except sqlite.DatabaseError as error:
        return str(error)
    return "" if result == "ok" else str(result).replace("\n", ": ")
