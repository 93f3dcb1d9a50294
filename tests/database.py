"""A throw-away PostgreSQL on a private socket, and the fixture that runs tests on both databases."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import psycopg
import pytest

from tests.in_memory import open_to_everybody
from tests.waiting import wait_for

# Where Debian's package `postgresql` puts each version's programs.
PROGRAMS = max(
    Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda it: int(it.parts[-3]), default=None
)
INITDB = PROGRAMS or shutil.which("initdb")
LEFT_OUT = "For lack of PostgreSQL its tests ran on SQLite only (apt-get install postgresql brings them in)."
# PostgreSQL refuses to run as root; the package brings this user.
USER = "postgres" if os.geteuid() == 0 else None
# A language's order instead of that of the bytes, and a time zone that nobody expects, as at people's homes.
LOCALE = ("--locale-provider=icu", "--icu-locale=en-US", "--locale=C.UTF-8", "--encoding=UTF8")
OPTIONS = {"listen_addresses": "", "fsync": "off", "full_page_writes": "off", "timezone": "Asia/Kolkata"}

# Fifteen times quicker than a new database for each test.
EMPTY = """
DO $$
DECLARE name text;
BEGIN
  PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid();
  SET LOCAL session_replication_role = replica;
  FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'
    LOOP EXECUTE format('DELETE FROM %I', name); END LOOP;
  FOR name IN SELECT sequencename FROM pg_sequences
    LOOP PERFORM setval(format('%I', name), 1, false); END LOOP;
END $$
"""


@pytest.fixture(params=["sqlite", "postgresql"] if INITDB else ["sqlite"])
def on_both(request: pytest.FixtureRequest) -> str:
    """Overrides the fixture `database` where tests are to run on each database there is."""
    name: str = request.param
    return name


@dataclass
class Server:
    """A running PostgreSQL. `folder` holds its socket; user and trust are its own."""

    folder: Path
    numbers: Iterator[int] = field(default_factory=count)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it on the data in its folder, and wait for its answer."""
        options = [text for name, value in OPTIONS.items() for text in ("-c", f"{name}={value}")]
        data, log = str(self.folder / "data"), self.folder / "log"
        self.process = process = _start(log, "postgres", "-D", data, "-k", str(self.folder), *options)
        wait_for(lambda: process.poll() is not None or _answers(self), "PostgreSQL to answer")
        assert process.poll() is None, log.read_text()

    def stop(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """Stop it, by default at once, without writing what nobody will read."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait()

    def restart(self) -> None:
        """Stop it as an administrator does, its connections cut off, and start it again."""
        self.stop(signal.SIGINT)
        self.start()

    def url(self, name: str) -> str:
        """What HARMONY_DATABASE_URL says to use the database `name`."""
        return f"postgresql://harmony@/{name}?host={self.folder}"

    @contextmanager
    def database(self) -> Iterator[str]:
        """The URL of a new database without tables; it is dropped afterwards."""
        name = f"harmony_{next(self.numbers)}"
        self.execute(f'CREATE DATABASE "{name}"')
        yield self.url(name)
        self.execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    def execute(self, statement: str, name: str = "postgres") -> None:
        """One statement outside of any transaction."""
        with psycopg.connect(self.url(name), autocommit=True) as connection:
            connection.execute(statement.encode())

    def empty(self, name: str) -> None:
        """Remove every row and every connection of the database `name`; its tables and their step stay."""
        self.execute(EMPTY, name)


@contextmanager
def running_server() -> Iterator[Server]:
    """A PostgreSQL with data of its own, reachable through a socket in a private folder only."""
    # Not pytest's folder: a socket's path may have 107 characters, and another user must get there.
    folder = Path(tempfile.mkdtemp(prefix="harmony-pg-", dir=open_to_everybody()))
    if USER:
        shutil.chown(folder, USER, USER)
    data, log = str(folder / "data"), folder / "log"
    made = _start(log, "initdb", "-D", data, "-U", "harmony", "--auth=trust", "--no-sync", *LOCALE).wait()
    assert made == 0, log.read_text()
    server = Server(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


def _start(log: Path, program: str, *arguments: str) -> subprocess.Popen[bytes]:
    assert INITDB is not None
    with log.open("ab") as output:
        return subprocess.Popen(
            [str(Path(INITDB).with_name(program)), *arguments],
            user=USER,
            group=USER,
            extra_groups=[] if USER else None,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl+C is for the tests, which then stop it
        )


def _answers(server: Server) -> bool:
    try:
        server.execute("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True
