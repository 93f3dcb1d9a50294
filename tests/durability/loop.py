"""`python -m tests.durability.loop FOLDER KILLS SEED PART PARTS`: dies that many deaths; tells them as JSON.

This process imports everything once and forks a child for each try, which costs milliseconds, not a second.
It has no thread and no connection to the database, so that a fork is as good as a start.
"""

from __future__ import annotations

import gc
import json
import os
import pickle
import random
import resource
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import text

from harmony import create_app
from harmony.clock import now
from harmony.config import Settings
from harmony.db import db, release
from harmony.jobs import recovery
from harmony.jobs.queue import queue_of
from harmony.ops.migrate import migrate
from tests.durability import death, story
from tests.durability.death import Counters, Point, promise, promised
from tests.invariants import check_invariants

KEPT = ("harmony.db", "newest.json")
DAYS = range(1, len(story.DAYS) + 1)
BYTES_A_DAY = 8
THRICE_EVERY = 25
# Of ten kills so many come from outside, at random times.
RANDOM_TENTHS = 1
LONGEST_CHILD = 60
# What the end of a run leaves undone shows in the next one.
TOLD_THE_DAY_AFTER = {"finish", "high-water mark"}


class Loop:
    """The data folder, the days as they are without any kill, and what was found."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.app: Flask = create_app(Settings(data_dir=folder, demo=True))
        queue_of(self.app).storage.close()  # its connection must not be forked
        self.expected: dict[int, Any] = {}
        self.counts: dict[int, Counter[str]] = {}
        self.seconds: dict[int, float] = {}
        self.done: Counter[str] = Counter()
        self.lost = 0
        self.failures: list[str] = []

    def warm_up(self) -> None:
        """Live every day here, so that the children inherit what Python and SQLAlchemy have learnt."""
        self._run(self._prepare)
        self._keep(0)
        self._run(lambda: [self._recover(number, set()) for number in DAYS])

    def rehearse(self) -> None:
        """Live every day unbroken in a child; keep the files and the dump after each."""
        self.restore(0)
        for number in DAYS:
            began = time.monotonic()
            counts, dump = self._child(lambda number=number: self._unbroken(number))
            self.seconds[number] = time.monotonic() - began
            self.counts[number], self.expected[number] = counts, dump
            self._keep(number)

    def points(self) -> list[tuple[int, Point]]:
        """Every point of every day, once."""
        return [(number, point) for number in DAYS for point in self._points(number)]

    def cut_all(self, points: list[tuple[int, Point]], kills: int) -> None:
        """One point after the other, some three times in a row, until `kills` are done or none is left."""
        for order, (number, point) in enumerate(points):
            if self.done["kills"] >= kills:
                return
            self.done["points"] += 1
            self.cut(number, [point] * (3 if order % THRICE_EVERY == 0 else 1))

    def cut(self, number: int, points: list[Point]) -> None:
        """Kill day `number` at each of these points in a row, then recover and compare."""
        self.restore(number - 1)
        lines: set[int] = set()
        hits = [self._mortal(number, point, lines) for point in points]
        name = f"day {number} ({story.DAYS[number - 1].name}), {' then '.join(map(str, points))}"
        self._judge(number, name, lines)
        if any(hits) and number < DAYS[-1] and points[-1].step in TOLD_THE_DAY_AFTER:
            self._judge(number + 1, f"{name}, the day after", lines)

    def live_dangerously(self, chance: random.Random, kills: int) -> None:
        """Day after day on one file, killed from outside at random times."""
        goal = self.done["kills"] + kills
        while self.done["kills"] < goal:
            self.restore(0)
            for number in DAYS:
                lines: set[int] = set()
                for _ in range(chance.randrange(1, 4)):
                    seconds = chance.uniform(0, self.seconds[number])
                    self._mortal(number, Point("at random", seconds=seconds), lines)
                self._judge(number, f"day {number}, killed at random", lines)

    def restore(self, number: int) -> None:
        """The files as they were after day `number`."""
        for name in (*KEPT, "harmony.db-wal", "harmony.db-shm"):
            (self.folder / name).unlink(missing_ok=True)
        for file in (self.folder / "days" / str(number)).iterdir():
            shutil.copyfile(file, self.folder / file.name)

    def _points(self, number: int) -> list[Point]:
        counts = self.counts[number]
        made = [Point(how, at) for how in ("statement", "commit", "committed", "page")
                for at in range(1, counts[how] + 1)]  # fmt: skip
        made += [Point(how, step=step) for step in death.STEPS for how in ("before", "after")
                 if counts[how + step]]  # fmt: skip
        low, high = 33 * 1024, counts["wal"] + 4096
        return made + [Point("byte", at) for at in range(low, high, max(1, (high - low) // BYTES_A_DAY))]

    def _prepare(self) -> None:
        migrate(now())
        story.begin()

    def _unbroken(self, number: int) -> tuple[Counter[str], Any]:
        story.begin()
        uem = story.uem_of(number)
        watch = Counters(None, uem)
        story.live(number, uem)
        watch.counts["wal"] = (self.folder / "harmony.db-wal").stat().st_size
        return watch.counts, story.dump()

    def _mortal(self, number: int, point: Point, lines: set[int]) -> bool:
        """A process that lives day `number` until `point`; whether it died there."""
        end, start = os.pipe()
        pid = os.fork()
        if not pid:
            os.close(end)
            with suppress(BaseException):
                signal.alarm(LONGEST_CHILD)
                self._run(lambda: self._doomed(number, point, start))
            os._exit(0)
        os.close(start)
        if point.seconds:
            time.sleep(point.seconds)
            os.kill(pid, signal.SIGKILL)
        lines |= promised(end)
        os.close(end)
        killed = os.WIFSIGNALED(os.waitpid(pid, 0)[1])
        self.done["kills"] += killed
        self.done[f"kills {point.how}"] += killed
        return killed

    def _doomed(self, number: int, point: Point, pipe: int) -> None:
        story.begin()
        promise(pipe)
        uem = story.uem_of(number)
        Counters(point, uem)
        recovery.reap(now())
        story.live(number, uem)

    def _judge(self, number: int, name: str, lines: set[int]) -> None:
        wrong, lost = self._child(lambda: self._recover(number, lines))
        self.lost += lost
        self.done["recoveries"] += 1
        if wrong:
            self.failures.append(f"{name}: {wrong}")

    def _recover(self, number: int, lines: set[int]) -> tuple[str, int]:
        """Recover and live the day to its end: what is not as it should be, and how many commits are lost."""
        story.begin()
        there = set(db.session.scalars(text("SELECT line FROM book")))
        release()
        try:
            recovery.reap(now())
            story.live(number, story.uem_of(number))
            check_invariants()
        except Exception:  # whatever it is, it is told with the point that led to it
            return traceback.format_exc(limit=-4), len(lines - there)
        return story.difference(self.expected.get(number, {}), story.dump()), len(lines - there)

    def _keep(self, number: int) -> None:
        kept = self.folder / "days" / str(number)
        kept.mkdir(parents=True)
        for name in KEPT:
            if (self.folder / name).exists():
                shutil.copyfile(self.folder / name, kept / name)

    def _child(self, work: Callable[[], Any]) -> Any:
        """What `work` returns in a child of its own, which closes the database properly."""
        end, start = os.pipe()
        pid = os.fork()
        if not pid:
            signal.alarm(LONGEST_CHILD)
            try:
                os.write(start, pickle.dumps((True, self._run(work))))
            except BaseException:
                os.write(start, pickle.dumps((False, traceback.format_exc())))
            os._exit(0)
        os.close(start)
        with os.fdopen(end, "rb") as pipe:
            well, answer = pickle.loads(pipe.read())  # noqa: S301 - from our own child
        os.waitpid(pid, 0)
        if not well:
            raise RuntimeError(answer)
        return answer

    def _run(self, work: Callable[[], Any]) -> Any:
        with self.app.app_context():
            try:
                return work()
            finally:
                db.session.remove()
                db.engine.dispose()


def main(folder: Path, kills: int, seed: int, part: int, parts: int) -> None:
    """Every `parts`-th point from `part` on, as many as `kills` allow, then random ones; a report as JSON."""
    began, chance = time.monotonic(), random.Random(seed + part)  # noqa: S311 - repeatable
    loop = Loop(folder)
    loop.warm_up()
    loop.rehearse()
    gc.freeze()
    points = loop.points()[part::parts]
    points = spread(points, chance)
    loop.cut_all(points, kills * (10 - RANDOM_TENTHS) // 10)
    loop.live_dangerously(chance, kills - loop.done["kills"])
    report = {"done": loop.done, "lost": loop.lost, "failures": loop.failures, "points": len(points)}
    sys.stdout.write(json.dumps(report | {"seconds": time.monotonic() - began, "cpu": _cpu()}) + "\n")


def spread(points: list[tuple[int, Point]], chance: random.Random) -> list[tuple[int, Point]]:
    """Shuffle, then take one point of each kind, a second of each and so on: a few kills meet every kind."""
    chance.shuffle(points)
    seen: Counter[tuple[str, str]] = Counter()
    ranked: list[tuple[int, tuple[int, Point]]] = []
    for number, point in points:
        seen[point.how, point.step] += 1
        ranked.append((seen[point.how, point.step], (number, point)))
    return [entry for _, entry in sorted(ranked, key=lambda rank: rank[0])]


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
