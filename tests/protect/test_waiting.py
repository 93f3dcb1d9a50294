"""Buckets that bound what one may ask, and the line in which check-ins wait (rung: pure; real threads)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from sqlalchemy.exc import OperationalError

from harmony.device_api import rate_limit
from harmony.device_api.batching import GroupCommit
from harmony.device_api.errors import ApiError
from harmony.device_api.rate_limit import Buckets


@pytest.fixture
def database() -> str:
    """None is used."""
    return "sqlite"


def taken(buckets: Buckets, key: str, at: float) -> int:
    """0 when there was a try, else the seconds to wait."""
    try:
        buckets.take(key, at)
    except ApiError as refused:
        return refused.retry_after or -1
    return 0


def test_a_bucket_gives_its_capacity_at_once_and_more_as_time_goes_by() -> None:
    buckets = Buckets(3, 0.5)
    assert [taken(buckets, "a", 100.0) for _ in range(5)] == [0, 0, 0, 2, 2]
    assert taken(buckets, "a", 101.9) > 0
    assert taken(buckets, "a", 102.0) == 0
    assert taken(buckets, "b", 102.0) == 0
    assert [taken(buckets, "a", 1000.0) for _ in range(4)] == [0, 0, 0, 2]


def test_strangers_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limit, "MOST_KEYS", 100)
    buckets = Buckets(2, 1)
    for number in range(1000):
        buckets.take(f"key {number}", number / 1000)
        assert len(buckets._full_at) <= 100
    assert taken(buckets, "key 999", 1.0) == 0
    assert taken(buckets, "key 999", 1.0) > 0


def test_those_who_wait_are_served_together_and_each_gets_its_own() -> None:
    begun, go_on, batches = Event(), Event(), []

    def work(items: Sequence[int]) -> Sequence[int]:
        batches.append(list(items))
        begun.set()
        go_on.wait(10)
        return [item * 2 for item in items]

    line = GroupCommit(work)
    with ThreadPoolExecutor(9) as threads:
        first = threads.submit(line.submit, 0)
        assert begun.wait(10)
        others = [threads.submit(line.submit, number) for number in range(1, 9)]
        while len(line._queue) < 8:
            pass
        go_on.set()
        assert first.result(10) == 0
        assert [one.result(10) for one in others] == [number * 2 for number in range(1, 9)]
    assert batches[0] == [0]
    assert sorted(batches[1]) == list(range(1, 9))
    assert len(batches) == 2


def test_one_that_cannot_be_done_does_not_take_the_others_with_it() -> None:
    begun, go_on = Event(), Event()

    def work(items: Sequence[int]) -> Sequence[float]:
        begun.set()
        go_on.wait(10)
        return [1 / item for item in items]

    line = GroupCommit(work)
    with ThreadPoolExecutor(4) as threads:
        first = threads.submit(line.submit, 1)
        assert begun.wait(10)
        good, bad = threads.submit(line.submit, 4), threads.submit(line.submit, 0)
        while len(line._queue) < 2:
            pass
        go_on.set()
        assert (first.result(10), good.result(10)) == (1, 0.25)
        with pytest.raises(ZeroDivisionError):
            bad.result(10)


def test_one_that_cannot_be_done_fails_alone() -> None:
    def work(items: Sequence[int]) -> Sequence[int]:
        if 13 in items:
            raise ValueError(13)
        return items

    assert ends_of(work, [1, 13, 2]) == [1, ValueError, 2]


def test_a_busy_database_is_told_to_all_that_wait_after_one_try() -> None:
    tries = []

    def work(items: Sequence[int]) -> Sequence[int]:
        tries.append(list(items))
        if len(tries) == 2:
            raise OperationalError("", {}, Exception("database is locked"))
        return items

    assert ends_of(work, [1, 2, 3]) == [OperationalError] * 3
    assert len(tries) == 2


def ends_of(work: Callable[[Sequence[int]], Sequence[int]], numbers: Sequence[int]) -> list[object]:
    """What becomes of `numbers`, which all wait while a first item is worked on."""
    begun, go_on = Event(), Event()

    def slowly(items: Sequence[int]) -> Sequence[int]:
        if items == [0]:
            begun.set()
            go_on.wait(10)
        return work(items)

    line = GroupCommit(slowly)
    with ThreadPoolExecutor(9) as threads:
        threads.submit(line.submit, 0)
        assert begun.wait(10)
        waiting = [threads.submit(line.submit, number) for number in numbers]
        while len(line._queue) < len(numbers):
            pass
        go_on.set()
        return [type(error) if (error := one.exception(10)) else one.result() for one in waiting]
