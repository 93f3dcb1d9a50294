"""`python app.py`: prepares the database, prints the set-up code, supervises dashboard and worker, or one."""

from __future__ import annotations

import argparse
import socket
import sys
from collections.abc import Sequence

from flask import Flask
from sqlalchemy.exc import DBAPIError

from harmony import logs
from harmony.clock import now
from harmony.config import Settings, current_settings
from harmony.jobs import caution
from harmony.jobs.outcome import database_says
from harmony.jobs.runner import trouble
from harmony.ops import first_start, restore, web_server
from harmony.ops.folder_lock import FolderTaken, locked
from harmony.ops.integrity_check import DatabaseUnfit, refuse_unfit
from harmony.ops.migrate import DatabaseSilent, DatabaseTooNew, migrate
from harmony.ops.shared_keys import KeysDiffer, refuse_other_keys
from harmony.ops.standard_output import say
from harmony.ops.supervisor import Child, supervise
from harmony.security import setup_code
from harmony.setup import secrets
from harmony.worker import process
from harmony.worker.child_process import close_database, disconnect

WEB, WORKER = "web", "worker"
_REFUSALS = (DatabaseSilent, DatabaseTooNew, DatabaseUnfit, FolderTaken, KeysDiffer)


def main(app: Flask, arguments: Sequence[str] = ()) -> int:
    """Run Harmony until it is told to stop. Returns the exit code."""
    settings, parts = current_settings(app), _parts(arguments)
    logs.configure(settings.log_level, settings.log_format)
    warn_of_ignored(settings)
    try:
        _refuse_part_on_sqlite(settings, parts)
        with locked(settings.data_dir, shared=len(parts) == 1):
            if WEB in parts:
                refuse_taken_port(*settings.bind)
            prepare(app, parts)
            disconnect(app)
            code = supervise([_CHILDREN[part]() for part in parts])
            close_database(settings)
            return code
    except (*_REFUSALS, _PartOnSqlite, PortTaken) as error:
        sys.stderr.write(f"Harmony does not start: {error}\n")
        return 2


def _parts(arguments: Sequence[str]) -> list[str]:
    """Return which processes are to run here: both, unless only one is asked for."""
    parser = argparse.ArgumentParser(prog="app.py", description="Starts the dashboard and its worker.")
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--web", action="store_const", const=[WEB], dest="parts", help="only a dashboard")
    only.add_argument("--worker", action="store_const", const=[WORKER], dest="parts", help="only a worker")
    return parser.parse_args(arguments).parts or list(_CHILDREN)


class _PartOnSqlite(Exception):
    """Dashboard and worker cannot run apart from each other on a file."""


def _refuse_part_on_sqlite(settings: Settings, parts: Sequence[str]) -> None:
    """Raise _PartOnSqlite when only a part is to run and the database is no server."""
    if len(parts) > 1:
        return
    if settings.database_file is not None:
        raise _PartOnSqlite(f"--{parts[0]} needs PostgreSQL; set HARMONY_DATABASE_URL (docs/scaling.md).")
    if not settings.has_shared_queue:
        raise _PartOnSqlite(f"--{parts[0]} needs the queue in PostgreSQL; unset HARMONY_QUEUE_URL.")


class PortTaken(Exception):
    """Somebody else listens where the dashboard should."""


def refuse_taken_port(host: str, port: int) -> None:
    """Raises PortTaken when the address cannot be listened on, before anything is started."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except (OSError, UnicodeError) as error:  # the latter: no name that DNS could know
        why = getattr(error, "strerror", None) or "no such name"
        raise PortTaken(
            f"{listed_address(host, port)} cannot be listened on ({why}); set HARMONY_BIND."
        ) from None


def listed_address(host: str, port: int) -> str:
    """Return `host:port` as it stands in a URL, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def warn_of_ignored(settings: Settings) -> None:
    """Say which variables look like settings and are not, in one line."""
    if names := settings.ignored:
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        say(
            "main",
            f"Ignored {names[0]}{more}: Kubernetes sets that for a service, it is no setting of Harmony.",
        )


def prepare(app: Flask, parts: Sequence[str] = (WEB, WORKER)) -> None:
    """Migrate, and print a set-up code as long as nobody can sign in.

    Raises DatabaseTooNew, DatabaseSilent, DatabaseUnfit or KeysDiffer.
    """
    with app.app_context():
        refuse_unfit()
        first_start.refuse_lost()
        try:
            migrate(now())
            restore.resume(now())
            refuse_other_keys(now(), apart=len(parts) == 1)
            # A dashboard alone remembers nothing of the integrations that workers run.
            is_copy = WORKER in parts and restore.notice_copy(now())
            first_start.end()
            code = setup_code.issue(now()) if WEB in parts else None
            stopped = secrets.check()
        except DBAPIError as error:
            raise _unfit(error) from None
    if is_copy:
        say("main", f"{caution.SENTENCE} An administrator confirms it in the dashboard.")
    for name in stopped:
        say("main", f"{name} is stopped: the configured key does not open its stored credentials.")
    if code:
        say("main", f"Nobody can sign in yet. Open the dashboard and enter this set-up code: {code}")


def _unfit(error: DBAPIError) -> DatabaseUnfit:
    sentence, advice = database_says(trouble(error)) or (f"The database fails ({error.orig}).", "")
    return DatabaseUnfit(f"{sentence} {advice}".rstrip())


def web() -> Child:
    """Return the dashboard on the configured address."""
    return Child("web ", web_server.main)


def worker() -> Child:
    """Return the worker: Huey's consumer."""
    return Child("job ", process.main)


_CHILDREN = {WEB: web, WORKER: worker}
