"""kill -9 of the dashboard and of the supervisor (rung K): no orphan, the port is free, all goes on."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from harmony.simulator.server import RunningSimulator
from tests.processes.conftest import Make
from tests.processes.product import ONE_BY_ONE, kill, running
from tests.processes.tenancy import hold, let_go
from tests.sampling import sample, seed
from tests.waiting import wait_for

pytestmark = pytest.mark.processes

MOMENTS = sample(2, 20)


@pytest.fixture
def bind() -> str:
    """An address with a port that is free now, to be bound again and again."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def is_free(bind: str) -> bool:
    """Whether a server could listen there at once."""
    host, port = bind.split(":")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(port)))
        except OSError:
            return False
    return True


def test_a_killed_dashboard_comes_back_on_its_port_and_the_sync_never_notices(
    make: Make, uem: RunningSimulator, bind: str
) -> None:
    home, uem.tenant.latency_ms = make("home"), 150
    with running(home.folder, HARMONY_BIND=bind) as product:
        product.until_ready()
        before = product.web()
        home.until_pages()
        kill(before)
        killed = time.monotonic()
        wait_for(lambda: before not in product.pids(), "the end of the old process")
        product.web()
        product.until_ready()
        print(f"the dashboard was back after {time.monotonic() - killed:.1f} s")  # noqa: T201 - the measurement
        assert home.until("ok", seconds=60)["missing"] == 0
        assert product.stop() == 0
    assert is_free(bind)


def test_nothing_outlives_a_killed_supervisor_and_the_next_start_heals(
    make: Make, uem: RunningSimulator, bind: str
) -> None:
    home = make("home")
    hold(uem, after=3)
    with running(home.folder, HARMONY_BIND=bind, **ONE_BY_ONE) as product, requests.Session() as browser:
        product.until_ready()
        product.web()
        home.until_pages()
        assert browser.get(f"{product.url()}/healthz", timeout=5).ok  # and the connection stays open
        killed = time.monotonic()
        kill(product.process.pid)
        assert product.ended(10) == -9
        print(f"all had left {time.monotonic() - killed:.1f} s after the supervisor")  # noqa: T201
        assert is_free(bind)
        let_go(uem)  # no earlier: the rest of the sync takes a third of a second
    with running(home.folder, HARMONY_BIND=bind) as product:
        product.until_ready()
        home.until("cancelled", "ok")
        assert product.stop() == 0
    assert home.was_missing() == []


def test_nothing_outlives_supervisor_and_dashboard_killed_at_once(make: Make, bind: str) -> None:
    home = make("home", due=None)
    with running(home.folder, HARMONY_BIND=bind) as product:
        web = product.web()
        kill(product.process.pid)
        kill(web)
        product.ended(10)
        assert is_free(bind)


def test_a_stop_leaves_the_database_in_one_file_even_when_nobody_else_closed_it(make: Make) -> None:
    home = make("home", due=None)
    with running(home.folder) as product:
        product.until_ready()
        parts = product.web(), product.worker()
        kill(product.process.pid, signal.SIGSTOP)  # so that it starts neither again
        for part in parts:
            kill(part)
        assert (home.folder / "harmony.db-wal").exists()
        product.process.terminate()
        kill(product.process.pid, signal.SIGCONT)
        assert product.ended() == 0
        assert not (home.folder / "harmony.db-wal").exists()
    home.is_sound()


@pytest.mark.soak
def test_the_supervisor_may_die_at_any_moment_of_its_start(make: Make, bind: str) -> None:
    home, chance = make("home"), random.Random(seed(3))  # noqa: S311 - repeatable
    for _ in range(MOMENTS):
        with running(home.folder, anew=True, HARMONY_BIND=bind) as product:
            with suppress(subprocess.TimeoutExpired):
                product.process.wait(chance.uniform(0.3, 2.2))  # the random moment is the test
            kill(product.process.pid)
            product.ended(15)
            assert is_free(bind)
    with running(home.folder, HARMONY_BIND=bind) as product:
        product.until_ready()
        wait_for(lambda: home.states()[-1:] == ["ok"], "a whole run")
        assert home.states().count("running") == 0
        assert product.stop() == 0
    home.is_sound()
    assert home.was_missing() == []


def test_an_interrupt_during_the_start_leaves_quietly(tmp_path: Path) -> None:
    with running(tmp_path / "data", anew=True) as product:
        group = os.getpgid(product.worker())
        assert group != product.process.pid, "the terminal would interrupt the worker as well"
        os.killpg(product.process.pid, signal.SIGINT)
        assert product.ended() == 0
        assert "Traceback" not in product.text(), product.text()


def test_a_port_that_is_taken_is_named_and_nothing_is_left_running(tmp_path: Path) -> None:
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", 0))
        squatter.listen()
        address = f"127.0.0.1:{squatter.getsockname()[1]}"
        with running(tmp_path / "data", HARMONY_BIND=address) as product:
            assert product.ended() == 2
            assert f"Harmony does not start: {address} cannot be listened on" in product.text()
            assert "Traceback" not in product.text()
