"""`python -m tests.tagging.kills FOLDER KILLS SEED`: tagging dies at statements, commits and calls; as JSON.

A child is forked for each try, as in tests/durability/loop.py. The UEM is a file: what it was told stays. In
every fourth try it answers wrongly until it dies.
"""

from __future__ import annotations

import gc
import json
import os
import pickle
import random
import signal
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import event

from harmony import create_app
from harmony.clock import now
from harmony.config import Settings
from harmony.db import db
from harmony.jobs import recovery
from harmony.jobs.queue import queue_of
from harmony.ops.migrate import migrate
from harmony.uem.errors import MalformedAnswer
from harmony.uem.records import Carriers, Tag, TagList
from tests.invariants import quick_invariants
from tests.tagging import fleet
from tests.tagging.uem import NOT_FOUND, ModelTag, TagUem

ID, DEVICES, LONGEST_CHILD = 1, 24, 60
HOWS = ("statement", "commit", "committed", "asked", "answered")
STATUSES, CODES = ("provisioned", "active", "inactive"), ("ROOTED", "BOTNET")
VIP, SHARE_OF_LIES = "VIP", 0.25
Lie = Callable[[TagUem, str, Any], Any]
# What a call is, and what is made of its true answer. The id of VIP is 10001.
LIES: dict[str, tuple[str, Lie]] = {
    "made another": ("create", lambda _uem, _about, true: replace(true, external_id="10001")),
    "made nothing": ("create", lambda *_: MalformedAnswer("No id.")),
    "no tags": ("tags", lambda *_: TagList()),
    "found nothing": ("search", lambda *_: TagList()),
    "found another": ("search", lambda _uem, name, _true: TagList((Tag("10001", name, None),), (), 1, 1)),
    "no carriers": ("carriers", lambda *_: Carriers()),
    "no such tag": ("carriers", lambda *_: NOT_FOUND),
}


class FileUem(TagUem):
    """Every change is in the file before anybody hears of it."""

    def __init__(self, file: Path) -> None:
        super().__init__(enrolled={str(number) for number in range(1, DEVICES + 1)}, lanes=2)
        self.file, self.lock = file, threading.Lock()
        if file.exists():
            told = json.loads(file.read_text())
            self.made = told["made"]
            self.held = {id_: ModelTag(id_, name, set(devices)) for id_, name, devices in told["held"]}

    def keep(self) -> None:
        """Write it all down."""
        with self.lock:
            told = [(tag.id, tag.name, sorted(tag.devices)) for tag in list(self.held.values())]
            fresh = self.file.with_suffix(f".{os.getpid()}")
            fresh.write_text(json.dumps({"made": self.made, "held": told}))
            fresh.replace(self.file)


class Killer:
    """Counts the points of a run; at the chosen one nothing happens any more."""

    def __init__(self, uem: FileUem, how: str = "", at: int = 0) -> None:
        self.counts: Counter[str] = Counter()
        self._chosen = (how, at)
        self._uem = uem
        event.listen(db.engine, "before_cursor_execute", lambda *_: self.pass_("statement"))
        event.listen(db.engine, "commit", lambda *_: self.pass_("commit"))
        event.listen(db.session, "after_commit", lambda *_: self.pass_("committed"))
        uem.before_call, uem.after_call = (lambda *_: self.pass_("asked")), self._answered

    def pass_(self, how: str) -> None:
        """One more of these."""
        self.counts[how] += 1
        if (how, self.counts[how]) == self._chosen:
            os.kill(os.getpid(), signal.SIGKILL)

    def _answered(self, *_: Any) -> None:
        self._uem.keep()
        self.pass_("answered")


class Loop:
    """One integration, its UEM, and what was found."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.app: Flask = create_app(Settings(data_dir=folder, demo=True))
        queue_of(self.app).storage.close()  # its connection must not be forked
        self.file, self.chance = folder / "uem.json", random.Random(seed)  # noqa: S311 - repeatable
        self.failures: list[str] = []
        self.kills: Counter[str] = Counter()
        self.lies: Counter[str] = Counter()

    def begin(self) -> None:
        """A tagged fleet; made here, so that the children inherit what Python and SQLAlchemy have learnt."""
        self.within(self._begin)
        assert not self.within(self._finish)
        gc.freeze()

    def cut(self) -> None:
        """Change some devices, kill the run that is to tell the UEM of it, let the next one finish."""
        changes = [self._change() for _ in range(self.chance.randrange(1, 8))]
        lie = self.chance.choice(sorted(LIES)) if self.chance.random() < SHARE_OF_LIES else ""
        how, at = self.chance.choice(HOWS), self.chance.randrange(1, 40)
        self.child(lambda: self._changed(changes))
        pid = os.fork()
        if not pid:
            signal.alarm(LONGEST_CHILD)
            try:
                self.within(lambda: self._run(how, at, lie))
            finally:
                os._exit(0)
        if os.WIFSIGNALED(os.waitpid(pid, 0)[1]):
            self.kills[how] += 1
            self.lies[lie] += 1
        if wrong := self.child(lambda: self._finish(whole=bool(lie))):
            self.failures.append(f"{how} {at}, {lie or 'no lie'}, after {changes}: {wrong}")

    def child(self, work: Callable[[], Any]) -> Any:
        """What `work` returns in a child of its own."""
        end, start = os.pipe()
        pid = os.fork()
        if not pid:
            signal.alarm(LONGEST_CHILD)
            try:
                answer = self.within(work)
            except BaseException:
                answer = traceback.format_exc()
            os.write(start, pickle.dumps(answer))
            os._exit(0)
        os.close(start)
        with os.fdopen(end, "rb") as pipe:
            answer = pickle.loads(pipe.read())  # noqa: S301 - from our own child
        os.waitpid(pid, 0)
        return answer

    def within(self, work: Callable[[], Any]) -> Any:
        """With the application's context, and no connection left open."""
        with self.app.app_context():
            try:
                return work()
            finally:
                db.session.remove()
                db.engine.dispose()

    def _begin(self) -> None:
        migrate(now())
        uem = FileUem(self.file)
        uem.make(VIP, "1", "2")
        uem.keep()
        assert fleet.a_fleet(DEVICES) == ID

    def _change(self) -> tuple[int, str, int, Sequence[str]]:
        codes = self.chance.sample(CODES, self.chance.randrange(3))
        return self.chance.randint(1, DEVICES), self.chance.choice(STATUSES), self.chance.randrange(4), codes

    def _changed(self, changes: Sequence[tuple[int, str, int, Sequence[str]]]) -> None:
        for device, status, risk, codes in changes:
            fleet.protect(ID, device, status, risk, *codes)

    def _run(self, how: str, at: int, lie: str) -> None:
        uem = FileUem(self.file)
        if lie:
            self._delete_a_tag(uem)
            said, told = LIES[lie]
            uem.lie = lambda what, about, true: told(uem, about, true) if what == said else true
        Killer(uem, how, at)
        fleet.tag(ID, uem, whole=bool(lie))

    def _delete_a_tag(self, uem: FileUem) -> None:
        """Somebody does, so that it is made anew."""
        del uem.held[self.chance.choice([id_ for id_, tag in uem.held.items() if tag.name != VIP])]
        uem.keep()

    def _finish(self, *, whole: bool = False) -> str:
        """Reap, tag to the end, and say what is not as it should be."""
        recovery.reap(now())
        uem = FileUem(self.file)
        uem.after_call = lambda *_: uem.keep()
        run = fleet.tag(ID, uem, whole=whole)
        quick_invariants()
        wrong = [] if run.state == "ok" else [f"{run.state}: {run.reason}"]
        names = [tag.name for tag in uem.held.values()]
        wrong += ["a tag was made twice"] if len(names) != len(set(names)) else []
        wrong += ["a foreign tag was touched"] if uem.named(VIP).devices != {"1", "2"} else []
        return "; ".join(wrong + [said for one in fleet.standings(ID) if (said := _differs(uem, *one))])


def _differs(uem: TagUem, device: str, status: str, risk: int, codes: Sequence[str]) -> str:
    wanted = {f"CHKP_Status_{status.title()}", *(f"CHKP_TF_{code}" for code in codes)}
    wanted |= {f"CHKP_Risk_{['', 'Low', 'Medium', 'High'][risk]}"} if risk else set()
    carried = uem.carried(device) - {VIP}
    return "" if carried == wanted else f"{device} carries {sorted(carried)} instead of {sorted(wanted)}"


def main(folder: Path, kills: int, seed: int) -> None:
    """Until so many runs were killed; a report as JSON."""
    loop = Loop(folder, seed)
    loop.begin()
    for _ in range(3 * kills):
        if sum(loop.kills.values()) < kills:
            loop.cut()
    sys.stdout.write(json.dumps({"kills": loop.kills, "lies": loop.lies, "failures": loop.failures}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
