"""Deadlines of calls: each cuts its own connection, and one thread watches all. Rung: real sockets."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from harmony.uem.http.deadline import Deadline
from tests.waiting import wait_for

_LONG = 60.0


@pytest.fixture
def line() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, its = socket.socketpair()
    with ours, its:
        ours.settimeout(_LONG)
        yield ours, its


def test_a_short_deadline_is_kept_beside_a_longer_one_that_began_before(
    line: tuple[socket.socket, socket.socket],
) -> None:
    ours, _ = line
    with Deadline(_LONG) as longer, Deadline(0.05) as shorter:
        shorter.watch(ours)
        assert ours.recv(1) == b"", "the end of a connection that was cut"
        assert shorter.expired
        assert not longer.expired


def test_a_deadline_that_is_over_before_it_begins_cuts_at_once(
    line: tuple[socket.socket, socket.socket],
) -> None:
    ours, _ = line
    with Deadline(0.0) as deadline:
        deadline.watch(ours)
        assert ours.recv(1) == b""
    assert deadline.expired


def test_a_call_that_ended_is_not_cut_by_its_deadline(line: tuple[socket.socket, socket.socket]) -> None:
    ours, its = line
    with Deadline(0.05) as early:
        early.watch(ours)
    with Deadline(0.1) as later:
        wait_for(lambda: later.expired, "the later deadline")
    assert later.expired
    assert not early.expired
    its.send(b"x")
    assert ours.recv(1) == b"x"


def test_a_deadline_that_cannot_cut_its_call_leaves_the_others_theirs(
    line: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise RuntimeError("broken")

    ours, _ = line
    with Deadline(0.01) as first, Deadline(0.1) as second:
        monkeypatch.setattr(first, "cut", broken)
        second.watch(ours)
        assert ours.recv(1) == b""
    assert second.expired


def test_calls_at_once_have_one_thread_for_their_deadlines() -> None:
    before = _watching()
    with ExitStack() as calls:
        for _ in range(20):
            calls.enter_context(Deadline(_LONG))
        assert _watching() <= max(before, 1)


def test_a_forked_process_keeps_its_deadlines_too() -> None:
    with Deadline(_LONG):
        pid = os.fork()
        if pid == 0:
            os._exit(0 if _is_cut() else 1)
        _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def _is_cut() -> bool:
    ours, _its = socket.socketpair()
    ours.settimeout(10)
    with Deadline(0.05) as deadline:
        deadline.watch(ours)
        return ours.recv(1) == b"" and deadline.expired


def _watching() -> int:
    return sum(thread.name == "deadlines" for thread in threading.enumerate())
