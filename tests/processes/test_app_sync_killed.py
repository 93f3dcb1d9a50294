"""The worker killed -9 in the middle of an app sync, several times (rung K): the next one goes on there."""

from __future__ import annotations

import pytest

from harmony.simulator.server import RunningSimulator
from tests.processes.conftest import Make
from tests.processes.product import WORKER, running
from tests.processes.tenancy import Tenancy
from tests.waiting import wait_for

pytestmark = pytest.mark.processes

APPS = "GET /mdm/devices/{id}/apps"
KILLS = 3
# What was under way or not yet written when the worker died is read again; no more than that.
LOST_BY_A_KILL = 80


def read(home: Tenancy) -> int:
    """How many devices have had their apps read."""
    count: int = home.ask("SELECT count(*) FROM app_reading")[0][0]
    return count


def states(home: Tenancy) -> list[str]:
    """How the app syncs ended, oldest first."""
    return [row[0] for row in home.ask("SELECT state FROM job_run WHERE kind = 'apps' ORDER BY id")]


def test_an_app_sync_that_is_killed_goes_on_where_it_was(make: Make, uem: RunningSimulator) -> None:
    home = make("home")
    home.sync_unbroken()
    phones = home.ask("SELECT count(*) FROM device WHERE platform = 'Apple'")[0][0]
    uem.tenant.latency_ms = 40
    for _ in range(KILLS):
        before = read(home)
        with running(home.folder, WORKER, HARMONY_CALLS_PER_MINUTE="4999"):
            wait_for(lambda before=before: read(home) > before + 20, "some more devices")  # type: ignore[misc]
        home.is_sound()
    uem.tenant.latency_ms = 0
    with running(home.folder, WORKER, HARMONY_CALLS_PER_MINUTE="4999"):
        wait_for(lambda: states(home)[-1] == "ok" and "running" not in states(home), "the last app sync")
    assert states(home).count("aborted") == KILLS
    assert read(home) == phones
    assert phones <= uem.tenant.meter.calls[APPS] <= phones + KILLS * LOST_BY_A_KILL
    counted = home.ask(
        "SELECT count(*) FROM app WHERE installs <> "
        "(SELECT count(DISTINCT device_id) FROM installed_app WHERE app_id = app.id)"
    )
    assert counted == [(0,)]
    home.is_sound()
