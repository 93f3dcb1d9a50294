"""Fifty browsers that follow a running sync of the real product: the share of a core of its web process."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import requests

from harmony.clock import monotonic, now
from harmony.models import Role
from harmony.security.users import create_user
from tests.bench import dashboard
from tests.bench.process import cpu_seconds
from tests.bench.protected import protect
from tests.bench.results import Result
from tests.bench.simulated import Simulated
from tests.bench.start import Runs
from tests.processes.product import Product, running, signed_in

MOST_PERCENT = 10.0
BROWSERS, SECONDS = 50, 30.0
# As in `hx-trigger` of the parts that are asked for again.
INTERVAL_SECONDS = 2.0
# The sync takes longer than it is followed; pages are fetched four at a time.
SYNC_SECONDS, FETCHERS = 60.0, 4
PART = f"/integrations/{dashboard.INTEGRATION}/status"


def measure(uem: Simulated, folder: Path) -> list[Result]:
    """The line of the polling; a sync ran before, so that the pages have what there is to show."""
    place, password = folder / "polling", secrets.token_urlsafe(16)
    uem.gather()
    dashboard.make(place, uem)
    dashboard.sync(place)
    with dashboard.opened(place):
        protect()
        create_user("bench", password, Role.ADMINISTRATOR, now())
    with running(place) as product, closing(Runs(place)) as runs, _slow(uem):
        product.until_ready()
        runs.until_idle()
        with signed_in(product.url(), "bench", password) as browser:
            browser.post(f"{product.url()}{PART.removesuffix('status')}sync", timeout=30)
            percent, answers = _followed(product, browser)
    detail = {"unit": "% of a core", "browsers": BROWSERS, "answers": answers}
    return [Result("pages.polling_cpu_percent", percent, MOST_PERCENT, detail=detail)]


@contextmanager
def _slow(uem: Simulated) -> Iterator[None]:
    uem.do("latency", ms=round(SYNC_SECONDS * FETCHERS / uem.pages * 1000))
    yield
    uem.do("latency", ms=0)


def _followed(product: Product, browser: requests.Session) -> tuple[float, int]:
    """Return the share of a core that the web process took, in percent, and how many answers it gave."""
    url, web = f"{product.url()}{PART}", product.web()
    began, before = monotonic(), cpu_seconds(web)
    with ThreadPoolExecutor(BROWSERS) as pool:
        shifts = [number * INTERVAL_SECONDS / BROWSERS for number in range(BROWSERS)]
        answers = sum(pool.map(lambda shift: _poll(url, browser, began, shift), shifts))
    return round((cpu_seconds(web) - before) / (monotonic() - began) * 100, 1), answers


def _poll(url: str, browser: requests.Session, began: float, shift: float) -> int:
    """Ask again and again, as a page does; each is due at a time fixed beforehand."""
    answers, due = 0, began + shift
    with requests.Session() as window:
        window.cookies.update(browser.cookies)
        window.headers.update({"HX-Request": "true", "Accept-Encoding": "gzip"})
        while due < began + SECONDS:
            time.sleep(max(due - monotonic(), 0))
            answer = window.get(url, timeout=30)
            if answer.status_code != 200 or "hx-get" not in answer.text:
                raise RuntimeError(f"no sync was under way: {answer.status_code}")
            answers, due = answers + 1, due + INTERVAL_SECONDS
    return answers
