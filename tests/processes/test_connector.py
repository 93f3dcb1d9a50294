"""Agents of a Connector as processes of their own, killed in the middle of a sync. Rung K."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import msgspec
import pytest

from harmony.clock import now
from harmony.db import write
from harmony.models import SetupPage
from harmony.models.configuration import SERVER, ServerDetails, from_row, to_row
from harmony.relay import connectors
from harmony.security.credentials import SECRET_FIELDS, seal_secrets, unseal
from harmony.simulator.server import RunningSimulator
from tests.bench.process import ROOT
from tests.browser.nginx import free_port
from tests.processes.conftest import DEVICES, Make
from tests.processes.product import APP, Product, kill, running
from tests.processes.tenancy import Tenancy
from tests.waiting import wait_for

pytestmark = pytest.mark.processes


def through_a_connector(home: Tenancy) -> str:
    """The integration's server is called through a Connector from now on; its key."""
    with home.opened():
        _, key = connectors.add("Head office", "test", now())
        with write() as session:
            page = session.get_one(SetupPage, (1, SERVER))
            details = from_row(ServerDetails, page.applied)
            clear = {field: unseal(1, details, field) for field in SECRET_FIELDS if getattr(details, field)}
            moved = msgspec.structs.replace(details, connector="Head office", **clear)
            page.draft = page.applied = to_row(seal_secrets(1, moved))
    return key


@contextmanager
def agent(product: Product, uem: RunningSimulator, key: str) -> Iterator[subprocess.Popen[bytes]]:
    """An agent of that key; stopped afterwards, and it must end well unless it was killed."""
    environment = {
        "PATH": "/usr/bin:/bin",
        "HARMONY_CONNECTOR_DASHBOARD": product.url(),
        "HARMONY_CONNECTOR_KEY": key,
        "HARMONY_CONNECTOR_ALLOW": f"{uem.url}, {uem.token_url}",
        "HARMONY_CONNECTOR_CALLS": "2",
    }
    started = subprocess.Popen([sys.executable, "-m", "harmony.connector"], cwd=ROOT, env=environment)
    try:
        yield started
        if started.poll() is None:
            started.terminate()
            assert started.wait(60) == 0
    finally:
        started.kill()
        started.wait(60)


def seen(home: Tenancy) -> int:
    """Agents that have asked for work."""
    return int(home.ask("SELECT count(*) FROM connector_agent")[0][0])


def test_a_sync_outlives_the_agent_that_fetched_its_pages(make: Make, uem: RunningSimulator) -> None:
    home = make("home", due=None)
    key = through_a_connector(home)
    uem.tenant.latency_ms = 300
    with running(home.folder, APP) as product, ExitStack() as stack:
        product.until_ready()
        agents = [stack.enter_context(agent(product, uem, key)) for _ in range(2)]
        wait_for(lambda: seen(home) == 2, "both agents")
        home.request_sync()
        home.until_pages(1)
        agents[0].send_signal(signal.SIGKILL)
        done = home.until("ok", seconds=120)
        assert done["added"] == DEVICES
        # The calls of the next job may be under way by now.
        unanswered = "SELECT count(*) FROM relay_call WHERE answered_at IS NULL AND created_at <= ?"
        assert home.ask(unanswered, done["finished_at"]) == [(0,)]
    home.is_sound()


def test_a_sync_outlives_the_web_process_that_its_calls_went_through(
    make: Make, uem: RunningSimulator
) -> None:
    home = make("home", due=None)
    key = through_a_connector(home)
    uem.tenant.latency_ms = 300
    # The agent calls the same address again once the web process was started anew.
    bind = f"127.0.0.1:{free_port()}"
    with running(home.folder, APP, HARMONY_BIND=bind) as product, agent(product, uem, key):
        product.until_ready()
        wait_for(lambda: seen(home) == 1, "the agent")
        home.request_sync()
        home.until_pages(1)
        kill(product.web())
        done = home.until("ok", seconds=120)
        assert done["added"] == DEVICES
        assert home.ask("SELECT count(*) FROM relay_call WHERE answered_at IS NULL") == [(0,)]
    home.is_sound()


def test_the_calls_of_a_killed_worker_hold_nobody_up(make: Make, uem: RunningSimulator) -> None:
    home = make("home", due=None)
    key = through_a_connector(home)
    uem.tenant.latency_ms = 300
    with running(home.folder, APP) as product, agent(product, uem, key):
        product.until_ready()
        wait_for(lambda: seen(home) == 1, "the agent")
        home.request_sync()
        home.until_pages(1)
        kill(product.worker())
        done = home.until("aborted", "ok", seconds=120)
        assert done["devices_read"] == DEVICES
    home.is_sound()
