"""A child of the supervisor: it makes the application, works, and ends when the supervisor does."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import stat
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from flask import Flask

from harmony import create_app, logs
from harmony.config import Settings, SettingsError
from harmony.db import db, sqlite_module
from harmony.jobs.queue import queue_of

log = logging.getLogger(__name__)

_MOVE_WITHIN_SECONDS = 1.0


def run_child(name: str, work: Callable[[Flask], None]) -> int:
    """Read the settings and do the work of a child of this name. Return its exit code."""
    with contextlib.suppress(OSError):  # what `ps -e` and `top` show, on Linux
        Path("/proc/self/comm").write_text(name, encoding="ascii")
    try:
        settings = Settings.from_environment(os.environ)
        logs.configure(settings.log_level, settings.log_format)
        leave_with_parent()
        app = create_app(settings)
    except SettingsError as error:
        sys.stderr.write(f"Harmony does not start: {error}\n")
        return 2
    work(app)
    disconnect(app)
    return 0


def disconnect(app: Flask) -> None:
    """Close every connection that nobody uses, so that the WAL of SQLite is moved and no fork finds any."""
    with app.app_context():
        db.session.remove()
        db.engine.dispose()
    queue_of(app).storage.close()


def close_database(settings: Settings) -> None:
    """Leave SQLite's database in its one file, once no other process of ours has it open.

    Whoever closes it last moves the WAL into the file; of two processes that end at once each may leave that
    to the other [2 of 200], and one that is killed closes nothing. A stop waits for nobody else's lock, and
    makes no new file in the place of one that is gone.
    """
    file, sqlite = settings.database_file, sqlite_module()
    if file is None:
        return
    address = f"file:{quote(os.fsencode(file))}?mode=rw"
    try:
        with closing(sqlite.connect(address, uri=True, timeout=_MOVE_WITHIN_SECONDS)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite.Error as error:  # a full disk or a lost folder is no failed stop: the next start moves it
        log.warning("The WAL could not be moved into the database file: %s", error)


def leave_with_parent() -> None:
    """Send this process SIGTERM when its standard input, if it is a pipe, reaches its end.

    The kernel closes the pipe however the supervisor dies, kill -9 included; there is nothing to poll.
    """
    if stat.S_ISFIFO(os.fstat(0).st_mode):
        threading.Thread(target=_wait_for_end, daemon=True, name="parent-watch").start()


def _wait_for_end() -> None:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
