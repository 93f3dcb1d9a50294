"""Chaos on two nodes (rung K): whatever fails during a sync, none runs twice and nothing is lost.

A process is killed, the server ends its connections or is started again, or the network of a node is cut.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

from harmony.clock import now
from harmony.jobs import lease
from harmony.jobs.kinds import JobKind
from harmony.jobs.queue import enqueue
from harmony.simulator.server import RunningSimulator
from tests.conftest import ADMINISTRATOR, PASSWORD
from tests.database import INITDB, Server, running_server
from tests.processes.cut_network import Way
from tests.processes.installation import WORKERS, Installation
from tests.processes.product import Product, kill, signed_in
from tests.processes.tenancy import held_back, server_details
from tests.sampling import sample, seed
from tests.waiting import wait_for

pytestmark = [
    pytest.mark.processes,
    pytest.mark.soak,
    pytest.mark.skipif(not INITDB, reason="needs PostgreSQL: apt-get install postgresql"),
]

ROUNDS = 24
TERMINATE = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
OVERLAPPING = (
    "SELECT a.id, b.id FROM job_run a JOIN job_run b ON a.id < b.id AND a.kind = b.kind "
    "AND b.started_at < a.heartbeat_at"
)
DEVICES = "SELECT count(*), count(missing_since), count(deleted_at) FROM device"


class Nodes:
    """Two nodes, a dashboard and a worker each, on a server of their own; each has its own way to it."""

    def __init__(self, installation: Installation, server: Server, stack: ExitStack) -> None:
        self.installation, self.server = installation, server
        self.ways: list[Way] = []
        self.webs: list[Product] = []
        self.workers: list[Product] = []
        for number in (1, 2):
            way = Way(server)
            stack.callback(way.close)
            database = {"HARMONY_DATABASE_URL": way.url(installation.url)}
            self.ways.append(way)
            self.webs.append(stack.enter_context(installation.node(f"web{number}", **database)))
            self.workers.append(
                stack.enter_context(installation.node(f"worker{number}", WORKERS, **database))
            )
        for web in self.webs:
            web.until_ready()

    def request(self) -> None:
        """Sync Now."""
        with self.installation.opened():
            lease.request(1, JobKind.DEVICES, ADMINISTRATOR, now())
            enqueue(JobKind.DEVICES, 1)

    def running_on(self) -> int:
        """The place of the worker that runs the sync."""

        def look() -> str:
            rows = self.installation.ask(
                "SELECT owner FROM job_run WHERE state = 'running' AND kind = 'devices'"
            )
            return str(rows[0][0]) if rows else ""

        pid = int(wait_for(look, "a sync").split(":")[1])
        return next(place for place, worker in enumerate(self.workers) if pid in worker.pids())

    def until_good(self) -> None:
        """Ask until a sync has ended well, as a person would."""

        def look() -> bool:
            newest = (self.installation.states() or ["running"])[-1]
            if newest not in {"ok", "running"}:
                self.request()
            return newest == "ok"

        wait_for(look, "a good sync", 120)


def kill_a_process(nodes: Nodes, place: int) -> None:
    """kill -9 of the worker that runs it, and of a dashboard."""
    kill(nodes.workers[place].worker())
    kill(nodes.webs[place].web())


def end_connections(nodes: Nodes, _place: int) -> None:
    """The server ends every connection."""
    nodes.installation.ask(TERMINATE)


def restart_server(nodes: Nodes, _place: int) -> None:
    """The server is started again."""
    nodes.server.restart()


def cut_network(nodes: Nodes, place: int) -> None:
    """The node that runs it loses its network; the other takes over, and this one says how it is."""
    nodes.ways[place].cut()
    address = nodes.webs[place].url()
    answer = requests.get(f"{address}/readyz", timeout=30)
    assert (answer.status_code, answer.json()["reasons"]) == (503, ["The database does not answer."])
    assert requests.get(f"{address}/healthz", timeout=30).status_code == 200
    with signed_in(nodes.webs[1 - place].url(), ADMINISTRATOR, PASSWORD) as browser:
        page = browser.get(f"{nodes.webs[1 - place].url()}/integrations/1", timeout=30)
        assert page.status_code == 200
    # The lease would end after 90 seconds.
    nodes.installation.ask("UPDATE job SET lease_until = '2026-01-01' WHERE kind = 'devices'")
    wait_for(lambda: nodes.installation.states()[-1] != "running" or nodes.running_on() != place, "the other")


FAILURES: tuple[Callable[[Nodes, int], None], ...] = (
    kill_a_process, end_connections, restart_server, cut_network,
)  # fmt: skip


@pytest.fixture
def nodes(tmp_path: Path, uem: RunningSimulator) -> Iterator[Nodes]:
    """Two nodes whose integration has been synced once."""
    with running_server() as server, server.database() as url, ExitStack() as stack:
        installation = Installation(tmp_path, url)
        installation.prepare(server_details(uem), [str(group) for group in uem.world.groups])
        yield Nodes(installation, server, stack)


def test_whatever_fails_no_sync_runs_twice_and_nothing_is_lost(nodes: Nodes, uem: RunningSimulator) -> None:
    chance = random.Random(seed(1))  # noqa: S311 - which failure comes next
    failures = sample([*FAILURES], [chance.choice(FAILURES) for _ in range(ROUNDS)])
    nodes.request()
    nodes.until_good()
    devices = nodes.installation.ask(DEVICES)
    for fail in failures:
        with held_back(uem, after=1) as go_on:
            nodes.request()
            fail(nodes, nodes.running_on())
            go_on()
        nodes.until_good()
        for way in nodes.ways:
            way.mend()
        assert nodes.installation.ask(DEVICES) == devices, fail.__name__
        assert nodes.installation.ask(OVERLAPPING) == [], fail.__name__
        for web in nodes.webs:
            web.until_ready()
    assert nodes.installation.ask("SELECT count(*) FROM caution") == [(0,)]
