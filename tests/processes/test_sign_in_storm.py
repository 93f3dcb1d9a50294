"""Sign-ins by the dozen at the real server with real hashes (rung M): memory stays bounded."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from requests.adapters import HTTPAdapter

from harmony.security.passwords import MOST_AT_ONCE
from tests.conftest import ADMINISTRATOR, PASSWORD
from tests.processes.product import ROOT, Product, running

pytestmark = pytest.mark.processes

MANY = 30
HASH_MIB = 64
# Two hashes at once, of which an allocator may keep as much again, and thirty answers being made.
MOST_GROWTH_MIB = 2 * MOST_AT_ONCE * HASH_MIB


class FromAddress(HTTPAdapter):
    """Connects from one of the loopback addresses, so that no throttle takes the thirty for one."""

    def __init__(self, number: int) -> None:
        self._source = (f"127.0.1.{number}", 0)
        super().__init__()

    def init_poolmanager(self, *arguments: object, **options: object) -> None:
        super().init_poolmanager(*arguments, source_address=self._source, **options)  # type: ignore[no-untyped-call]


def peak_mib(pid: int) -> int:
    """The most memory that the process ever had resident."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) // 1024


def add_administrator(product: Product) -> None:
    command = [sys.executable, "-m", "flask", "--app", "app", "users", "add", ADMINISTRATOR]
    subprocess.run(command, cwd=ROOT, env=product.environment, input=PASSWORD.encode(), check=True)


def sign_in(url: str, number: int, password: str) -> int:
    with requests.Session() as browser:
        browser.mount("http://", FromAddress(number))
        form = {"name": ADMINISTRATOR, "password": password}
        return browser.post(f"{url}/sign-in", data=form, allow_redirects=False, timeout=120).status_code


def test_thirty_sign_ins_at_once_cost_the_memory_of_a_few(tmp_path: Path) -> None:
    with running(tmp_path / "data") as product:
        product.until_ready()
        add_administrator(product)
        url, web = product.url(), product.web()
        assert sign_in(url, 100, PASSWORD) == 303
        before = peak_mib(web)
        with ThreadPoolExecutor(MANY) as threads:
            right = threads.map(lambda number: sign_in(url, number, PASSWORD), range(1, MANY + 1))
            answers = Counter(right)
            wrong = threads.map(lambda number: sign_in(url, number, "wrong" * 4), range(1, MANY + 1))
            refusals = Counter(wrong)
        assert answers[303] >= MOST_AT_ONCE
        assert answers.keys() <= {303, 429}
        assert refusals.keys() <= {422, 429}
        assert peak_mib(web) - before <= MOST_GROWTH_MIB
        assert sign_in(url, 101, PASSWORD) == 303
