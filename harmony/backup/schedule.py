"""Backups by schedule: one every `HARMONY_BACKUP_HOURS`, the newest `HARMONY_BACKUPS_KEPT` are kept."""

from __future__ import annotations

import logging
import secrets
import shutil
import sqlite3
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from harmony.backup import copies, lock, postgresql, record, sealed_keys
from harmony.config import Settings, current_settings
from harmony.db import sqlite_module

log = logging.getLogger(__name__)

_TIME = "%Y%m%dT%H%M%SZ"
_NAME = "harmony-{}.scheduled.backup"
_DRAFT = ".part"
_KEYS = ".keys"
_FOLDER = "backups"
_ENDINGS = ("db", "dump", "keys")
# As long as a dump may take.
_ABANDONED_AFTER = timedelta(hours=6)
_KEPT_WITHOUT_ROOM = 2
_AGAIN_AFTER_FAILURE = timedelta(hours=1)


class _Failure:
    """The time of the last backup of this process that failed."""

    at: datetime | None = None


class _NoRoom(Exception):
    """A backup would leave the disk too full. One sentence."""


def run_when_due(now: datetime) -> Path | None:
    """Make a backup if one is due, and remove those beyond the number that is kept. Return where it is."""
    if not is_due_now(now):
        return None
    folder = folder_of(current_settings())
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with lock.exclusive(folder) as is_ours:
            # Another process may have made it since.
            return _run(now) if is_ours and is_due_now(now) else None
    except (OSError, sqlite3.Error, sqlite_module().Error, postgresql.NotDumped, _NoRoom) as error:
        _Failure.at = now
        record.note(folder, made_at(folder), str(error))
        log.error("The scheduled backup was not made, and is tried again in an hour: %s", error)
        return None


def _run(now: datetime) -> Path:
    settings = current_settings()
    folder = folder_of(settings)
    backup = _make(settings, folder, now)
    _Failure.at = None
    _remove(surplus(folder.iterdir(), settings.backups_kept))
    record.note(folder, now)
    log.info("The scheduled backup is in %s.", backup)
    return backup


def is_due_now(now: datetime) -> bool:
    """Tell whether the settings ask for a backup now; for an hour after a failure they do not."""
    settings = current_settings()
    if _Failure.at is not None and timedelta() <= now - _Failure.at < _AGAIN_AFTER_FAILURE:
        return False
    if not settings.backup_hours or not _is_due(made_at(folder_of(settings)), settings.backup_hours, now):
        return False
    # Of machines with folders of their own, one makes it.
    return _is_due(record.made_elsewhere(folder_of(settings)), settings.backup_hours, now)


def _is_due(newest: datetime | None, every_hours: int, now: datetime) -> bool:
    """Tell whether a backup is due, `newest` being the last; one from the future counts as none.

    >>> noon = datetime(2026, 1, 2, 12, tzinfo=UTC)
    >>> _is_due(noon - timedelta(hours=23), 24, noon), _is_due(noon - timedelta(hours=24), 24, noon)
    (False, True)
    >>> _is_due(None, 24, noon), _is_due(None, 0, noon), _is_due(noon + timedelta(days=1), 24, noon)
    (True, False, True)
    """
    if not every_hours:
        return False
    return newest is None or not timedelta() <= now - newest < timedelta(hours=every_hours)


def surplus(files: Iterable[Path], kept: int) -> list[Path]:
    """Return the files of all scheduled backups but the newest `kept`; others are none of ours.

    >>> names = ["a.db"] + [f"harmony-2026010{day}T000000Z.scheduled.backup.db" for day in (3, 1, 2)]
    >>> [file.name for file in surplus(map(Path, names), 2)]
    ['harmony-20260101T000000Z.scheduled.backup.db']
    """
    times = {file: time for file in files if (time := _time_of(file)) is not None}
    # Keys alone, of a backup that failed, are none.
    whole = {time for file, time in times.items() if file.suffix != _KEYS}
    newest = sorted(whole, reverse=True)[:kept]
    return sorted(file for file, time in times.items() if time not in newest)


def made_at(folder: Path) -> datetime | None:
    """Return the time of the newest scheduled backup in a folder."""
    return max((time for file in _backups(folder) if (time := _time_of(file)) is not None), default=None)


def folder_of(settings: Settings) -> Path:
    """Return where scheduled backups are: in the data folder, unless the settings say otherwise."""
    return settings.backup_dir or settings.data_dir / _FOLDER


def _make(settings: Settings, folder: Path, now: datetime) -> Path:
    """Write the database, with the sealed keys beside it if there is a passphrase.

    The file of the database gets its name last, and says that all is there. Whoever else writes into the
    folder has drafts of other names.
    """
    _remove(_abandoned(folder, now))
    _make_room(settings.database_file, folder)
    stem = _NAME.format(now.astimezone(UTC).strftime(_TIME))
    draft = folder / f"{stem}.{secrets.token_hex(4)}{_DRAFT}"
    try:
        ending = _copy(settings.database_file, draft)
        backup = folder / f"{stem}{ending}"
        sealed_keys.write_beside(backup)
        return draft.replace(backup)
    finally:
        draft.unlink(missing_ok=True)


def _abandoned(folder: Path, now: datetime) -> list[Path]:
    """Return the drafts of backups that died: nothing was written to them for longer than a dump may take."""
    found = []
    for draft in folder.glob(f"{_NAME.format('*')}*{_DRAFT}"):
        with suppress(FileNotFoundError):
            written = datetime.fromtimestamp(draft.stat().st_mtime, UTC)
            if abs(now - written) > _ABANDONED_AFTER:
                found.append(draft)
    return found


def _make_room(database: Path | None, folder: Path) -> None:
    """Remove the oldest backups, but never the last two, until a copy leaves as much again free.

    None is removed where that would not be enough. Raises _NoRoom.
    """
    needed, kept = 2 * _expected_size(database, folder), len(_backups(folder))
    removable = sum(file.stat().st_size for file in surplus(folder.iterdir(), _KEPT_WITHOUT_ROOM))
    is_in_vain = shutil.disk_usage(folder).free + removable < needed
    while (free := shutil.disk_usage(folder).free) < needed:
        if is_in_vain or kept <= _KEPT_WITHOUT_ROOM:
            has, needs = free // 1024**2, needed // 1024**2
            raise _NoRoom(f"{folder} has {has} MiB free, and a backup needs {needs}.")
        kept -= 1
        _remove(surplus(folder.iterdir(), kept))
        log.warning("%s has too little room for another backup; the oldest one was removed.", folder)


def _expected_size(database: Path | None, folder: Path) -> int:
    """Return the size of the database, or of the newest dump; 0 before the first dump, which nobody knows."""
    if database is not None:
        return database.stat().st_size
    newest = max(folder.glob(f"{_NAME.format('*')}.dump"), default=None)
    return 0 if newest is None else newest.stat().st_size


def _backups(folder: Path) -> list[Path]:
    """Return the files of scheduled backups, without those of keys."""
    files = (file for ending in ("db", "dump") for file in folder.glob(f"{_NAME.format('*')}.{ending}"))
    return [file for file in files if _time_of(file) is not None]


def _remove(files: Iterable[Path]) -> None:
    for file in files:
        file.unlink(missing_ok=True)


def _copy(database: Path | None, draft: Path) -> str:
    """Copy the database into the new file `draft`; return how the name of a backup of its kind ends."""
    if database is None:
        postgresql.dump(draft)
        return ".dump"
    copies.copy(database, draft)
    return ".db"


def _time_of(file: Path) -> datetime | None:
    stem, _, rest = file.name.partition(".")
    if rest.removeprefix("scheduled.backup.") not in _ENDINGS:
        return None
    try:
        return datetime.strptime(stem.removeprefix("harmony-"), _TIME).replace(tzinfo=UTC)
    except ValueError:
        return None
