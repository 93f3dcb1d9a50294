"""The supervisor with real children (rung M); what it supervises in the product stands in tests/processes."""

from __future__ import annotations

import doctest
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from harmony.audit import chain, fields
from harmony.config import settings as config_settings
from harmony.config import values
from harmony.jobs import schedule as jobs_schedule
from harmony.ops import supervisor
from harmony.sync.deletion import guard
from harmony.sync.reading import scope
from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parent.parent.parent

NAMES = ("one ", "two ")
PROGRAM = """
import sys
from functools import partial
from harmony.ops.supervisor import Child, supervise
names, programs = sys.argv[1::2], sys.argv[2::2]
run = lambda program: exec(program, {}) or 0
sys.exit(supervise([Child(name, partial(run, program)) for name, program in zip(names, programs)]))
"""
LIVES = """
import os, time
from harmony.worker.child_process import leave_with_parent
leave_with_parent()
print("alive", os.getpid(), flush=True)
while True: time.sleep(1)
"""
DIES = "import os; os.write(1, b'dying'); os._exit(0)"
FAILS = "print({}['key'])"


class Running:
    """A supervisor process and the lines it has written so far."""

    def __init__(self, programs: Sequence[str]) -> None:
        children = [text for pair in zip(NAMES, programs, strict=False) for text in pair]
        command = [sys.executable, "-c", PROGRAM, *children]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert self.process.stdout is not None
        os.set_blocking(self.process.stdout.fileno(), False)
        self.text = ""

    def lines(self) -> list[str]:
        assert self.process.stdout is not None
        self.text += (self.process.stdout.read() or b"").decode()
        return self.text.splitlines()

    def pids(self) -> list[int]:
        """Those of the first child, then those of the second."""
        alive = [line for line in sorted(self.lines()) if "alive" in line]
        return [int(line.split()[-1]) for line in alive]


@contextmanager
def supervised(*programs: str) -> Iterator[Running]:
    running = Running(programs)
    try:
        yield running
    finally:
        running.process.kill()
        running.process.wait()
        assert running.process.stdout is not None
        running.process.stdout.close()


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return state != "Z"


@pytest.mark.parametrize(
    "module", [supervisor, fields, chain, guard, scope, jobs_schedule, config_settings, values]
)
def test_the_examples_in_the_documentation_are_true(module: object) -> None:
    failed, tried = doctest.testmod(module)  # type: ignore[arg-type]
    assert tried
    assert not failed


def test_a_child_that_is_killed_is_started_again_and_its_output_is_marked() -> None:
    with supervised(LIVES) as running:
        wait_for(running.pids, "the child's first line")
        assert running.lines()[0].startswith("one │ alive")
        os.kill(running.pids()[0], signal.SIGKILL)
        wait_for(lambda: len(running.pids()) == 2, "the second child")
        assert any("ended with -9; it is started again in 0.5 s" in line for line in running.lines())


def test_a_child_that_dies_at_once_is_given_longer_and_longer_rests() -> None:
    with supervised(DIES) as running:
        wait_for(lambda: "in 2 s" in "\n".join(running.lines()), "the third rest")
        rests = [line.rsplit("in ", 1)[1] for line in running.lines() if "ended with 0" in line]
        assert rests[:3] == ["0.5 s", "1 s", "2 s"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_cleanly_and_takes_its_children_along(number: signal.Signals) -> None:
    with supervised(LIVES) as running:
        wait_for(running.pids, "the child's first line")
        (child,) = running.pids()
        running.process.send_signal(number)
        assert running.process.wait() == 0
        assert not is_alive(child)


def test_children_leave_when_the_supervisor_is_killed_whatever_another_one_does() -> None:
    with supervised(LIVES, LIVES) as running:
        wait_for(lambda: len(running.pids()) == 2, "the first lines of both")
        first, second = running.pids()
        os.kill(second, signal.SIGSTOP)  # as long as it lives, so does everything that it has open
        running.process.kill()
        wait_for(lambda: not is_alive(first), "the end of the first child")
        os.kill(second, signal.SIGCONT)
        wait_for(lambda: not is_alive(second), "the end of the second child")


def test_what_a_child_wrote_last_is_printed_and_so_is_its_failure() -> None:
    with supervised(DIES, FAILS) as running:
        for end in ("one │ ended with 0", "two │ ended with 1"):
            wait_for(lambda end=end: any(end in line for line in running.lines()), end)
        assert "one │ dying" in running.lines()
        assert "two │ KeyError: 'key'" in running.lines()
