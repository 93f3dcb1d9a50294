"""PURE: the diagnoses of `flask doctor`: a sentence each, with advice when something is wrong."""

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
    """The severity; one problem makes `doctor` end with 1."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One line of the doctor's answer; `advice` is empty when all is well."""

    level: Level
    sentence: str
    advice: str = ""

    def __str__(self) -> str:
        return f"{self.level:<7}  {self.sentence} {self.advice}".rstrip()


@dataclass(frozen=True, slots=True)
class SqliteInUse:
    """The SQLite that reads and writes a file: Python module, version, and the file's journal mode."""

    file: str
    module: str
    version: tuple[int, ...]
    journal: str


def sqlite(used: SqliteInUse, safe_from: tuple[int, ...]) -> Diagnosis:
    """Judge whether two processes may share the file."""
    library = f"SQLite {_dotted(used.version)} from {used.module}"
    sentence = f"{used.file} is in the hands of {library}, journal mode {used.journal}."
    if used.version >= safe_from:
        return Diagnosis(Level.OK, sentence)
    advice = f"Install pysqlite3, or a Python with SQLite {_dotted(safe_from)} or newer."
    if used.journal == "wal":
        return Diagnosis(Level.PROBLEM, f"{sentence} It can corrupt a file that two processes write.", advice)
    return Diagnosis(Level.WARNING, f"{sentence} It is not safe with a WAL: sound, but slower.", advice)


def postgresql(version: str, encoding: str) -> Diagnosis:
    """Judge whether the server can store every name."""
    sentence = f"The database is PostgreSQL {version}, encoding {encoding}."
    if encoding == "UTF8":
        return Diagnosis(Level.OK, sentence)
    return Diagnosis(Level.PROBLEM, sentence, "Create the database anew with ENCODING 'UTF8'.")


def search(has_index: bool, on_sqlite: bool) -> Diagnosis:
    """Judge whether a search for devices is looked up or reads all of them."""
    if has_index:
        return Diagnosis(Level.OK, "Devices are searched through a trigram index.")
    sentence = "Devices are searched without a trigram index: correct, but slow with many devices."
    if on_sqlite:
        advice = "Install pysqlite3, or a Python with SQLite 3.43 or newer, and start Harmony again."
    else:
        advice = "Let a superuser run CREATE EXTENSION pg_trgm in this database, and start Harmony again."
    return Diagnosis(Level.WARNING, sentence, advice)


def step(current: str | None, newest: str | None, known: Collection[str]) -> Diagnosis:
    """Compare the database's migration step with this version's."""
    if current == newest:
        return Diagnosis(Level.OK, f"The database is at migration step {current}, this version's.")
    if current is not None and current not in known:
        sentence = f"A newer version of Harmony wrote this database (migration step {current})."
        return Diagnosis(Level.PROBLEM, sentence, "Start that version, or restore a backup.")
    sentence = f"The database is at migration step {current or 'none'}; this version's is {newest}."
    return Diagnosis(Level.PROBLEM, sentence, "Start Harmony: it upgrades the database first.")


def modes(open_to_others: Sequence[str], writable: bool) -> Diagnosis:
    """Judge whether only their owner may read the data folder and its files. Takes `chmod` lines."""
    if not writable:
        sentence = "This user may not write the data folder."
        return Diagnosis(Level.PROBLEM, sentence, "Run this as the user that Harmony runs as.")
    if open_to_others:
        sentence = "Other users of this machine may read files of the data folder."
        return Diagnosis(Level.PROBLEM, sentence, f"Run: {'; '.join(open_to_others)}.")
    return Diagnosis(Level.OK, "The data folder and its files are their owner's only.")


def space(free: int, database: int) -> Diagnosis:
    """Compare the free bytes of the disk with the size of the database: an upgrade copies it."""
    sentence = f"{free // MIB:,} MiB are free; the database has {database // MIB:,}."
    advice = "Make room, or move HARMONY_DATA_DIR."
    if free < _TOO_LITTLE_SPACE:
        return Diagnosis(Level.PROBLEM, sentence, advice)
    if free < max(_LITTLE_SPACE, 2 * database):
        return Diagnosis(Level.WARNING, sentence, advice)
    return Diagnosis(Level.OK, sentence)


def keys(canary_opens: bool | None) -> Diagnosis:
    """Judge whether the vault's keys are those of this database; None: nothing was sealed yet."""
    if canary_opens is None:
        return Diagnosis(Level.OK, "Nothing is sealed yet, so that every key fits.")
    if canary_opens:
        return Diagnosis(Level.OK, "The vault's keys fit this database.")
    advice = "Put the former key back into HARMONY_VAULT_KEYS or the file vault.keys."
    return Diagnosis(Level.PROBLEM, "The vault's keys do not fit this database.", advice)


def audit_trail(entries: int, problem: str) -> Diagnosis:
    """Judge whether every audit entry is as it was written, and none is missing."""
    if problem:
        advice = "Compare with a backup, and with whoever may write this database."
        return Diagnosis(Level.PROBLEM, f"The audit trail does not verify: {problem}", advice)
    return Diagnosis(Level.OK, f"The audit trail verifies: {entries:,} entries.")


def backup(newest: datetime | None, every_hours: int, now: datetime) -> Diagnosis:
    """Judge whether the newest scheduled backup is young enough."""
    if not every_hours:
        return Diagnosis(Level.OK, "Backups are not made by schedule (HARMONY_BACKUP_HOURS).")
    if newest is None:
        return Diagnosis(Level.WARNING, "No scheduled backup was made yet.", "Look at the worker's log.")
    sentence = f"The newest scheduled backup is of {newest:%Y-%m-%d %H:%M} UTC."
    if now - newest > 2 * timedelta(hours=every_hours):
        return Diagnosis(Level.WARNING, sentence, "Look at the worker's log.")
    return Diagnosis(Level.OK, sentence)


def worker(seen: datetime | None, now: datetime, silent_after: timedelta) -> Diagnosis:
    """Judge whether a worker is alive."""
    if seen is None:
        return Diagnosis(Level.PROBLEM, "No worker has ever been seen.", "Start Harmony.")
    sentence = f"The worker was last seen at {seen:%Y-%m-%d %H:%M:%S} UTC."
    if now - seen > silent_after:
        return Diagnosis(Level.PROBLEM, f"{sentence} Devices are not synced.", "Start Harmony.")
    return Diagnosis(Level.OK, sentence)


def clock(now: datetime, newest: datetime | None) -> Diagnosis:
    """Judge whether the machine's time can be right; `newest` is the latest time in the database."""
    sentence = f"The clock says {now:%Y-%m-%d %H:%M:%S} UTC."
    advice = "Set the clock, and let the machine keep it (NTP)."
    if now < _WRITTEN:
        return Diagnosis(Level.PROBLEM, f"{sentence} That is before this version was written.", advice)
    if newest is not None and newest - now > _CLOCKS_MAY_DIFFER:
        sentence += f" The database has times up to {newest:%Y-%m-%d %H:%M}."
        return Diagnosis(Level.PROBLEM, sentence, advice)
    return Diagnosis(Level.OK, sentence)


def overdue(names: Sequence[str], late: timedelta) -> Diagnosis:
    """Report the active integrations that should have been synced a while ago."""
    if not names:
        return Diagnosis(Level.OK, "No integration is overdue.")
    sentence = f"Overdue by more than {late.seconds // 60} minutes: {', '.join(names)}."
    return Diagnosis(Level.WARNING, sentence, "Look at the worker's log; restart Harmony.")


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
