"""A dump of the PostgreSQL database by its own `pg_dump`, where that is installed; restored for the drill."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harmony.config import current_settings

if TYPE_CHECKING:
    from psycopg import Connection

_LONGEST_SECONDS = 6 * 3600
_SCRATCH = "harmony_drill_"
_BEGINNING = b"PGDMP"
_UNKNOWN_PARAMETER = "unrecognized configuration parameter"
# An advisory lock of this number, "Dump" in ASCII, for as long as a session lasts.
_DUMP_LOCK = int.from_bytes(b"Dump")
_SELECT_LOCK = "SELECT pg_try_advisory_lock(%s)"
_SELECT_UNLOCK = "SELECT pg_advisory_unlock(%s)"
_SELECT_MAY_CREATE = (
    "SELECT rolcreatedb OR rolsuper, pg_encoding_to_char(encoding), datcollate, datctype "
    "FROM pg_roles, pg_database WHERE rolname = current_user AND datname = current_database()"
)
# What a drill that was killed has left, and nobody is connected to.
_SELECT_LEFT_OVER = (
    "SELECT datname FROM pg_database WHERE datname ~ %s AND pg_get_userbyid(datdba) = current_user "
    "AND NOT EXISTS (SELECT 1 FROM pg_stat_activity a WHERE a.datname = pg_database.datname)"
)


class NotDumped(Exception):
    """There is no dump; one sentence says why."""


def is_dump(file: Path) -> bool:
    """Tell a dump by its name, or by how it begins. Raises OSError."""
    with file.open("rb") as opened:
        return file.suffix == ".dump" or opened.read(len(_BEGINNING)) == _BEGINNING


def dump(target: Path) -> None:
    """Write a dump for `pg_restore` into the new file `target`, mode 0600.

    Raises NotDumped, FileExistsError, and OSError when `target` cannot be written. Nothing is left of a dump
    that fails.
    """
    program = shutil.which("pg_dump")
    if program is None:
        raise NotDumped("pg_dump is not installed on this machine.")
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        _run([program, "--format=custom", "--no-password", f"--file={target}"])
    except BaseException:
        target.unlink(missing_ok=True)
        raise


@contextmanager
def dump_locked() -> Iterator[bool]:
    """Yield whether no other machine dumps this database by schedule. Raises NotDumped."""
    from psycopg import Error  # noqa: PLC0415

    connection = _connect()
    try:
        row = connection.execute(_SELECT_LOCK, (_DUMP_LOCK,)).fetchone()
        yield row is not None and bool(row[0])
    finally:
        with suppress(Error):  # the server gives the lock back too when the session ends, but later
            connection.execute(_SELECT_UNLOCK, (_DUMP_LOCK,))
        connection.close()


def read_whole(file: Path) -> None:
    """Read every byte of a dump. Raises NotDumped when it is damaged, or nothing can read it."""
    program = shutil.which("pg_restore")
    if program is None:
        raise NotDumped("pg_restore is not installed on this machine.")
    _run([program, f"--file={os.devnull}", str(file)])


@contextmanager
def restored(file: Path) -> Iterator[Connection[Any] | None]:
    """Restore a dump into a database of its own, which is dropped afterwards.

    Yield a connection to it, or None if the role of HARMONY_DATABASE_URL may create no database. Raises
    NotDumped when it cannot be restored.
    """
    program = shutil.which("pg_restore")
    if program is None:
        raise NotDumped("pg_restore is not installed on this machine.")
    with _connected() as connection:
        row = connection.execute(_SELECT_MAY_CREATE).fetchone()
        if row is None or not row[0]:
            yield None
            return
        name = _create_scratch(connection, *row[1:])
        try:
            arguments = ["--no-owner", "--no-privileges", "--no-comments", "--no-password"]
            _run([program, *arguments, f"--dbname={name}", str(file)])
            with _connected(dbname=name) as scratch:
                yield scratch
        finally:
            _drop(connection, name)


def _create_scratch(connection: Connection[Any], *locale: str) -> str:
    """Create an empty database with encoding and order of ours; leftovers of former drills are dropped."""
    from psycopg import Error, sql  # noqa: PLC0415 - only PostgreSQL needs its driver

    for (left,) in connection.execute(_SELECT_LEFT_OVER, (f"^{_SCRATCH}[0-9a-f]{{16}}$",)).fetchall():
        _drop(connection, left)
    name = f"{_SCRATCH}{secrets.token_hex(8)}"
    text = "CREATE DATABASE {} TEMPLATE template0 ENCODING {} LC_COLLATE {} LC_CTYPE {}"
    try:
        connection.execute(sql.SQL(text).format(sql.Identifier(name), *map(sql.Literal, locale)))
    except Error as error:
        raise NotDumped(f"No database could be created for the drill ({_first_line(error)}).") from None
    return name


def _drop(connection: Connection[Any], name: str) -> None:
    from psycopg import Error, sql  # noqa: PLC0415

    with suppress(Error):  # the next drill drops it
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))


@contextmanager
def _connected(dbname: str | None = None) -> Iterator[Connection[Any]]:
    with _connect(dbname) as connection:
        yield connection


def _connect(dbname: str | None = None) -> Connection[Any]:
    import psycopg  # noqa: PLC0415

    try:
        return psycopg.connect(current_settings().database_url, autocommit=True, dbname=dbname)
    except psycopg.Error as error:
        raise NotDumped(f"The database does not answer ({_first_line(error)}).") from None


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _run(command: list[str]) -> None:
    name = Path(command[0]).name
    try:
        done = subprocess.run(  # noqa: S603 - a program of the path, our own arguments
            command,
            env=os.environ | _connection(),
            capture_output=True,
            timeout=_LONGEST_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise NotDumped(f"{name} did not end within {_LONGEST_SECONDS // 3600} hours.") from None
    except OSError as error:
        raise NotDumped(f"{name} could not be run ({error.strerror}).") from None
    if reason := _failure(done.returncode, done.stderr.decode(errors="replace")):
        raise NotDumped(f"{name} failed: {reason}")


def _failure(code: int, output: str) -> str | None:
    """Return why a program failed, from its exit code and what it wrote; None if it did its work.

    A newer pg_restore sets parameters that an older server lacks, goes on, and ends with 1.

    >>> unknown = 'pg_restore: error: could not execute query: ERROR:  ' + _UNKNOWN_PARAMETER + ' "x"'
    >>> _failure(1, unknown), _failure(0, "pg_dump: warning: a word"), _failure(-9, unknown)[:17]
    (None, None, 'pg_restore: error')
    >>> _failure(1, unknown + "\\npg_restore: error: could not read from input file: end of file")
    'pg_restore: error: could not read from input file: end of file'
    >>> _failure(1, "")
    'no reason given'
    """
    if not code:
        return None
    lines = output.strip().splitlines()
    errors = [line for line in lines if ": error: " in line]
    grave = [line for line in errors if _UNKNOWN_PARAMETER not in line]
    if code == 1 and errors and not grave:
        return None
    return next(iter([*grave, *lines]), "no reason given")


def _connection() -> dict[str, str]:
    """Return the connection as libpq reads it from the environment: arguments are seen by every user."""
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415 - only PostgreSQL needs its driver

    names = {"dbname": "PGDATABASE", "sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT"}
    parts = conninfo_to_dict(current_settings().database_url)
    return {names.get(name, f"PG{name.upper()}"): str(value) for name, value in parts.items() if value}
