"""The queue: Huey, on PostgreSQL in the database, else on a SQLite file of its own.

It may lose a task at any time; the tick finds the work.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any

import huey.storage
from flask import Flask, current_app
from huey import Huey, SqliteHuey
from huey.serializer import SignedSerializer

from harmony.config import Settings, SettingsError
from harmony.db import journal_mode, sqlite_module
from harmony.jobs.shared_queue import shared_queue

log = logging.getLogger(__name__)

# Huey opens its file with the standard library's SQLite; give it the one that is safe (decision 0002).
huey.storage.sqlite3 = sqlite_module()

_EXTENSION = "harmony.queue"
TASKS = "harmony.tasks"
STOPPING = "harmony.stopping"

# The names of the tasks that web and worker enqueue, besides the kinds of jobs (`jobs/kinds.py`).
TICK = "tick"
REMOVE = "remove"
RATE = "rate"
EXCEPTIONS = "app-exceptions"
NOTICES = "notices"
BACKUP = "backup"
DESTINATIONS = "destinations"


def open_queue(app: Flask, settings: Settings) -> Huey:
    """The queue of this application. Messages are signed: whoever could forge one would run code.

    Raises SettingsError when its file cannot be used; one that is damaged is begun anew.
    """
    options = {
        "results": False,
        "serializer": SignedSerializer(secret=app.config["SECRET_KEY"], salt="harmony.queue"),
    }
    make = shared_queue if settings.has_shared_queue else _file_queue
    queue = make(settings, options)
    app.extensions[_EXTENSION] = queue
    app.extensions[TASKS] = {}
    app.extensions[STOPPING] = Event()
    return queue


def _file_queue(settings: Settings, options: dict[str, Any]) -> SqliteHuey:
    try:
        _drop_damaged(settings.queue_file)
        return SqliteHuey(
            name="harmony",
            filename=str(settings.queue_file),
            timeout=30,
            journal_mode=journal_mode(),
            strict_fifo=True,
            **options,
        )
    except (sqlite_module().Error, OSError) as error:
        raise SettingsError(f"{settings.queue_file} cannot be used as a queue ({error}).") from None


def _drop_damaged(file: Path) -> None:
    """Remove a file that is no sound database: what waits in it may be lost, a start that fails may not."""
    sqlite = sqlite_module()
    if not file.is_file():
        return
    try:
        with closing(sqlite.connect(file, timeout=30)) as connection:
            (said,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite.OperationalError:  # busy or full: not a matter of the file
        return
    except sqlite.DatabaseError as error:
        said = str(error)
    if said != "ok":
        log.warning("%s was damaged (%s) and is begun anew.", file, said)
        for path in (file, Path(f"{file}-wal"), Path(f"{file}-shm")):
            path.unlink(missing_ok=True)


def queue_of(app: Flask) -> Huey:
    """The queue that `open_queue` made."""
    return app.extensions[_EXTENSION]


def stopping() -> Event:
    """Set once this process has been told to stop; long work looks at it between two pages."""
    event: Event = current_app.extensions[STOPPING]
    return event


def enqueue(task: str, *ids: int) -> None:
    """Wake the worker for `task`. Call it after the commit; a lost one only waits for the next tick."""
    tasks: dict[str, Callable[..., Any]] = current_app.extensions[TASKS]
    try:
        tasks[task](*ids)
    except Exception:  # the queue may be locked, full or away, and no page may fail for that
        log.warning(
            "The worker could not be woken for %s; the next tick will see to it.", task, exc_info=True
        )


def enqueue_later(task: str, after: timedelta, *ids: int) -> None:
    """Wake the worker for `task` once that time has passed; else as `enqueue`."""
    tasks: dict[str, Callable[..., Any]] = current_app.extensions[TASKS]
    try:
        tasks[task].schedule(args=ids, delay=after.total_seconds())  # type: ignore[attr-defined]
    except Exception:  # as above: the next tick sees to it
        log.warning("The worker could not be woken later for %s.", task, exc_info=True)
