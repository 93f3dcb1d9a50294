"""A dump of the PostgreSQL database by its own `pg_dump`, where that is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from harmony.config import current_settings

_LONGEST_SECONDS = 6 * 3600


class NotDumped(Exception):
    """There is no dump; one sentence says why."""


def dump(target: Path) -> None:
    """Write a dump for `pg_restore` into the new file `target`, mode 0600. Raises NotDumped."""
    program = shutil.which("pg_dump")
    if program is None:
        raise NotDumped("pg_dump is not installed on this machine.")
    try:
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        _run([program, "--format=custom", "--no-password", f"--file={target}"])
    except OSError as error:
        raise NotDumped(f"pg_dump could not write {target} ({error.strerror}).") from None
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def read_whole(file: Path) -> None:
    """Read every byte of a dump. Raises NotDumped when it is damaged, or nothing can read it."""
    program = shutil.which("pg_restore")
    if program is None:
        raise NotDumped("pg_restore is not installed on this machine.")
    _run([program, f"--file={os.devnull}", str(file)])


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
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        raise NotDumped(f"{name} failed: {lines[0]}")


def _connection() -> dict[str, str]:
    """Return the connection as libpq reads it from the environment: arguments are seen by every user."""
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415 - only PostgreSQL needs its driver

    names = {"dbname": "PGDATABASE", "sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT"}
    parts = conninfo_to_dict(current_settings().database_url)
    return {names.get(name, f"PG{name.upper()}"): str(value) for name, value in parts.items() if value}
