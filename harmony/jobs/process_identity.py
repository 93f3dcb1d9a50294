"""The identity of processes: this one, whether another is alive, and the last heartbeat of a worker."""

from __future__ import annotations

import os
import socket
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

from sqlalchemy import func, select

from harmony.db import db
from harmony.models import Worker

WORKER_SILENT_AFTER = timedelta(seconds=60)


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
