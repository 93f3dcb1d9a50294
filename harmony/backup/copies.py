"""Copies of the SQLite database: made whole while it is in use, for their owner only, and examined."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from harmony.config import current_settings
from harmony.db import sqlite_module


class NoSqliteFile(Exception):
    """The database is PostgreSQL, which has programs of its own for this. Sentences."""

    def __init__(self) -> None:
        super().__init__(
            "The database is PostgreSQL: restore a dump with pg_restore, and run "
            "`flask --app app db mark-restored` afterwards. `restore --check` tries a dump."
        )


@dataclass(slots=True)
class _Examined:
    """The state of a file: the migration step it is at, and its problems, in sentences."""

    revision: str | None = None
    problems: list[str] = field(default_factory=list)


def database_file() -> Path:
    """Return the file of the database. Raises NoSqliteFile."""
    settings = current_settings()
    if settings.database_file is None:
        raise NoSqliteFile
    return settings.database_file


def copy(source: Path, target: Path) -> None:
    """Copy `source` by SQLite's own backup into a new file, mode 0600; nothing is left of a failed copy."""
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        with reading(source) as origin, closing(sqlite_module().connect(target)) as copied:
            origin.backup(copied)
            # Without a WAL it is one file, which can be moved and kept where nobody may write.
            copied.execute("PRAGMA journal_mode=DELETE").close()
    except BaseException:
        target.unlink()
        raise


def examine(file: Path) -> _Examined:
    """Read every page of the SQLite database in `file` and say what is wrong with it."""
    found = _Examined()
    try:
        with reading(file) as connection:
            _look_at(connection, found)
    except sqlite_module().DatabaseError as error:
        found.problems.append(f"It cannot be read as a database ({error}).")
    return found


def _look_at(connection: Any, found: _Examined) -> None:
    damage = [text for (text,) in connection.execute("PRAGMA integrity_check(10)")]
    if damage != ["ok"]:
        found.problems += [f"It is damaged: {text}." for text in damage]
    if connection.execute("PRAGMA foreign_key_check").fetchone():
        found.problems.append("It has rows whose owner is gone.")
    with contextlib.suppress(sqlite_module().OperationalError):  # no such table
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        found.revision = row[0] if row else None
    if found.revision is None:
        found.problems.append("It is not a database of Harmony.")


@contextmanager
def reading(file: Path) -> Iterator[Any]:
    """Open a connection that cannot change `file`."""
    # Where nobody can write, nobody does, and SQLite could not make the files that a WAL needs.
    fixed = "" if os.access(file.resolve().parent, os.W_OK) else "&immutable=1"
    address = f"file:{quote(os.fsencode(file))}?mode=ro{fixed}"
    with closing(sqlite_module().connect(address, uri=True)) as connection:
        yield connection
