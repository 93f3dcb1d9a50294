"""The parent's side of a forked process (rung S): its open files, and output that has no end."""

from __future__ import annotations

import errno
import os

import pytest

from harmony.ops.forked import Forked, fork

KIB = 1024


def endless() -> Forked:
    """One whose output goes on and on, without an end of a line."""
    lifeline, other_end = os.pipe()
    os.close(other_end)
    return Forked(pid=0, lifeline=lifeline, output=os.open("/dev/zero", os.O_RDONLY), code=0)


def test_a_line_that_does_not_end_is_cut() -> None:
    process = endless()
    read = [line for _ in range(10) for line in process.read()]
    assert {len(line) for line in read} == {64 * KIB}
    assert len(read) == 9
    process.bury()


def test_all_of_a_cut_line_is_there_and_empty_lines_are() -> None:
    output, end = os.pipe()
    lifeline, other_end = os.pipe()
    process = Forked(pid=0, lifeline=lifeline, output=output, code=0)
    os.write(end, b"begins" + b"x" * 50 * KIB)
    assert process.read() == []
    os.write(end, b"x" * 50 * KIB + b"\n\nlast")
    long, rest, empty = process.read()
    assert (len(long), len(rest), empty) == (64 * KIB, 36 * KIB + len("begins"), b"")
    os.close(end)
    assert process.bury() == [b"last"]
    os.close(other_end)


def test_the_burial_of_a_process_ends_though_another_writes_on_into_its_output() -> None:
    assert sum(map(len, endless().bury())) <= 1024 * KIB


def test_a_fork_that_fails_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> int:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(os, "fork", refuse)
    before = sorted(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="Resource temporarily unavailable"):
        fork(lambda: 0)
    assert sorted(os.listdir("/proc/self/fd")) == before
