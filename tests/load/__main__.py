"""`make soak-load MINUTES=60`: the product under a steady load on each database, and what of it grows.

Devices are synced and tagged, Protect apps check in, fifty browsers poll pages, and on SQLite somebody reads
for long. Every ten seconds memory, file handles and threads of each process are sampled, and the WAL. It ends
with 1 when a series grows in the second half, or when requests fail.
"""

from __future__ import annotations

import argparse
import json
import secrets
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from harmony.clock import monotonic, now
from harmony.models import Role
from harmony.security.users import create_user
from tests.bench import dashboard
from tests.bench.protected import protect
from tests.bench.simulated import Simulated, simulated
from tests.database import running_server
from tests.load import clients
from tests.load.samples import WAL, Sample, Series, of_process, size_mib, table
from tests.processes.product import WEB_NAME, WORKER_NAME, Product, running, signed_in

NAME = "load"
EVERY_SECONDS = 10.0
# Of all requests: a page that waits longer than its deadline on a busy machine is no leak.
MOST_FAILED_SHARE = 0.001


def main() -> int:
    asked = _parser().parse_args()
    results = {}
    with simulated(asked.devices) as uem:
        uem.gather()
        for database in asked.on:
            with tempfile.TemporaryDirectory(prefix="harmony-load-") as folder, _url(database) as url:
                results[database] = _run(uem, Path(folder), url, asked)
    return int(not all([_judge(name, *found) for name, found in results.items()]))


@contextmanager
def _url(database: str) -> Iterator[str]:
    """HARMONY_DATABASE_URL of a database for this load alone; "" for SQLite."""
    if database == "sqlite":
        yield ""
        return
    with running_server() as server, server.database() as url:
        yield url


def _run(
    uem: Simulated, folder: Path, url: str, asked: argparse.Namespace
) -> tuple[list[Series], Counter[str]]:
    place, password = folder / "data", secrets.token_urlsafe(16)
    dashboard.make(place, uem, database_url=url)
    dashboard.sync(place)
    with dashboard.opened(place):
        keys = protect(min(asked.registered, asked.devices))
        create_user(NAME, password, Role.ADMINISTRATOR, now())
    environment = {"HARMONY_DATABASE_URL": url, "HARMONY_CALLS_PER_MINUTE": "4999"}
    with running(place, **environment) as product:
        product.until_ready()
        with signed_in(product.url(), NAME, password) as browser:
            load = clients.Load()
            clients.check_ins(load, product.url(), keys, asked.check_ins)
            clients.browsers(load, product.url(), browser.cookies, asked.browsers, asked.poll)
            clients.syncs(load, product.url(), browser.cookies, uem, asked.sync_every)
            if not url:
                clients.long_reader(load, place / "harmony.db", asked.read, 60)
            try:
                return _sampled(product, place, asked.minutes * 60), load.done
            finally:
                load.stop()


def _sampled(product: Product, place: Path, seconds: float) -> list[Series]:
    found: dict[tuple[str, str], list[Sample]] = defaultdict(list)
    began = monotonic()
    while (at := monotonic() - began) < seconds:
        for key, value in _now(product, place).items():
            found[key].append((at, value))
        time.sleep(max(0.0, EVERY_SECONDS - (monotonic() - began - at)))
    return [Series(*key, samples) for key, samples in found.items()]


def _now(product: Product, place: Path) -> Mapping[tuple[str, str], float]:
    """Return one sample of everything, by what and its unit."""
    processes = {"web": product.pids(WEB_NAME), "worker": product.pids(WORKER_NAME)}
    processes["supervisor"] = [product.process.pid]
    found = {
        (name, unit): value
        for name, pids in processes.items()
        for pid in pids[:1]
        for unit, value in of_process(pid).items()
    }
    for file in ("harmony.db", "queue.db"):
        if (place / file).exists():
            found[file, WAL] = size_mib(place / f"{file}-wal")
    return found


def _judge(name: str, every: list[Series], done: Counter[str]) -> bool:
    """Print what was found, and whether all is well."""
    growing = [f"{series.name} {series.unit}" for series in every if not series.is_flat]
    failed = {what: count for what, count in done.items() if ":" in what}
    few = sum(failed.values()) <= MOST_FAILED_SHARE * sum(done.values())
    sys.stdout.write(f"\n{name}: {json.dumps(done)}\n{table(every)}")
    sys.stdout.write(f"Growing: {', '.join(growing) or 'nothing'}. Failed: {failed or 'nothing'}.\n")
    sys.stdout.flush()
    return not growing and few


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make soak-load", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60, help="on each database")
    parser.add_argument("--on", nargs="+", default=["sqlite", "postgresql"], choices=["sqlite", "postgresql"])
    parser.add_argument("--devices", type=int, default=5000)
    parser.add_argument("--registered", type=int, default=1000)
    parser.add_argument("--check-ins", type=float, default=20, help="a second")
    parser.add_argument("--browsers", type=int, default=50)
    parser.add_argument("--poll", type=float, default=5, help="seconds between two requests of a browser")
    parser.add_argument("--sync-every", type=float, default=60, help="seconds")
    parser.add_argument("--read", type=float, default=20, help="seconds of each long read of SQLite")
    return parser


if __name__ == "__main__":
    sys.exit(main())
