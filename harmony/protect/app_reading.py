"""Reads the apps of devices from the UEM with a few calls at once, and hands them out as they come."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from harmony.uem.client import UemClient
from harmony.uem.errors import (
    EmptyAnswer,
    Incomplete,
    MalformedAnswer,
    NotFound,
    RequestRefused,
    TooLarge,
    UemError,
)
from harmony.uem.records import AppOnDevice

# What may be wrong with one device alone. So many in a row are no longer a matter of devices.
OF_ONE_DEVICE = (NotFound, Incomplete, MalformedAnswer, EmptyAnswer, TooLarge, RequestRefused)
MOST_IN_A_ROW = 20


class Target(NamedTuple):
    """A device whose apps are to be read; `seen_at` is its last contact as the UEM told it."""

    device_id: int
    external_id: str
    seen_at: datetime | None


class Listed(NamedTuple):
    """What came of it: its apps, or None when they could not be read for a reason of its own."""

    target: Target
    apps: list[AppOnDevice] | None


@dataclass(slots=True)
class Reader:
    """Calls for one device after another; `may_call` is asked, with the calls under way, before each."""

    client: UemClient
    may_call: Callable[[int], bool]

    def read(self, targets: Iterable[Target]) -> Iterator[Listed]:
        """In the order of the targets; ends early when no more calls may be made. Raises UemError.

        The first call goes alone, so that a wrong password is tried only once.
        """
        fetchers = self.client.parallel()
        pool = ThreadPoolExecutor(fetchers, thread_name_prefix="uem-apps")
        try:
            yield from self._in_order(pool, iter(targets), 2 * fetchers)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _in_order(self, pool: ThreadPoolExecutor, targets: Iterator[Target], most: int) -> Iterator[Listed]:
        waiting: deque[tuple[Target, Future[list[AppOnDevice]]]] = deque()
        horizon, in_a_row = 1, 0
        while True:
            while len(waiting) < horizon and self.may_call(len(waiting)):
                target = next(targets, None)
                if target is None:
                    break
                waiting.append((target, pool.submit(self.client.device_apps, target.external_id)))
            if not waiting:
                return
            target, future = waiting.popleft()
            try:
                listed, in_a_row = Listed(target, future.result()), 0
            except OF_ONE_DEVICE as error:
                listed, in_a_row = Listed(target, None), in_a_row + 1
                _refuse_too_many(error, in_a_row)
            horizon = most
            yield listed


def _refuse_too_many(error: UemError, in_a_row: int) -> None:
    if in_a_row >= MOST_IN_A_ROW:
        raise error
