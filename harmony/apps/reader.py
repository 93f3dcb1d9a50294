"""Read the apps of devices from the UEM with a few calls at once, and hand them out as they come."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from harmony.apps.failures import Streak
from harmony.uem.client import UemClient
from harmony.uem.device_failures import is_of_device
from harmony.uem.errors import UemError
from harmony.uem.records import AppList


class DeviceToRead(NamedTuple):
    """A device whose apps are to be read; `seen_at` is its last contact as the UEM told it.

    `had_failed`: they could not be read the last time.
    """

    device_id: int
    external_id: str
    seen_at: datetime | None
    had_failed: bool = False


class DeviceAppList(NamedTuple):
    """The list of apps of a device, or the error that may be about this device alone."""

    target: DeviceToRead
    apps: AppList | None
    error: UemError | None = None


@dataclass(slots=True)
class AppListReader:
    """Calls for one device after another; `may_call` is asked, with the calls under way, before each.

    `ever_read`: the account could read the apps of a device in an earlier run.
    """

    client: UemClient
    may_call: Callable[[int], bool]
    ever_read: bool = True
    streak: Streak = field(default_factory=Streak)

    def read(self, targets: Iterable[DeviceToRead]) -> Iterator[DeviceAppList]:
        """Read in the order of the targets; end early when no more calls may be made. Raises UemError.

        Until a first list comes calls go one by one, so that a wrong password is tried only once.
        """
        fetchers = self.client.parallel()
        pool = ThreadPoolExecutor(fetchers, thread_name_prefix="uem-apps")
        try:
            yield from self._in_order(pool, iter(targets), 2 * fetchers)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _in_order(
        self, pool: ThreadPoolExecutor, targets: Iterator[DeviceToRead], most: int
    ) -> Iterator[DeviceAppList]:
        waiting: deque[tuple[DeviceToRead, Future[AppList]]] = deque()
        last: UemError | None = None
        while True:
            horizon = most if self.streak.read else 1
            while len(waiting) < horizon and self.may_call(len(waiting)):
                target = next(targets, None)
                if target is None:
                    break
                waiting.append((target, pool.submit(self.client.device_apps, target.external_id)))
            if not waiting:
                break
            listed = _outcome(*waiting.popleft())
            yield listed
            last = listed.error or last
            self._count(listed)
        if last is not None and self.streak.is_of_server(ever_read=self.ever_read):
            raise last

    def _count(self, listed: DeviceAppList) -> None:
        if listed.error is None:
            self.streak.note_read()
        elif self.streak.ends_run(listed.error, had_failed=listed.target.had_failed):
            raise listed.error


def _outcome(target: DeviceToRead, future: Future[AppList]) -> DeviceAppList:
    """Raises an error that cannot be about this device alone."""
    try:
        return DeviceAppList(target, future.result())
    except UemError as error:
        if not is_of_device(error):
            raise
        return DeviceAppList(target, None, error)
