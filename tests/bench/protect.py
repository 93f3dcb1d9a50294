"""Check-ins with the real product as `python app.py`, alone and beside a sync; and rating a fleet anew."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from harmony.clock import monotonic, now
from harmony.models import Role
from harmony.security.users import create_user
from tests.bench import checkins, dashboard
from tests.bench.checkins import CheckIn
from tests.bench.process import ROOT, cpu_seconds, rss_mib
from tests.bench.protected import REGISTERED, park_jobs, protect, rating_seconds
from tests.bench.results import Result, middle, percentile
from tests.bench.simulated import Simulated
from tests.bench.start import Runs
from tests.processes.product import Product, running, signed_in
from tests.waiting import wait_for

RATE, SECONDS = 300.0, 20.0
MOST_P99_MS, MOST_P99_BESIDE_A_SYNC_MS = 100.0, 250.0
MOST_RATING_SECONDS = 5.0
MOST_GROWTH_MIB = 10.0
CLOSED_SECONDS = 5.0


def measure(uem: Simulated, folder: Path, repeats: int) -> list[Result]:
    """Every line of protect's table. The devices come from a real sync, who protects them from here."""
    uem.gather()
    place = dashboard.make(folder / "protect", uem)
    dashboard.sync(place)
    keys, password = folder / "protect-keys", secrets.token_urlsafe(16)
    with dashboard.opened(place):
        keys.write_text("\n".join(protect()), encoding="ascii")
        park_jobs()
        create_user("bench", password, Role.ADMINISTRATOR, now())
        rating = [rating_seconds(number) for number in range(repeats)]
    uem.do("devices/touch", at=now().isoformat())
    with running(place) as product, closing(Runs(place)) as runs:
        product.until_ready()
        loads = _loads(product, runs, keys, password)
    detail = {"unit": "s", "seconds": rating, "devices": uem.devices}
    return [*loads, Result("protect.rating_seconds", middle(rating), MOST_RATING_SECONDS, detail=detail)]


def _loads(product: Product, runs: Runs, keys: Path, password: str) -> list[Result]:
    runs.until_idle()
    web = product.web()
    # Every device once, so that what is measured is the day after, and the process is warm.
    _load(product, keys, RATE, REGISTERED / RATE)
    before = rss_mib(web)
    alone = _load(product, keys, RATE, SECONDS)
    beside = _beside_a_sync(product, keys, runs, password)
    flat_out = _load(product, keys, 0, CLOSED_SECONDS)
    grown = round(rss_mib(web) - before, 1)
    most = len(flat_out["check_ins"]) / CLOSED_SECONDS
    return [
        *_verdicts("alone", alone, MOST_P99_MS),
        *_verdicts("beside_a_sync", beside, MOST_P99_BESIDE_A_SYNC_MS),
        Result("protect.most_a_second", round(most), detail=_detail(flat_out)),
        Result("protect.web_growth_mib", grown, MOST_GROWTH_MIB, detail={"unit": "MiB", "before": before}),
    ]


def _beside_a_sync(product: Product, keys: Path, runs: Runs, password: str) -> dict[str, Any]:
    """Check-ins until a sync of every device has ended; only those count that were due while it ran."""
    url = product.url()
    with signed_in(url, "bench", password) as browser, _checking_in(url, keys, RATE, 0) as ended:
        newest = runs.newest()
        browser.post(f"{url}/integrations/{dashboard.INTEGRATION}/sync", timeout=30, allow_redirects=False)
        wait_for(lambda: runs.newest() > newest, "the sync to start")
        began = monotonic()
        runs.until_idle(seconds=300)
        until = monotonic()
        time.sleep(0.5)
        found = ended()
    during = [one for one in found["check_ins"] if began <= one[0] <= until]
    return found | {"check_ins": during, "sync_seconds": round(until - began, 2)}


def _load(product: Product, keys: Path, rate: float, seconds: float) -> dict[str, Any]:
    """Check-ins for so long; also what each cost the web process, which other processes cannot change."""
    web = product.web()
    before = cpu_seconds(web)
    with _checking_in(product.url(), keys, rate, seconds) as ended:
        found = ended()
    spent = (cpu_seconds(web) - before) * 1000 / max(1, len(found["check_ins"]))
    return found | {"web_cpu_ms_each": round(spent, 3)}


@contextmanager
def _checking_in(url: str, keys: Path, rate: float, seconds: float) -> Iterator[Callable[[], dict[str, Any]]]:
    """A process that checks in; calling what this gives waits for its end, and returns what it saw."""
    command = [sys.executable, "-m", checkins.__name__, url, str(keys), str(rate), str(seconds)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            if process.stdout is None or process.stdout.readline() != "ready\n":
                raise RuntimeError("the check-ins did not start")
            yield lambda: json.loads(process.communicate()[0])
        finally:
            process.kill()


def _verdicts(name: str, found: dict[str, Any], bound: float) -> list[Result]:
    detail = _detail(found)
    return [
        Result(f"protect.{name}.p99_ms", detail["p99_ms"], bound, detail=detail),
        Result(f"protect.{name}.errors", sum(detail["errors"].values()), 0, detail=detail["errors"]),
    ]


def _detail(found: dict[str, Any]) -> dict[str, Any]:
    check_ins: list[CheckIn] = found["check_ins"]
    waited = [ms for _, ms, _ in check_ins]
    shown = {f"p{percent}_ms": round(percentile(waited, percent), 2) for percent in (50, 90, 99)}
    more = {name: value for name, value in found.items() if name != "check_ins"}
    errors = Counter(error for *_, error in check_ins if error)
    return shown | {"worst_ms": round(max(waited), 2), "check_ins": len(waited), "errors": errors} | more
