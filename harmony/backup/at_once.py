"""A backup at once, by command or before a migration: of SQLite a copy, of PostgreSQL a dump."""

from __future__ import annotations

import errno
import os
from datetime import datetime
from pathlib import Path

from harmony.backup import copies, postgresql, sealed_keys
from harmony.backup.names import free_name
from harmony.config import SettingsError, current_settings


class KeysMissing(Exception):
    """The database is backed up, but its keys are not sealed beside it. One sentence says why."""


def back_up(now: datetime, target: Path | None = None) -> Path:
    """Write the database into the new file `target`, or beside the database; return where. Mode 0600.

    A dump without a target is in the data folder. Raises FileExistsError, OSError when `target` cannot be
    written, an error of SQLite, and NotDumped.
    """
    settings = current_settings()
    if settings.database_file is None:
        target = target or free_name(settings.data_dir, "harmony", now, "backup.dump")
        postgresql.dump(target)
    else:
        source = settings.database_file
        target = target or free_name(source.parent, source.stem, now, "backup.db")
        copies.copy(source, target)
    return target


def back_up_with_keys(now: datetime, target: Path | None = None) -> tuple[Path, Path | None]:
    """Do the same, with the sealed keys beside it if there is a passphrase. Return both files.

    Raises KeysMissing too, when the database is written, and stays, without its keys.
    """
    if target is not None and current_settings().backup_passphrase:
        _refuse_taken(target)
    backup = back_up(now, target)
    try:
        return backup, sealed_keys.write_beside(backup)
    except (OSError, SettingsError, KeyboardInterrupt) as error:
        why = str(error) or "interrupted"
        raise KeysMissing(f"The backup is in {backup}, but its sealed keys are missing ({why}).") from error


def _refuse_taken(target: Path) -> None:
    keys = sealed_keys.beside(target)
    if keys.exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(keys))
