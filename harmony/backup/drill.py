"""The restore drill: proves that a backup could be put back, without touching the database."""

from __future__ import annotations

import json
import tempfile
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harmony import atomic_file
from harmony.backup import copies, postgresql, sealed_keys
from harmony.config import current_settings
from harmony.db import sqlite_module

_RECORD = "restore-check.json"
_COUNTED = ("integration", "device", "user", "policy", "audit_entry")


@dataclass(slots=True)
class Drill:
    """The outcome: rows by table (of SQLite only), and what is wrong, in sentences."""

    counts: dict[str, int] = field(default_factory=dict)
    revision: str | None = None
    problems: list[str] = field(default_factory=list)


def check(file: Path, now: datetime) -> Drill:
    """Restore `file` into a temporary place and look at it; a good outcome is remembered with its time."""
    found = Drill()
    if file.suffix == ".dump":
        _check_dump(file, found)
    else:
        _check_copy(file, found)
    _check_keys(file.with_suffix(".keys"), found)
    if not found.problems:
        text = json.dumps({"at": now.isoformat(), "file": file.name})
        atomic_file.replace(current_settings().data_dir / _RECORD, text + "\n")
    return found


def checked_at() -> datetime | None:
    """Return when a backup last passed."""
    try:
        stored = json.loads((current_settings().data_dir / _RECORD).read_text(encoding="utf-8"))
        return datetime.fromisoformat(stored["at"]).astimezone(UTC)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _check_copy(file: Path, found: Drill) -> None:
    with tempfile.TemporaryDirectory(prefix="harmony-drill-") as folder:
        restored = Path(folder) / "harmony.db"
        try:
            copies.copy(file, restored)
        except (OSError, sqlite_module().Error) as error:
            found.problems.append(f"It cannot be restored ({error}).")
            return
        examined = copies.examine(restored)
        found.revision, found.problems = examined.revision, examined.problems
        if not found.problems:
            with closing(sqlite_module().connect(restored)) as connection:
                found.counts = {name: _count(connection, name) for name in _COUNTED}


def _count(connection: Any, table: str) -> int:
    there = connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    return int(connection.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0]) if there else 0  # noqa: S608 - ours


def _check_dump(file: Path, found: Drill) -> None:
    try:
        postgresql.read_whole(file)
    except postgresql.NotDumped as error:
        found.problems.append(str(error))


def _check_keys(file: Path, found: Drill) -> None:
    """Open the sealed keys beside the backup, if there are any, and the passphrase is known here."""
    passphrase = current_settings().backup_passphrase
    if not file.exists() or not passphrase:
        return
    try:
        sealed_keys.open_sealed(file.read_text(encoding="utf-8"), passphrase)
    except (OSError, UnicodeDecodeError, sealed_keys.KeysNotOpened):
        found.problems.append(f"HARMONY_BACKUP_PASSPHRASE does not open {file.name}.")
