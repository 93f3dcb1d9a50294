"""kill -9 of the process that reads pages, and of its worker (rung K): nothing is lost or left behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harmony.simulator.server import RunningSimulator, start
from harmony.simulator.world import World
from harmony.uem.workspace_one.page_process import LARGE_FLEET
from tests.canaries import watched
from tests.processes.conftest import Make
from tests.processes.product import Product, command_line, kill, running
from tests.waiting import wait_for

pytestmark = pytest.mark.processes
COMMAND = "page_process"
# Slow enough that a run lasts until somebody was killed.
LATENCY_MS = 500


@pytest.fixture
def uem() -> Iterator[RunningSimulator]:
    """A simulated UEM of a fleet that is worth a process."""
    simulator = start(World(LARGE_FLEET, seed=11, quirks=False))
    simulator.tenant.latency_ms = LATENCY_MS
    credentials = simulator.credentials
    with watched(credentials.client_secret, credentials.password, credentials.api_key):
        yield simulator
        simulator.stop()


def page_process(product: Product) -> int:
    """The pid of the one that is there while the devices are read."""
    (pid,) = wait_for(lambda: page_processes(product), "a process that reads pages")
    return pid


def page_processes(product: Product) -> list[int]:
    return [pid for pid in product.pids() if COMMAND in command_line(pid)]


def test_a_sync_whose_page_process_is_killed_reads_every_device_and_leaves_nobody_behind(
    make: Make, uem: RunningSimulator
) -> None:
    home = make("home")
    with running(home.folder) as product:
        kill(page_process(product))
        assert home.until("ok", seconds=120)["added"] == LARGE_FLEET
        assert page_processes(product) == []
        assert product.stop() == 0
    home.is_sound()
    assert home.was_missing() == []


def test_a_page_process_ends_with_its_worker_and_the_next_one_reads_every_device(
    make: Make, uem: RunningSimulator
) -> None:
    home = make("home")
    with running(home.folder) as product:
        reader = page_process(product)
        kill(product.worker())
        wait_for(lambda: reader not in product.pids(), "the end of the process that reads pages")
        home.until("aborted", "ok", seconds=120)
        assert product.stop() == 0
    home.is_sound()
    assert home.was_missing() == []
