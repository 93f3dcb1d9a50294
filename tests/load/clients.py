"""Those who load the product: polling browsers, Protect apps, a UEM that changes, long readers."""

from __future__ import annotations

import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import requests
from requests.cookies import RequestsCookieJar

from harmony.clock import monotonic, now
from harmony.db import sqlite_module
from tests.bench import dashboard
from tests.bench.checkins import Lane
from tests.bench.simulated import FIRST_DEVICE_ID, Simulated

LANES = 8
# Mostly what pages ask for by themselves, and now and then a page.
PATHS = (
    *("/integrations/1/status", "/integrations/1/tags/status") * 3,
    *("/", "/devices", "/devices?q=an", "/devices?risk=high"),
    *("/events", "/apps", "/audit", "/integrations/1"),
)


class Load:
    """Threads that work until they are stopped, and count what they did."""

    def __init__(self) -> None:
        self.stopped = threading.Event()
        self.done: Counter[str] = Counter()
        self._threads: list[threading.Thread] = []

    def repeat(self, name: str, every: float, act: Callable[[], str | None]) -> None:
        """Act again and again in a thread; `act` returns what went wrong."""

        def work() -> None:
            while not self.stopped.is_set():
                began = monotonic()
                try:
                    wrong = act()
                except (requests.RequestException, OSError) as error:
                    wrong = type(error).__name__
                self.done[f"{name}: {wrong}" if wrong else name] += 1
                self.stopped.wait(max(0.0, every - (monotonic() - began)))

        thread = threading.Thread(target=work, daemon=True, name=name)
        thread.start()
        self._threads.append(thread)

    def stop(self) -> None:
        self.stopped.set()
        for thread in self._threads:
            thread.join(60)


def browsers(load: Load, url: str, cookies: RequestsCookieJar, count: int, every: float) -> None:
    """So many browsers, each of which asks for a page or a part of one again and again."""

    def browser() -> Callable[[], str | None]:
        session = requests.Session()
        session.cookies.update(cookies)

        def look() -> str | None:
            answer = session.get(url + secrets.choice(PATHS), timeout=60)
            return None if answer.status_code == 200 else str(answer.status_code)

        return look

    for _ in range(count):
        load.repeat("pages", every, browser())


def check_ins(load: Load, url: str, keys: list[str], rate: float) -> None:
    """Check-ins of registered devices, of which one in ten says something new each time."""
    numbers = iter(range(10**9))
    lock = threading.Lock()

    def lane() -> Callable[[], str | None]:
        line = Lane(url, keys)

        def check_in() -> str | None:
            with lock:
                number = next(numbers)
            line.check_in(number, monotonic())
            return line.found.pop()[2] or None

        return check_in

    for _ in range(LANES):
        load.repeat("check-ins", LANES / rate, lane())


def syncs(load: Load, url: str, cookies: RequestsCookieJar, uem: Simulated, every: float) -> None:
    """Changes in the UEM, then a full sync of all devices, each with a new last contact."""
    session = requests.Session()
    session.cookies.update(cookies)
    round_number = iter(range(10**9))

    def change_and_sync() -> str | None:
        number = next(round_number)
        some = range(FIRST_DEVICE_ID + number % 50, FIRST_DEVICE_ID + uem.devices, 50)
        uem.do("devices/edit", ids=list(some), set={"OperatingSystem": f"17.{number}"})
        uem.do("devices/touch", at=now().isoformat())
        path = f"{url}/integrations/{dashboard.INTEGRATION}/sync"
        answer = session.post(path, allow_redirects=False, timeout=60)
        return None if answer.status_code == 303 else str(answer.status_code)

    load.repeat("syncs", every, change_and_sync)


def long_reader(load: Load, database: Path, reads_for: float, every: float) -> None:
    """Somebody who reads one state of the SQLite database for long, as an export does."""

    def read() -> str | None:
        connection = sqlite_module().connect(database, isolation_level=None)
        try:
            connection.execute("BEGIN")
            connection.execute("SELECT count(*) FROM device").fetchone()
            time.sleep(reads_for)
            connection.execute("ROLLBACK")
        finally:
            connection.close()
        return None

    load.repeat("long reads", every, read)
