"""A simulated tenant for each test, and one that serves over TLS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from harmony.simulator.server import RunningSimulator, start
from harmony.simulator.world import World
from tests.simulator.caller import Caller


@pytest.fixture
def uem() -> Caller:
    return Caller()


@pytest.fixture
def clean() -> Caller:
    """A tenant without missing or hostile values."""
    return Caller(quirks=False)


@pytest.fixture
def running() -> Iterator[RunningSimulator]:
    simulator = start(World(1200, seed=3))
    yield simulator
    simulator.stop()


@pytest.fixture
def session(running: RunningSimulator, tmp_path: Path) -> Iterator[requests.Session]:
    """A client that trusts the simulator's certificate and nothing else."""
    pem = tmp_path / "ca.pem"
    pem.write_text(running.ca_pem)
    with requests.Session() as client:
        client.trust_env = False
        client.verify = str(pem)
        mine = running.credentials
        form = {
            "grant_type": "client_credentials",
            "client_id": mine.client_id,
            "client_secret": mine.client_secret,
        }
        token = client.post(running.token_url, data=form, timeout=10).json()["access_token"]
        client.headers.update({"authorization": f"Bearer {token}", "accept": "application/json;version=2"})
        yield client
