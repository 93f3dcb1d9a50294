"""Backups by schedule: one every `HARMONY_BACKUP_HOURS`, the newest `HARMONY_BACKUPS_KEPT` are kept."""

from __future__ import annotations

import logging
import shutil
import sqlite3
import threading
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from harmony.backup import copies, postgresql, sealed_keys
from harmony.config import Settings, current_settings
from harmony.db import sqlite_module
from harmony.security.keys import SECRET_KEY_FILE, VAULT_KEYS_FILE, secret_key, vault_keys

log = logging.getLogger(__name__)

_TIME = "%Y%m%dT%H%M%SZ"
_NAME = "harmony-{}.scheduled.backup"
_DRAFT = ".part"
_KEYS = ".keys"
_FOLDER = "backups"
_ENDINGS = ("db", "dump", "keys")
# A large database takes longer than a tick, and stays due meanwhile.
_UNDER_WAY = threading.Lock()
_AGAIN_AFTER_FAILURE = timedelta(hours=1)


class _Failure:
    """The time of the last backup of this process that failed."""

    at: datetime | None = None


class NoRoom(Exception):
    """A backup would leave the disk too full. One sentence."""


def run_when_due(now: datetime) -> Path | None:
    """Make a backup if one is due, and remove those beyond the number that is kept. Return where it is."""
    if not _UNDER_WAY.acquire(blocking=False):
        return None
    try:
        return _run(now) if is_due_now(now) else None
    finally:
        _UNDER_WAY.release()


def _run(now: datetime) -> Path | None:
    settings = current_settings()
    folder = folder_of(settings)
    try:
        backup = _make(settings, folder, now)
    except (OSError, sqlite3.Error, sqlite_module().Error, postgresql.NotDumped, NoRoom) as error:
        _Failure.at = now
        log.error("The scheduled backup was not made, and is tried again in an hour: %s", error)
        return None
    _Failure.at = None
    for file in surplus(folder.iterdir(), settings.backups_kept):
        file.unlink(missing_ok=True)
    log.info("The scheduled backup is in %s.", backup)
    return backup


def is_due_now(now: datetime) -> bool:
    """Tell whether the settings ask for a backup now; for an hour after a failure they do not."""
    settings = current_settings()
    if _Failure.at is not None and timedelta() <= now - _Failure.at < _AGAIN_AFTER_FAILURE:
        return False
    return bool(settings.backup_hours) and is_due(made_at(folder_of(settings)), settings.backup_hours, now)


def is_due(made: datetime | None, every_hours: int, now: datetime) -> bool:
    """Tell whether a backup is due, `made` being the time of the newest; one from the future counts as none.

    >>> noon = datetime(2026, 1, 2, 12, tzinfo=UTC)
    >>> is_due(noon - timedelta(hours=23), 24, noon), is_due(noon - timedelta(hours=24), 24, noon)
    (False, True)
    >>> is_due(None, 24, noon), is_due(None, 0, noon), is_due(noon + timedelta(days=1), 24, noon)
    (True, False, True)
    """
    if not every_hours:
        return False
    return made is None or not timedelta() <= now - made < timedelta(hours=every_hours)


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
    files = (file for ending in ("db", "dump") for file in folder.glob(f"*.scheduled.backup.{ending}"))
    return max((time for file in files if (time := _time_of(file)) is not None), default=None)


def folder_of(settings: Settings) -> Path:
    """Return where scheduled backups are: in the data folder, unless the settings say otherwise."""
    return settings.backup_dir or settings.data_dir / _FOLDER


def _make(settings: Settings, folder: Path, now: datetime) -> Path:
    """Write the sealed keys, if there is a passphrase, then the database: its file says that all is there."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for left in folder.glob(_NAME.format("*") + _DRAFT):  # of one that died
        left.unlink(missing_ok=True)
    _refuse_without_room(settings.database_file, folder)
    stem = _NAME.format(now.astimezone(UTC).strftime(_TIME))
    if settings.backup_passphrase:
        sealed_keys.write(folder / f"{stem}.keys", _keys(settings), settings.backup_passphrase)
    try:
        return _copy(settings.database_file, folder, stem)
    except BaseException:
        (folder / f"{stem}{_KEYS}").unlink(missing_ok=True)
        raise


def _refuse_without_room(database: Path | None, folder: Path) -> None:
    """Raise NoRoom unless a copy leaves as much again free; nobody knows how large a dump will be."""
    if database is None:
        return
    size, free = database.stat().st_size, shutil.disk_usage(folder).free
    if free < 2 * size:
        mib = 1024**2
        raise NoRoom(f"{folder} has {free // mib} MiB free, and the database has {size // mib}.")


def _copy(database: Path | None, folder: Path, stem: str) -> Path:
    draft = folder / f"{stem}{_DRAFT}"
    if database is None:
        postgresql.dump(draft)
        return draft.replace(folder / f"{stem}.dump")
    copies.copy(database, draft)
    return draft.replace(folder / f"{stem}.db")


def _keys(settings: Settings) -> dict[str, str]:
    return {SECRET_KEY_FILE: secret_key(settings), VAULT_KEYS_FILE: "\n".join(vault_keys(settings))}


def _time_of(file: Path) -> datetime | None:
    stem, _, rest = file.name.partition(".")
    if rest.removeprefix("scheduled.backup.") not in _ENDINGS:
        return None
    try:
        return datetime.strptime(stem.removeprefix("harmony-"), _TIME).replace(tzinfo=UTC)
    except ValueError:
        return None
