"""PURE: what the doctor says of what it saw. Each finding says what is, and what to do if it is not well."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

MIB = 1024 * 1024
_TOO_LITTLE_SPACE = 100 * MIB
_LITTLE_SPACE = 1024 * MIB
_WRITTEN = datetime(2026, 1, 1, tzinfo=UTC)
_CLOCKS_MAY_DIFFER = timedelta(minutes=5)


class Level(StrEnum):
    """How bad it is; one problem makes `doctor` end with 1."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's answer; `do` is empty when all is well."""

    level: Level
    says: str
    do: str = ""

    def __str__(self) -> str:
        return f"{self.level:<7}  {self.says} {self.do}".rstrip()


@dataclass(frozen=True, slots=True)
class SqliteInUse:
    """What reads and writes a file: the module, its SQLite, and the file's journal mode."""

    file: str
    module: str
    version: tuple[int, ...]
    journal: str


def sqlite(used: SqliteInUse, safe_from: tuple[int, ...]) -> Finding:
    """Whether two processes may share the file."""
    says = f"{used.file} is in the hands of SQLite {_dotted(used.version)} from {used.module}, journal mode "
    says += f"{used.journal}."
    if used.version >= safe_from:
        return Finding(Level.OK, says)
    do = f"Install pysqlite3, or a Python with SQLite {_dotted(safe_from)} or newer."
    if used.journal == "wal":
        return Finding(Level.PROBLEM, f"{says} It can corrupt a file that two processes write.", do)
    return Finding(Level.WARNING, f"{says} It is not safe with a WAL: sound, but slower.", do)


def postgresql(version: str, encoding: str) -> Finding:
    """The server, and whether every name can be stored in it."""
    says = f"The database is PostgreSQL {version}, encoding {encoding}."
    if encoding == "UTF8":
        return Finding(Level.OK, says)
    return Finding(Level.PROBLEM, says, "Create the database anew with ENCODING 'UTF8'.")


def step(current: str | None, newest: str | None, known: Collection[str]) -> Finding:
    """Where the migrations stand."""
    if current == newest:
        return Finding(Level.OK, f"The database is at migration step {current}, this version's.")
    if current is not None and current not in known:
        says = f"A newer version of Harmony wrote this database (migration step {current})."
        return Finding(Level.PROBLEM, says, "Start that version, or restore a backup.")
    says = f"The database is at migration step {current or 'none'}; this version's is {newest}."
    return Finding(Level.PROBLEM, says, "Start Harmony: it upgrades the database first.")


def modes(open_to_others: Sequence[str], writable: bool) -> Finding:
    """Whether the data folder and its files are their owner's only. Takes `chmod` lines."""
    if not writable:
        says = "This user may not write the data folder."
        return Finding(Level.PROBLEM, says, "Run this as the user that Harmony runs as.")
    if open_to_others:
        says = "Other users of this machine may read files of the data folder."
        return Finding(Level.PROBLEM, says, f"Run: {'; '.join(open_to_others)}.")
    return Finding(Level.OK, "The data folder and its files are their owner's only.")


def space(free: int, database: int) -> Finding:
    """Bytes free on the disk, against the size of the database: an upgrade copies it."""
    says = f"{free // MIB:,} MiB are free; the database has {database // MIB:,}."
    do = "Make room, or move HARMONY_DATA_DIR."
    if free < _TOO_LITTLE_SPACE:
        return Finding(Level.PROBLEM, says, do)
    if free < max(_LITTLE_SPACE, 2 * database):
        return Finding(Level.WARNING, says, do)
    return Finding(Level.OK, says)


def keys(canary_opens: bool | None) -> Finding:
    """Whether the vault's keys are those of this database; None: nothing was sealed yet."""
    if canary_opens is None:
        return Finding(Level.OK, "Nothing is sealed yet, so that every key fits.")
    if canary_opens:
        return Finding(Level.OK, "The vault's keys fit this database.")
    do = "Put the former key back into HARMONY_VAULT_KEYS or the file vault.keys."
    return Finding(Level.PROBLEM, "The vault's keys do not fit this database.", do)


def worker(seen: datetime | None, now: datetime, silent_after: timedelta) -> Finding:
    """Whether somebody syncs."""
    if seen is None:
        return Finding(Level.PROBLEM, "No worker has ever been seen.", "Start Harmony.")
    says = f"The worker was last seen at {seen:%Y-%m-%d %H:%M:%S} UTC."
    if now - seen > silent_after:
        return Finding(Level.PROBLEM, f"{says} Devices are not synced.", "Start Harmony.")
    return Finding(Level.OK, says)


def clock(now: datetime, newest: datetime | None) -> Finding:
    """Whether the machine's time can be right; `newest` is the latest time in the database."""
    says = f"The clock says {now:%Y-%m-%d %H:%M:%S} UTC."
    do = "Set the clock, and let the machine keep it (NTP)."
    if now < _WRITTEN:
        return Finding(Level.PROBLEM, f"{says} That is before this version was written.", do)
    if newest is not None and newest - now > _CLOCKS_MAY_DIFFER:
        return Finding(Level.PROBLEM, f"{says} The database has times up to {newest:%Y-%m-%d %H:%M}.", do)
    return Finding(Level.OK, says)


def overdue(names: Sequence[str], late: timedelta) -> Finding:
    """The active integrations whose time came a while ago and that nobody syncs."""
    if not names:
        return Finding(Level.OK, "No integration is overdue.")
    says = f"Overdue by more than {late.seconds // 60} minutes: {', '.join(names)}."
    return Finding(Level.WARNING, says, "Look at the worker's log; restart Harmony.")


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
