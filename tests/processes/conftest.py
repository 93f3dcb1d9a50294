"""A simulated UEM, and data folders that are connected to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harmony.simulator.server import RunningSimulator, start
from harmony.simulator.world import World
from tests.canaries import watched
from tests.processes.tenancy import Tenancy, a_tenancy

DEVICES = 2500

Make = Callable[..., Tenancy]


@pytest.fixture
def uem() -> Iterator[RunningSimulator]:
    """A simulated UEM of 2,500 devices, all of them readable, over real TLS, in this process."""
    simulator = start(World(DEVICES, seed=11, quirks=False))
    credentials = simulator.credentials
    with watched(credentials.client_secret, credentials.password, credentials.api_key):
        yield simulator
        simulator.stop()


@pytest.fixture
def make(tmp_path: Path, migrated_file: Path, uem: RunningSimulator) -> Make:
    """`make("name", groups, due)`: a data folder of that name whose integration syncs this UEM."""

    def made(name: str, *groups: str, **options: object) -> Tenancy:
        chosen = groups or tuple(str(group) for group in uem.world.groups)
        return a_tenancy(tmp_path / name, migrated_file, uem, chosen, **options)  # type: ignore[arg-type]

    return made
