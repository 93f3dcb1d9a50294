"""Answers that threads wait for: none is missed, and only those are woken whose wait is over."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from flask import Flask

from harmony.db import db
from harmony.relay.watch import AnswerState, AnswerWatch
from tests.waiting import wait_for

ANSWERED = AnswerState(is_there=True, is_taken=True, is_answered=True)


class Calls:
    """A database of calls for the watch, and how often it was asked."""

    def __init__(self) -> None:
        self.states: dict[str, AnswerState] = {}
        self.looks = 0
        self.on_look: Callable[[], None] = lambda: None

    def read(self, ids: list[str]) -> dict[str, AnswerState]:
        self.looks += 1
        self.on_look()
        return {id_: self.states[id_] for id_ in ids if id_ in self.states}


def ended(watch: AnswerWatch, call_id: str) -> AnswerState:
    """Wait until the call is answered or gone, as the relay does."""
    while not (state := watch.state(call_id)).is_answered and state.is_there:
        watch.wait(call_id, 20)
    watch.remove(call_id)
    return state


def test_a_call_that_is_about_to_be_posted_is_not_taken_for_gone(context: Flask) -> None:
    rows = Calls()
    watch = AnswerWatch(db.engine, rows.read)
    watch.add("a")
    watch.wait("a", 0.01)
    assert rows.looks == 1
    assert watch.state("a").is_there
    watch.posted("a")
    watch.wait("a", 0.01)
    assert not watch.state("a").is_there


def test_an_answer_that_comes_while_a_call_is_being_posted_is_not_missed(context: Flask) -> None:
    rows = Calls()
    watch = AnswerWatch(db.engine, rows.read)
    watch.add("a")
    rows.states["a"] = ANSWERED
    watch.wait("a", 0.01)
    watch.posted("a")
    assert watch.state("a").is_answered


def test_another_watches_when_the_one_who_did_so_leaves(context: Flask) -> None:
    rows = Calls()
    watch = AnswerWatch(db.engine, rows.read)
    ids = ("a", "b", "c")
    for call_id in ids:
        watch.add(call_id)
    with ThreadPoolExecutor(len(ids)) as pool:
        waiting = [pool.submit(ended, watch, call_id) for call_id in ids]
        for call_id, future in zip(ids, waiting, strict=True):
            rows.states[call_id] = ANSWERED
            assert future.result(20) == ANSWERED


def test_a_look_that_fails_ends_one_call_and_not_the_watch(context: Flask) -> None:
    broken = threading.Event()
    broken.set()
    rows = Calls()

    def read(ids: list[str]) -> dict[str, AnswerState]:
        if broken.is_set():
            broken.clear()
            raise OSError("the database is away")
        return rows.read(ids)

    watch = AnswerWatch(db.engine, read)
    rows.states = {"a": ANSWERED, "b": ANSWERED}
    for call_id in rows.states:
        watch.add(call_id)
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(ended, watch, call_id) for call_id in rows.states]
        wait_for(lambda: all(future.done() for future in waiting), "both calls to end")
    assert sum(future.exception() is None for future in waiting) == 1


def returns(watch: AnswerWatch, call_id: str) -> int:
    """Wait until the call is over; how often its wait returned."""
    count = 0
    while not watch.state(call_id).is_over:
        watch.wait(call_id, 600)
        count += 1
    return count


@contextmanager
def asleep(watch: AnswerWatch, rows: Calls, *ids: str) -> Iterator[dict[str, Future[int]]]:
    """Threads that wait for these calls, asleep since this thread watched once, as the call "watching"."""
    waiting: dict[str, Future[int]] = {}
    with ThreadPoolExecutor(len(ids)) as pool:
        for call_id in ("watching", *ids):
            watch.add(call_id)

        def begin() -> None:
            rows.on_look = lambda: None
            waiting.update({call_id: pool.submit(returns, watch, call_id) for call_id in ids})
            calls = watch._calls
            wait_for(lambda: all(calls[call_id].is_asleep for call_id in ids), "every thread to sleep")

        rows.on_look = begin
        watch.wait("watching", 0.01)
        try:
            yield waiting
        finally:  # a failure ends now, and not when the sleep of these threads does
            rows.states |= dict.fromkeys(ids, ANSWERED)
            watch._look()
            for call in watch._calls.values():
                call.news.set()


@pytest.fixture
def watch(context: Flask, rows: Calls, monkeypatch: pytest.MonkeyPatch) -> AnswerWatch:
    """A watch in which nobody wakes by the clock before the test has failed."""
    monkeypatch.setattr("harmony.relay.watch._MOST_SECONDS", 60)
    return AnswerWatch(db.engine, rows.read)


@pytest.fixture
def rows() -> Calls:
    return Calls()


def test_an_answer_wakes_the_thread_that_waits_for_it_and_no_other(watch: AnswerWatch, rows: Calls) -> None:
    with asleep(watch, rows, "a", "b", "c") as waiting:
        for call_id in ("c", "a", "b"):
            rows.states[call_id] = ANSWERED
            watch.wait("watching", 0.01)
            assert waiting[call_id].result(20) == 1


def test_another_watches_while_the_one_who_did_so_reads_its_answer(watch: AnswerWatch, rows: Calls) -> None:
    rows.states["watching"] = ANSWERED
    with asleep(watch, rows, "a", "b") as waiting:
        assert watch.state("watching").is_over
        for call_id in ("b", "a"):
            rows.states[call_id] = ANSWERED
            waiting[call_id].result(20)


def test_another_watches_when_the_one_who_did_so_gives_up(watch: AnswerWatch, rows: Calls) -> None:
    with asleep(watch, rows, "a", "b") as waiting:
        watch.remove("watching")
        for call_id in ("b", "a"):
            rows.states[call_id] = ANSWERED
            waiting[call_id].result(20)
