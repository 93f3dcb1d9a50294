"""The processes: who this one is, its heartbeats, and the web and worker processes of every node."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from harmony.config import current_settings
from harmony.config.version import VERSION
from harmony.db import db, table_of, upsert, write
from harmony.models import WebProcess, Worker

WORKER_SILENT_AFTER = timedelta(seconds=60)
_FORGET_AFTER = timedelta(days=1)
# After that, a process that died is no news any more.
_TOLD_FOR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Process:
    """A web or worker process. `ticked_at`: when a worker last looked for what is due."""

    role: str
    identity: str
    node: str
    version: str
    started_at: datetime
    seen_at: datetime
    stopped_at: datetime | None
    ticked_at: datetime | None = None

    def is_alive(self, now: datetime) -> bool:
        """Tell whether it sent a heartbeat within the last minute and was not told to stop."""
        return self.stopped_at is None and abs(now - self.seen_at) < WORKER_SILENT_AFTER

    def state(self, now: datetime) -> str:
        """Return "running", "stopped" or "silent"."""
        if self.is_alive(now):
            return "running"
        return "silent" if self.stopped_at is None else "stopped"


def _node_name() -> str:
    """Return how people call the machine of this process."""
    return current_settings().node or socket.gethostname()[:64]


def note_alive(model: type[Worker] | type[WebProcess], now: datetime) -> None:
    """Write that this process is alive, and forget processes that were silent for a day."""
    row = {
        "identity": identity(), "node": _node_name(), "version": VERSION, "started_at": now, "seen_at": now,
    }  # fmt: skip
    long_ago = model.seen_at < now - _FORGET_AFTER
    with write() as session:
        upsert(table_of(model), [row], key=["identity"], columns=["seen_at"])
        session.execute(delete(model).where(long_ago | (model.seen_at > now + _FORGET_AFTER)))


def note_tick(now: datetime) -> None:
    """Write that this worker has looked for everything that is due."""
    with write() as session:
        session.execute(update(Worker).where(Worker.identity == identity()).values(ticked_at=now))


def note_stop(model: type[Worker] | type[WebProcess], now: datetime) -> None:
    """Write that this process ends because it was told to."""
    with write() as session:
        session.execute(update(model).where(model.identity == identity()).values(stopped_at=now))


def processes(session: Session) -> list[Process]:
    """Return every process that is known, by node and role, the newest first."""
    found = [
        Process("web", row.identity, row.node, row.version, row.started_at, row.seen_at, row.stopped_at)
        for row in session.scalars(select(WebProcess))
    ]
    found += [
        Process(
            "worker", row.identity, row.node, row.version, row.started_at, row.seen_at, row.stopped_at,
            row.ticked_at,
        )
        for row in session.scalars(select(Worker))
    ]  # fmt: skip
    return sorted(found, key=lambda process: (process.node, process.role, -process.started_at.timestamp()))


def others_alive(now: datetime) -> bool:
    """Tell whether another process works on this database."""
    return bool(_others(now))


def other_workers_alive(now: datetime) -> bool:
    """Tell whether another worker does: it has looked whether the database is an old copy, before it began.

    A dashboard looks at nothing, and may be the first process on one.
    """
    return any(process.role == "worker" for process in _others(now))


def _others(now: datetime) -> list[Process]:
    return [
        process
        for process in processes(db.session())
        if process.is_alive(now) and process.identity != identity() and not is_gone(process.identity)
    ]


def dashboards(found: Sequence[Process], now: datetime) -> int:
    """Return how many dashboards share the limits: the newest of each node, but for those that are gone."""
    alive = (process for process in found if process.role == "web" and process.is_alive(now))
    return len({process.node for process in alive if not is_gone(process.identity)})


def versions(found: Sequence[Process], now: datetime) -> list[str]:
    """Return the versions that run."""
    return sorted({process.version for process in found if process.is_alive(now) and process.version})


def silent(found: Sequence[Process], now: datetime) -> list[Process]:
    """Return the processes that fell silent lately and that no other of their node and role replaced."""
    alive = {(process.node, process.role) for process in found if process.is_alive(now)}
    lost = {
        (process.node, process.role): process
        for process in reversed(found)
        if process.state(now) == "silent" and now - process.seen_at < _TOLD_FOR
    }
    return [process for place, process in sorted(lost.items()) if place not in alive]


def identity() -> str:
    """`place:pid:start` of this process; a pid that is used again has another start."""
    return f"{_place()}:{os.getpid()}:{_start(os.getpid())}"


def is_gone(who: str) -> bool:
    """True only when `who` surely lived in this place and does no longer. Doubt means False."""
    place, pid, start = [*who.rsplit(":", 2), "", ""][:3]
    if place != _place() or not pid.isdigit():
        return False
    return _start(int(pid)) != start


@cache
def _place() -> str:
    """The host, its boot and its process namespace: pids mean something only inside one of these."""
    boot = _text("/proc/sys/kernel/random/boot_id")[:8]
    try:
        space = os.readlink("/proc/self/ns/pid").strip("pid:[]")
    except OSError:
        space = ""
    return f"{socket.gethostname()[:60]}/{boot}/{space}"


def _start(pid: int) -> str:
    """The start of a process in clock ticks since boot; "" when there is none (Linux), "?" elsewhere."""
    if not Path("/proc/self/stat").exists():
        return "?" if _answers(pid) else ""
    # The name in parentheses may hold spaces; field 22 counts from the start of the line.
    fields = _text(f"/proc/{pid}/stat").rpartition(")")[2].split()
    if not fields or fields[0] in {"Z", "X"}:
        return ""
    return fields[19]


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def worker_seen_at(now: datetime) -> datetime | None:
    """Return the last heartbeat of any worker; one that only a clock set back explains does not count."""
    seen = select(func.max(Worker.seen_at)).where(Worker.seen_at < now + WORKER_SILENT_AFTER)
    return db.session.scalar(seen)
