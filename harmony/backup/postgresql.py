"""A dump of the PostgreSQL database by its own `pg_dump`, where that is installed, and how it is read."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, BinaryIO

from harmony.config import current_settings

if TYPE_CHECKING:
    from psycopg import Connection

_LONGEST_SECONDS = 6 * 3600
_BEGINNING = b"PGDMP"
# A newer pg_restore sets what an older server lacks. The same in a connection is fatal.
_UNKNOWN_PARAMETER = "could not execute query: ERROR:  unrecognized configuration parameter"
_LONGEST_OUTPUT = 64 * 1024
# An advisory lock of this number, "Dump" in ASCII, for as long as a session lasts.
_DUMP_LOCK = int.from_bytes(b"Dump")
_SELECT_LOCK = "SELECT pg_try_advisory_lock(%s)"
_SELECT_UNLOCK = "SELECT pg_advisory_unlock(%s)"


class NotDumped(Exception):
    """There is no dump; one sentence says why."""


class ParameterUnknown(NotDumped):
    """The server lacks a parameter that the program sets, and nothing else is wrong."""


def is_dump(file: Path) -> bool:
    """Tell a dump by its name, or by how it begins. Raises OSError."""
    return _begins_as_dump(file) or file.suffix == ".dump"


def _begins_as_dump(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(len(_BEGINNING)) == _BEGINNING


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
        run([program, "--format=custom", "--no-password", f"--file={target}"])
        if not _begins_as_dump(target):
            raise NotDumped("pg_dump wrote no dump.")
    except BaseException:
        target.unlink(missing_ok=True)
        raise


@contextmanager
def dump_locked() -> Iterator[bool]:
    """Yield whether no other machine dumps this database by schedule. Raises NotDumped."""
    from psycopg import Error  # noqa: PLC0415

    connection = connect()
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
    run([program, f"--file={os.devnull}", str(file)])


def connect(dbname: str | None = None) -> Connection[Any]:
    """Connect to the database, or to another of its server. Raises NotDumped."""
    import psycopg  # noqa: PLC0415

    try:
        return psycopg.connect(current_settings().database_url, autocommit=True, dbname=dbname)
    except psycopg.Error as error:
        raise NotDumped(f"The database does not answer ({first_line(error)}).") from None


def first_line(error: Exception) -> str:
    """Return what an error of PostgreSQL says, without its context."""
    return str(error).strip().partition("\n")[0]


def run(command: list[str]) -> None:
    """Run a program to its end. Raises NotDumped, and ParameterUnknown where it met nothing worse."""
    name = Path(command[0]).name
    try:
        code, output = _outcome(command)
    except subprocess.TimeoutExpired:
        raise NotDumped(f"{name} did not end within {_LONGEST_SECONDS // 3600} hours.") from None
    except OSError as error:
        raise NotDumped(f"{name} could not be run ({error.strerror}).") from None
    if code:
        failure = ParameterUnknown if code == 1 and _is_of_parameters(output) else NotDumped
        raise failure(f"{name} failed: {_reason(output)}")


def _outcome(command: list[str]) -> tuple[int, str]:
    """Return the exit code of a program, and the beginning of what it wrote to its standard error.

    Raises OSError and TimeoutExpired.
    """
    with subprocess.Popen(  # noqa: S603 - a program of the path, our own arguments
        command, env=os.environ | _connection(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        kept = bytearray()
        reader = Thread(target=_keep_beginning, args=(process.stderr, kept), daemon=True)
        reader.start()
        try:
            code = process.wait(_LONGEST_SECONDS)
        except BaseException:
            process.kill()
            raise
        finally:
            reader.join()
    return code, kept.decode(errors="replace")


def _keep_beginning(stream: BinaryIO, kept: bytearray) -> None:
    """Read a stream to its end: a bad dump has an error for each of its rows."""
    while chunk := stream.read(_LONGEST_OUTPUT):
        kept += chunk[: _LONGEST_OUTPUT - len(kept)]


def _is_of_parameters(output: str) -> bool:
    """Tell whether a program met no other error than parameters that the server lacks.

    >>> unknown = f'pg_restore: error: {_UNKNOWN_PARAMETER} "x"'
    >>> _is_of_parameters(unknown), _is_of_parameters(unknown * 900), _is_of_parameters("")
    (True, False, False)
    >>> _is_of_parameters(unknown + "\\npg_restore: error: could not read from input file: end of file")
    False
    >>> _is_of_parameters('pg_dump: error: FATAL:  unrecognized configuration parameter "x"')
    False
    """
    errors = [line for line in output.splitlines() if ": error: " in line]
    is_whole = len(output) < _LONGEST_OUTPUT
    return bool(errors) and is_whole and all(_UNKNOWN_PARAMETER in line for line in errors)


def _reason(output: str) -> str:
    """Return the gravest line that a failed program wrote.

    >>> unknown = f'pg_restore: error: {_UNKNOWN_PARAMETER} "x"'
    >>> _reason(unknown + "\\npg_restore: error: could not read from input file: end of file")
    'pg_restore: error: could not read from input file: end of file'
    >>> _reason("pg_dump: warning: a word"), _reason("")
    ('pg_dump: warning: a word', 'no reason given')
    """
    lines = output.strip().splitlines()
    errors = [line for line in lines if ": error: " in line]
    grave = [line for line in errors if _UNKNOWN_PARAMETER not in line]
    return next(iter([*grave, *errors, *lines]), "no reason given")


def _connection() -> dict[str, str]:
    """Return the connection as libpq reads it from the environment: arguments are seen by every user."""
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415 - only PostgreSQL needs its driver

    names = {"dbname": "PGDATABASE", "sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT"}
    parts = conninfo_to_dict(current_settings().database_url)
    return {names.get(name, f"PG{name.upper()}"): str(value) for name, value in parts.items() if value}
