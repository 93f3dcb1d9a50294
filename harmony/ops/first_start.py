"""Tell a first start from one whose database is gone: an empty one beside keys is never taken for new.

A first start leaves a mark in the data folder until its database stands, so that one that died between the
keys and the database can be tried again.
"""

from __future__ import annotations

from pathlib import Path

from harmony.backup import schedule
from harmony.backup.copies import reading
from harmony.config import Settings, SettingsError, current_settings
from harmony.db import release
from harmony.ops.integrity_check import DatabaseUnfit
from harmony.ops.migrate import answered_revision
from harmony.security.keys import SECRET_KEY_FILE, VAULT_KEYS_FILE
from harmony.sync import rollback_detection

MARK = "first-start"
_FILES = (VAULT_KEYS_FILE, SECRET_KEY_FILE, rollback_detection.FILE)
_COPIES = ("*.backup.db", "*.backup.dump", "*.replaced.db")
_NAMED = 4


def begin(settings: Settings) -> None:
    """Leave the mark when nothing of an installation is there. Call it before the keys are made.

    Raises SettingsError when the data folder may not be written.
    """
    file = settings.database_file
    if _left_behind(settings) or (file is not None and _has_content(file)):
        return
    try:
        (settings.data_dir / MARK).touch(mode=0o600)
    except OSError as error:
        raise SettingsError(f"{settings.data_dir} cannot be written ({error.strerror}).") from None


def end() -> None:
    """Take the mark away: the database stands."""
    (current_settings().data_dir / MARK).unlink(missing_ok=True)


def _left_behind(settings: Settings) -> list[str]:
    """Return the names of the files that only an installation with a database leaves."""
    found = [name for name in _FILES if (settings.data_dir / name).exists()]
    file = settings.database_file
    folders = {settings.data_dir, file.parent if file else settings.data_dir, schedule.folder_of(settings)}
    return found + sorted(path.name for folder in folders for copy in _COPIES for path in folder.glob(copy))


def refuse_lost() -> None:
    """Look before the first connection: SQLite would drop the WAL of an empty file.

    Raises DatabaseUnfit when there is no database, and what lies in the data folder says that there was one.
    """
    settings = current_settings()
    left = _left_behind(settings)
    if not left or (settings.data_dir / MARK).exists() or not (lost := _lost(settings)):
        return
    restore = "restore a backup with `flask --app app db restore FILE`"
    if settings.database_file is None:
        restore = "check HARMONY_DATABASE_URL or restore a backup"
    names = ", ".join(left[:_NAMED]) + (f" and {len(left) - _NAMED} more" if len(left) > _NAMED else "")
    raise DatabaseUnfit(
        f"{lost}, but {settings.data_dir} holds what belongs to a database ({names}): "
        f"{restore}, or move these files away to begin a new installation."
    )


def _lost(settings: Settings) -> str:
    """Say what became of the database; "" when it is there."""
    file = settings.database_file
    if file is None:
        try:
            return "" if answered_revision() else "The PostgreSQL database is empty"
        finally:
            release()
    if not file.exists():
        return f"{file} is missing"
    if not _has_content(file):
        return f"{file} is empty"
    return "" if _is_ours(file) else f"{file} is no database of Harmony"


def _is_ours(file: Path) -> bool:
    """Look without writing: our own connections would turn the file of another program into a WAL's."""
    with reading(file) as connection:
        asked = "SELECT count(*) FROM sqlite_master WHERE name = 'alembic_version'"
        return bool(connection.execute(asked).fetchone()[0])


def _has_content(file: Path) -> bool:
    return file.exists() and file.stat().st_size > 0
