"""A UEM behind a Connector: pages through its agent against direct ones, and what a connected agent costs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from harmony.clock import monotonic, now
from harmony.db import db, write
from harmony.models import Integration, IntegrationState
from harmony.relay import connectors
from harmony.relay.exchange import route_of
from harmony.uem.connection import Connection
from harmony.uem.registry import connect
from tests.bench import dashboard
from tests.bench.process import ROOT, cpu_seconds
from tests.bench.results import Result, middle
from tests.bench.simulated import TOP_ID, Simulated
from tests.processes.product import running
from tests.waiting import wait_for

NAME = "Bench"
FETCHERS = 4
# A page at the pace of a near and of a usual UEM, and the least share of the direct throughput.
SHARES = {0: 0.6, 150: 0.9}
IDLE_SECONDS, IDLE_WINDOWS, MOST_IDLE_PERCENT = 20.0, 3, 0.5


def measure(uem: Simulated, folder: Path, repeats: int) -> list[Result]:
    """Every line of the Connector's table."""
    place = dashboard.make(folder / "connector", uem)
    with dashboard.opened(place), running(place) as product:
        product.until_ready()
        with write() as session:
            session.get_one(Integration, dashboard.INTEGRATION).state = IntegrationState.PAUSED
        with _agent(uem, product.url()) as agent:
            try:
                shares = [_share(uem, latency, repeats) for latency in SHARES]
            finally:
                uem.do("latency", ms=0)
            return [*shares, *_idle({"dashboard": product.web(), "agent": agent})]


def _share(uem: Simulated, latency: int, repeats: int) -> Result:
    uem.do("latency", ms=latency)
    direct, relayed = [], []
    for _ in range(repeats):
        direct.append(_read_all(uem, uem.connection()))
        relayed.append(_read_all(uem, replace(uem.connection(), route=route_of(NAME))))
    value = middle([one / other for one, other in zip(direct, relayed, strict=True)])
    detail = {"unit": "of the direct throughput", "direct_s": direct, "through_connector_s": relayed}
    return Result(f"connector.pages_{latency}ms", value, SHARES[latency], at_least=True, detail=detail)


def _read_all(uem: Simulated, connection: Connection) -> float:
    began = monotonic()
    with closing(connect("workspace_one", connection, fetchers=FETCHERS, calls_per_minute=4999)) as client:
        read = sum(len(page.devices) for page in client.device_pages(str(TOP_ID)))
    if read != uem.devices:
        raise RuntimeError(f"{read} of {uem.devices} devices were read")
    return round(monotonic() - began, 3)


def _idle(processes: dict[str, int]) -> Iterator[Result]:
    """The processor that waiting for work takes, on both sides."""
    time.sleep(8)
    for name, pid in processes.items():
        windows = []
        for _ in range(IDLE_WINDOWS):
            before = cpu_seconds(pid)
            time.sleep(IDLE_SECONDS)
            windows.append(round(100 * (cpu_seconds(pid) - before) / IDLE_SECONDS, 2))
        yield Result(
            f"connector.idle_{name}_percent", middle(windows), MOST_IDLE_PERCENT, detail={"percent": windows}
        )


@contextmanager
def _agent(uem: Simulated, dashboard_url: str) -> Iterator[int]:
    _, key = connectors.add(NAME, "bench", now())
    environment = os.environ | {
        "HARMONY_CONNECTOR_DASHBOARD": dashboard_url,
        "HARMONY_CONNECTOR_KEY": key,
        "HARMONY_CONNECTOR_ALLOW": f"{uem.said['url']}, {uem.said['token_url']}",
    }
    agent = subprocess.Popen([sys.executable, "-m", "harmony.connector"], cwd=ROOT, env=environment)
    try:
        wait_for(_is_connected, "the agent to connect")
        yield agent.pid
    finally:
        agent.terminate()
        agent.wait(30)


def _is_connected() -> bool:
    db.session.rollback()
    return any(status.seen_at for status in connectors.statuses())
