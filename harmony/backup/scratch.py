"""A PostgreSQL dump restored into a database of its own, for the drill, which is dropped afterwards."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harmony.backup.postgresql import NotDumped, ParameterUnknown, connect, first_line, run

if TYPE_CHECKING:
    from psycopg import Connection

_SCRATCH = "harmony_drill_"
_SELECT_MAY_CREATE = (
    "SELECT rolcreatedb OR rolsuper, pg_encoding_to_char(encoding), datcollate, datctype "
    "FROM pg_roles, pg_database WHERE rolname = current_user AND datname = current_database()"
)
# What a drill that was killed has left, and nobody is connected to.
_SELECT_LEFT_OVER = (
    "SELECT datname FROM pg_database WHERE datname ~ %s AND pg_get_userbyid(datdba) = current_user "
    "AND NOT EXISTS (SELECT 1 FROM pg_stat_activity a WHERE a.datname = pg_database.datname)"
)


@contextmanager
def restored(file: Path) -> Iterator[Connection[Any] | None]:
    """Restore a dump into a database of its own, which is dropped afterwards.

    Yield a connection to it, or None if the role of HARMONY_DATABASE_URL may create no database. Raises
    NotDumped when it cannot be restored.
    """
    program = shutil.which("pg_restore")
    if program is None:
        raise NotDumped("pg_restore is not installed on this machine.")
    with connect() as connection:
        row = connection.execute(_SELECT_MAY_CREATE).fetchone()
        if row is None or not row[0]:
            yield None
            return
        name = _create_scratch(connection, *row[1:])
        try:
            _restore(program, file, name)
            with connect(name) as database:
                yield database
        finally:
            _drop(connection, name)


def _restore(program: str, file: Path, database: str) -> None:
    """Restore a dump up to its first error; to its end only where that was a parameter unknown to the server.

    Nothing is in the database by then: parameters are set before all else.
    """
    arguments = ["--no-owner", "--no-privileges", "--no-comments", "--no-password", f"--dbname={database}"]
    try:
        run([program, "--exit-on-error", *arguments, str(file)])
    except ParameterUnknown:
        with suppress(ParameterUnknown):
            run([program, *arguments, str(file)])


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
        raise NotDumped(f"No database could be created for the drill ({first_line(error)}).") from None
    return name


def _drop(connection: Connection[Any], name: str) -> None:
    from psycopg import Error, sql  # noqa: PLC0415

    with suppress(Error):  # the next drill drops it
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))
