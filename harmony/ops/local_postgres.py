"""`make run-postgres`: a PostgreSQL of this machine's own programs on a private socket, and Harmony on it.

For evaluation. Everything lies in `postgres/` of the data folder, or in a folder of /var/tmp where Harmony
runs as root, which PostgreSQL refuses.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from harmony import create_app
from harmony.clock import monotonic
from harmony.config import Settings, SettingsError
from harmony.ops.standard_output import say
from harmony.ops.start import main as start

# Where Debian's package `postgresql` puts each version's programs.
_DEBIAN = Path("/usr/lib/postgresql")
_USER, _NAME = "harmony", "harmony"
_LONGEST_SOCKET = 90
_START_SECONDS, _STOP_SECONDS = 30.0, 30.0
_OPTIONS = {"listen_addresses": "", "unix_socket_permissions": "0700"}
_MISSING = "PostgreSQL's programs are not installed: apt-get install postgresql."


class _NotStarted(Exception):
    """The server does not run; one sentence says why."""


def main() -> int:
    """Run the server and Harmony on it until Harmony is told to stop. Return the exit code."""
    argparse.ArgumentParser(prog="make run-postgres", description=__doc__).parse_args()
    try:
        given = Settings.from_environment(os.environ)
        with running(_folder(given.data_dir / "postgres")) as url:
            os.environ |= {
                "HARMONY_DATABASE_URL": url,
                "HARMONY_DATA_DIR": str(given.data_dir / "postgres-keys"),
            }
            return start(create_app(Settings.from_environment(os.environ)))
    except (_NotStarted, SettingsError) as error:
        sys.stderr.write(f"Harmony does not start: {error}\n")
        return 2


@contextlib.contextmanager
def running(folder: Path) -> Iterator[str]:
    """Make the server's files where there are none, start it, and stop it at the end. Yield its URL."""
    data, sockets = folder / "data", _sockets(folder)
    if not (data / "PG_VERSION").exists():
        say("data", f"Making a PostgreSQL in {folder}")
        _run("initdb", "-D", str(data), "-U", _USER, "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8")
    options = [text for name, value in _OPTIONS.items() for text in ("-c", f"{name}={value}")]
    with (folder / "log").open("ab") as log:
        process = _popen(log, "postgres", "-D", str(data), "-k", str(sockets), *options)
    try:
        _await(process, sockets, folder / "log")
        yield f"postgresql://{_USER}@/{_NAME}?host={sockets}"
    finally:
        process.send_signal(signal.SIGINT)  # its clients are cut off; nothing that was committed is lost
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)
        if sockets != folder:
            shutil.rmtree(sockets, ignore_errors=True)


def _folder(wanted: Path) -> Path:
    folder = wanted
    if os.geteuid() == 0:
        # A short name, so that the socket fits: the user of PostgreSQL may not enter a folder of root.
        name = hashlib.sha256(os.fsencode(wanted.absolute())).hexdigest()[:12]
        folder = Path("/var/tmp") / f"harmony-postgres-{name}"  # noqa: S108 - its own user's only
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.geteuid() == 0:
            shutil.chown(folder, _owner(), _owner())
    except OSError as error:
        raise _NotStarted(f"{folder} cannot be created ({error.strerror}).") from None
    return folder


def _sockets(folder: Path) -> Path:
    """Return the folder for the socket, whose whole path may have 107 characters."""
    if len(str(folder)) <= _LONGEST_SOCKET:
        return folder
    sockets = Path(tempfile.mkdtemp(prefix="harmony-postgres-"))
    if os.geteuid() == 0:
        shutil.chown(sockets, _owner(), _owner())
    return sockets


def _owner() -> str:
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        raise _NotStarted(_MISSING) from None


def _program(name: str) -> str:
    newest = max(_DEBIAN.glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]), default=None)
    found = str(newest) if newest else shutil.which(name)
    if found is None:
        raise _NotStarted(_MISSING)
    return found


def _popen(output: IO[bytes], name: str, *arguments: str) -> subprocess.Popen[bytes]:
    user = _owner() if os.geteuid() == 0 else None
    return subprocess.Popen(  # noqa: S603 - a program of the system, our own arguments
        [_program(name), *arguments], user=user, group=user, extra_groups=[] if user else None, cwd="/",
        stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
        # Ctrl+C reaches Harmony alone, which stops first.
        start_new_session=True,
    )  # fmt: skip


def _run(name: str, *arguments: str) -> None:
    with tempfile.TemporaryFile() as output:
        if _popen(output, name, *arguments).wait():
            output.seek(0)
            lines = output.read().decode(errors="replace").strip().splitlines() or ["no reason given"]
            raise _NotStarted(f"{name} failed: {lines[-1]}")


def _await(process: subprocess.Popen[bytes], sockets: Path, log: Path) -> None:
    """Wait until the server answers, and make the database."""
    until = monotonic() + _START_SECONDS
    while not _has_database(sockets):
        if process.poll() is not None or monotonic() > until:
            raise _NotStarted(f"PostgreSQL does not start; {log} says why.")
        time.sleep(0.1)


def _has_database(sockets: Path) -> bool:
    import psycopg  # noqa: PLC0415 - only PostgreSQL needs its driver

    try:
        with psycopg.connect(f"postgresql://{_USER}@/postgres?host={sockets}", autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (_NAME,)).fetchone():
                connection.execute(f"CREATE DATABASE {_NAME}".encode())
    except psycopg.OperationalError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
