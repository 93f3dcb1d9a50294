"""How a process kills itself at a chosen point of a sync, and how it tells which commits it was promised."""

from __future__ import annotations

import os
import resource
import signal
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from sqlalchemy import event
from sqlalchemy.orm import Session

from harmony.db import bulk, db
from harmony.jobs import lease
from harmony.sync import job as sync_job
from harmony.sync import rollback_detection, snapshot
from harmony.sync.deletion import evaluate, guard, soft_delete
from harmony.sync.deletion import missing as deletion_missing
from tests.builders import FakeUem

# Where a sync can be cut in two, by name: the function and whether before or after its first call.
STEPS: dict[str, tuple[Any, str]] = {
    "lease": (lease, "claim"),
    "groups": (FakeUem, "groups"),
    "members": (FakeUem, "smart_group_members"),
    "planning": (snapshot.Writer, "flush"),
    "checkpoint": (bulk, "checkpoint"),
    "adoption": (snapshot.Writer, "settle"),
    "marking": (deletion_missing, "mark"),
    "guard": (guard, "decide"),
    "holding": (evaluate, "_keep_hold"),
    "approval": (evaluate, "_carry_out_approval"),
    "deletion": (soft_delete, "_in_batches"),
    "finish": (sync_job, "_finish"),
    "high-water mark": (rollback_detection, "note"),
}


class Point(NamedTuple):
    """Where to die: `how` is statement, commit, committed, page, byte, before, after or at a random time."""

    how: str
    at: int = 0
    step: str = ""
    seconds: float = 0.0

    def __str__(self) -> str:
        return f"{self.how} {self.step or self.seconds or self.at}"


def die() -> None:
    """At once, and nobody can clean up."""
    os.kill(os.getpid(), signal.SIGKILL)


class Counters:
    """Counts the points of a run; kills at the chosen one."""

    def __init__(self, point: Point | None, uem: FakeUem) -> None:
        self.point = point
        self.counts: Counter[str] = Counter()
        event.listen(db.engine, "before_cursor_execute", lambda *_: self.pass_("statement"))
        event.listen(db.engine, "commit", lambda *_: self.pass_("commit"))
        event.listen(db.session, "after_commit", lambda *_: self.pass_("committed"))
        uem.on_page = lambda _: self.pass_("page")
        for step, (owner, name) in STEPS.items():
            setattr(owner, name, self._around(step, getattr(owner, name)))
        if point and point.how == "byte":
            _die_at_byte(point.at)

    def pass_(self, how: str, step: str = "") -> None:
        """One more of these; the chosen one is the last thing this process does."""
        self.counts[how + step] += 1
        chosen = self.point and (self.point.how, self.point.step) == (how, step)
        if self.point and chosen and (step or self.counts[how] == self.point.at):
            die()

    def _around(self, step: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def stepped(*arguments: Any, **options: Any) -> Any:
            self.pass_("before", step)
            answer = function(*arguments, **options)
            self.pass_("after", step)
            return answer

        return stepped


def _die_at_byte(limit: int) -> None:
    """The kernel ends whoever writes beyond this size of a file: the write before it stays torn."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)


def promise(pipe: int) -> None:
    """Write a line into the book with each commit, and its number into `pipe` once SQLite said it is done."""
    lines: list[int] = []

    def on_commit(session: Session) -> None:
        if session.info.get("writing"):
            lines.append(os.getpid() << 20 | len(lines))
            raw: Any = session.connection().connection.dbapi_connection
            raw.execute("INSERT INTO book VALUES (?)", (lines[-1],)).close()

    def on_done(session: Session) -> None:
        if session.info.get("writing"):
            os.write(pipe, lines[-1].to_bytes(8, "big"))

    event.listen(db.session, "before_commit", on_commit)
    event.listen(db.session, "after_commit", on_done)


def promised(pipe: int) -> set[int]:
    """Every line that was promised by who held the other end of the pipe, which is dead."""
    data = b""
    while some := os.read(pipe, 1 << 16):
        data += some
    return {int.from_bytes(data[at : at + 8], "big") for at in range(0, len(data), 8)}
