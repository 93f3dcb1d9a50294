"""The house of the fault tests: one application a module, one integration and one faulty UEM a test."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from harmony import create_app
from harmony.clock import now
from harmony.config import Settings
from harmony.db import db
from harmony.simulator.auth import Credentials
from harmony.simulator.context import Tenant
from harmony.simulator.server import RunningSimulator, start
from harmony.simulator.world import World
from harmony.sync import integration_removal, lifecycle
from tests.builders import an_integration
from tests.canaries import watch
from tests.faults.certs import Made, a_certificate
from tests.faults.faulty import serving
from tests.faults.fleet import Fleet
from tests.faults.scene import API_KEY, CANARIES, PASSWORD, SECRET, Scene

watch(*CANARIES)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> Iterator[Flask]:
    """A migrated application; making one for each of a hundred tests would cost more than the tests."""
    folder = tmp_path_factory.mktemp("house")
    (folder / "harmony.db").write_bytes(migrated_file.read_bytes())
    app = create_app(Settings(data_dir=folder, demo=True))
    app.testing = True
    yield app
    with app.app_context():
        db.engine.dispose()
    gc.collect()


@pytest.fixture(scope="session")
def made() -> Made:
    """The certificate of the faulty UEM."""
    return a_certificate(names=("127.0.0.1", "::1", "uem.test", "localhost"))


@pytest.fixture
def scene(house: Flask, made: Made, caplog: pytest.LogCaptureFixture) -> Iterator[Scene]:
    """An integration in force at a raw server of sockets and TLS, signed in by password."""
    fleet = Fleet()
    with house.app_context(), serving(fleet, made) as (server, pem):
        found = Scene(an_integration(), lambda: caplog.text, fleet, server, pem)
        found.point(server_address=server.url, self_signed=True, certificate=pem)
        found.by_password()
        found.forget_tokens()
        yield found
        db.session.rollback()
        lifecycle.remove(found.integration_id, "test", now(), keep_devices=False)
        integration_removal.carry_out(found.integration_id)
        join_fetchers()


@pytest.fixture(scope="session")
def simulated() -> Iterator[RunningSimulator]:
    """A simulated tenant of 1,100 devices: three pages of the real size."""
    account = Credentials(username="api.harmony", password=PASSWORD, api_key=API_KEY, client_secret=SECRET)
    world = World(1100, seed=7, quirks=False)
    running = start(world, tenant=Tenant(world, account))
    yield running
    running.stop()


@pytest.fixture
def tenant(scene: Scene, simulated: RunningSimulator) -> Iterator[Tenant]:
    """The simulated tenant, in good health, in the place of the scene's raw server; signed in by OAuth."""
    heal(simulated.tenant)
    scene.point(server_address=simulated.url, self_signed=True, certificate=simulated.ca_pem)
    scene.by_oauth(token_address=simulated.token_url, client_id=simulated.credentials.client_id)
    yield simulated.tenant
    heal(simulated.tenant)


def heal(tenant: Tenant) -> None:
    """No fault, no odd switch, the whole quota, everything permitted."""
    tenant.faults.clear()
    tenant.switches.reset()
    tenant.gate.revoke(False)
    tenant.gate.denied = frozenset()
    tenant.meter.leave(tenant.switches.number("rate_limit"), 250_000, 86_400)


def join_fetchers() -> None:
    """Pages that nobody waits for any more must not be fetched into the next test."""
    for thread in threading.enumerate():
        if thread.name.startswith("uem-page"):
            thread.join(10)
