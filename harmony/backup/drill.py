"""The restore drill: proves that a backup could be put back, without touching the database."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harmony import atomic_file
from harmony.backup import copies, postgresql, scratch, sealed_keys
from harmony.config import current_settings
from harmony.db import sqlite_module

_RECORD = "restore-check.json"
_COUNTED = ("integration", "device", "user", "policy", "audit_entry")
_TABLES = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table'",
    "postgresql": "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()",
}
_ONLY_READ = (
    "It was read, not restored: the role of HARMONY_DATABASE_URL may create no database. "
    "`ALTER ROLE … CREATEDB` lets the drill restore it into one of its own."
)


@dataclass(slots=True)
class Drill:
    """The outcome: rows by table, and what is wrong, in sentences.

    `limit` says what could not be tried, for lack of a right.
    """

    counts: dict[str, int] = field(default_factory=dict)
    revision: str | None = None
    limit: str = ""
    problems: list[str] = field(default_factory=list)


def check(file: Path, now: datetime) -> Drill:
    """Restore `file` into a temporary place and look at it; a good outcome is remembered with its time."""
    found = Drill()
    if postgresql.is_dump(file):
        _check_dump(file, found)
    else:
        _check_copy(file, found)
    _check_keys(sealed_keys.beside(file), found)
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
                found.counts = _counts(lambda sql: connection.execute(sql).fetchall(), _TABLES["sqlite"])


def _counts(rows: Callable[[str], list[Any]], tables: str) -> dict[str, int]:
    """Return the rows of each table that tells how much there is; 0 for one that a former version lacks."""
    there = {name for (name,) in rows(tables)}
    count = 'SELECT count(*) FROM "{}"'
    return {name: int(rows(count.format(name))[0][0]) if name in there else 0 for name in _COUNTED}


def _check_dump(file: Path, found: Drill) -> None:
    """Restore a dump, whose foreign keys and unique indexes PostgreSQL checks then; else read all of it."""
    try:
        with scratch.restored(file) as database:
            if database is not None:
                _look_at_restored(lambda sql: database.execute(sql.encode()).fetchall(), found)
                return
        postgresql.read_whole(file)
        found.limit = _ONLY_READ
    except postgresql.NotDumped as error:
        found.problems.append(str(error))


def _look_at_restored(rows: Callable[[str], list[Any]], found: Drill) -> None:
    if ("alembic_version",) not in rows(_TABLES["postgresql"]):
        found.problems.append("It is not a database of Harmony.")
        return
    found.revision = next((row[0] for row in rows("SELECT version_num FROM alembic_version")), None)
    found.counts = _counts(rows, _TABLES["postgresql"])


def _check_keys(file: Path, found: Drill) -> None:
    """Open the sealed keys beside the backup, if there are any, and the passphrase is known here."""
    passphrase = current_settings().backup_passphrase
    if not file.exists() or not passphrase:
        return
    try:
        sealed_keys.open_sealed(file.read_text(encoding="utf-8"), passphrase)
    except (OSError, UnicodeDecodeError, sealed_keys.KeysNotOpened):
        found.problems.append(f"HARMONY_BACKUP_PASSPHRASE does not open {file.name}.")
