"""The supervisor with real children (rung M); what it supervises in the product stands in tests/processes."""

from __future__ import annotations

import doctest
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from harmony.audit import chain, fields
from harmony.config import Settings, values
from harmony.config import settings as config_settings
from harmony.jobs import schedule as jobs_schedule
from harmony.ops import supervisor
from harmony.sync.deletion import guard
from harmony.sync.reading import scope
from harmony.worker.child_process import close_database
from tests.preloaded import Process
from tests.waiting import wait_for

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
REFUSES = "import sys; sys.exit('no such thing')"
LEAVES_AN_ORPHAN = """
import os
if not os.fork():
    if not os.fork():
        print("orphan", os.getpid(), flush=True)
    os._exit(0)
os.wait()
"""
# It says in a file that it has written more than a pipe or a terminal holds.
WRITES_MUCH = """
import os, sys
from pathlib import Path
for number in range(6000): print(f"{number:0100}", flush=True)
Path({path!r}, str(os.getpid())).touch()
"""

# Ours may not be process 1; this is as near as can be: it is left the orphans, and thinks that it is.
IS_PROCESS_1 = """
import ctypes, os
ctypes.CDLL(None).prctl(36, 1)
supervisor, getpid = os.getpid(), os.getpid
os.getpid = lambda: 1 if getpid() == supervisor else getpid()
"""
CANNOT_FORK_TWICE = """
import errno, itertools, os
calls, fork = itertools.count(1), os.fork
def limited():
    if next(calls) in (2, 3):
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    return fork()
os.fork = limited
"""


class Running:
    """A supervisor process and the lines it has written so far."""

    def __init__(self, programs: Sequence[str], before: str = "") -> None:
        read, written = os.pipe()
        try:
            self.process = Process(command_of(programs, before), os.environ, (0, written, written))
        finally:
            os.close(written)
        os.set_blocking(read, False)
        self.output = open(read, "rb", buffering=0)  # noqa: SIM115 - closed with the process
        self.text = ""

    def lines(self) -> list[str]:
        while some := self.output.read(1 << 16):
            self.text += some.decode()
        return self.text.splitlines()

    def pids(self) -> list[int]:
        """Return the results of the first child, then those of the second."""
        alive = [line for line in sorted(self.lines()) if "alive" in line]
        return [int(line.split()[-1]) for line in alive]


def command_of(programs: Sequence[str], before: str = "") -> list[str]:
    """A supervisor of these programs, in a process that does something before."""
    children = [text for pair in zip(NAMES, programs, strict=False) for text in pair]
    return ["-c", before + PROGRAM, *children]


@contextmanager
def supervised(*programs: str, before: str = "") -> Iterator[Running]:
    running = Running(programs, before)
    try:
        yield running
    finally:
        running.process.kill()
        running.process.wait()
        running.output.close()


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


def test_what_a_child_gives_to_exit_is_printed() -> None:
    with supervised(REFUSES) as running:
        wait_for(lambda: any("ended with 1" in line for line in running.lines()), "its end")
        assert running.lines()[0] == "one │ no such thing"


@pytest.mark.parametrize("open_output", [os.pipe, os.openpty])
def test_it_restarts_and_stops_its_children_though_nobody_reads_what_they_write(
    tmp_path: Path, open_output: Callable[[], tuple[int, int]]
) -> None:
    program = WRITES_MUCH.replace("{path!r}", repr(str(tmp_path))) + LIVES
    unread, output = open_output()
    process = Process(command_of([program]), os.environ, (0, output, 2))
    try:
        (first,) = wait_for(lambda: list(tmp_path.iterdir()), "all that the child writes")
        os.kill(int(first.name), signal.SIGKILL)
        wait_for(lambda: len(list(tmp_path.iterdir())) == 2, "all that the second child writes")
        process.terminate()
        assert process.wait(30) == 0
        assert not any(is_alive(int(file.name)) for file in tmp_path.iterdir())
    finally:
        process.kill()
        process.wait()
        os.close(unread)
        os.close(output)


def test_a_child_that_cannot_be_forked_is_tried_again_and_the_other_lives_on() -> None:
    with supervised(LIVES, LIVES, before=CANNOT_FORK_TWICE) as running:
        wait_for(lambda: len(running.pids()) == 2, "both children")
        failed = "two │ cannot be started (Resource temporarily unavailable); it is tried again in"
        assert [line for line in running.lines() if "alive" not in line] == [
            f"{failed} 0.5 s",
            f"{failed} 1 s",
        ]
        running.process.terminate()
        assert running.process.wait() == 0


def test_process_1_buries_what_is_left_to_it_and_learns_how_its_children_ended() -> None:
    with supervised(LEAVES_AN_ORPHAN + LIVES, DIES, before=IS_PROCESS_1) as running:
        orphans = wait_for(lambda: [line for line in running.lines() if "orphan" in line], "an orphan")
        pid = int(orphans[0].split()[-1])
        wait_for(lambda: not Path(f"/proc/{pid}").exists(), "the burial of the orphan")
        wait_for(lambda: "two │ ended with 0; it is started again in 1 s" in running.lines(), "two ends")


def test_a_stop_makes_no_database_in_the_place_of_one_that_is_gone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    close_database(Settings(data_dir=tmp_path))
    assert list(tmp_path.iterdir()) == []
    assert "The WAL could not be moved into the database file" in caplog.text
