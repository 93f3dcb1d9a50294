"""From the click on Sync Now to the started run, with the real product as `python app.py`; its idle cost."""

from __future__ import annotations

import secrets
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import requests

from harmony.clock import monotonic, now
from harmony.db import sqlite_module
from harmony.models import Role
from harmony.security.users import create_user
from tests.bench import dashboard
from tests.bench.process import cpu_seconds
from tests.bench.results import Result, middle, percentile
from tests.bench.simulated import simulated
from tests.processes.product import running, signed_in
from tests.waiting import wait_for

MOST_P99_MS = 150.0
MOST_IDLE_PERCENT = 1.0
CLICKS = 30
IDLE_SECONDS, IDLE_WINDOWS = 20.0, 3
DEVICES = 200
# The worker looks every 100 ms: the clicks fall into different parts of that.
REST_SECONDS, SHIFT_SECONDS = 0.4, 0.037


def measure(folder: Path) -> list[Result]:
    """Both lines of the start's table; always thirty clicks, of which the p99 is the slowest."""
    place, password = folder / "start", secrets.token_urlsafe(16)
    with simulated(DEVICES) as uem:
        dashboard.make(place, uem)
        with dashboard.opened(place):
            create_user("bench", password, Role.ADMINISTRATOR, now())
        with running(place) as product, closing(Runs(place)) as runs:
            product.until_ready()
            runs.until_idle()
            with signed_in(product.url(), "bench", password) as browser:
                clicks = [_click(browser, product.url(), runs, number) for number in range(CLICKS)]
            time.sleep(2)
            idle = [_idle_percent(product.worker()) for _ in range(IDLE_WINDOWS)]
    detail = {"unit": "ms", "p50_ms": round(percentile(clicks, 50), 1), "clicks": CLICKS}
    return [
        Result("start.p99_ms", round(percentile(clicks, 99), 1), MOST_P99_MS, detail=detail),
        Result("start.idle_cpu_percent", middle(idle), MOST_IDLE_PERCENT, detail={"percent": idle}),
    ]


class Runs:
    """The runs as the database shows them to anybody else."""

    def __init__(self, place: Path) -> None:
        self._database: Any = sqlite_module().connect(place / "harmony.db", isolation_level=None)

    def newest(self) -> int:
        """The newest run's id, 0 when there is none."""
        return self._ask("SELECT coalesce(max(id), 0) FROM job_run WHERE kind = 'devices'")

    def until_idle(self, seconds: float = 30) -> None:
        """Wait until there was a run and none is under way."""
        done = "SELECT count(*) > 0 AND count(*) = count(finished_at) FROM job_run WHERE kind = 'devices'"
        wait_for(lambda: self._ask(done), "the end of the run", seconds)

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def _ask(self, question: str) -> int:
        return int(self._database.execute(question).fetchone()[0])


def _click(browser: requests.Session, url: str, runs: Runs, number: int) -> float:
    """Milliseconds from the POST to the moment its run can be seen; the answer to the POST is read first."""
    runs.until_idle()
    time.sleep(REST_SECONDS + number * SHIFT_SECONDS % 0.1)
    before = runs.newest()
    began = monotonic()
    answer = browser.post(
        f"{url}/integrations/{dashboard.INTEGRATION}/sync", allow_redirects=False, timeout=30
    )
    if answer.status_code != 303:
        raise RuntimeError(f"Sync Now was answered with {answer.status_code}")
    while runs.newest() == before:
        if monotonic() - began > 30:
            raise RuntimeError("Sync Now started nothing within 30 seconds")
        time.sleep(0.001)
    return (monotonic() - began) * 1000


def _idle_percent(worker: int) -> float:
    """Percent of one core that the worker takes while nothing is due."""
    before, began = cpu_seconds(worker), monotonic()
    time.sleep(IDLE_SECONDS)
    return round((cpu_seconds(worker) - before) / (monotonic() - began) * 100, 2)
