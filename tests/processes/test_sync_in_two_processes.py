"""Dashboard and worker as two real processes (rungs M and K): they sync, are stopped, killed, and go on."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from harmony.simulator import changes
from harmony.simulator.server import RunningSimulator
from tests.conftest import ADMINISTRATOR, PASSWORD
from tests.processes.conftest import DEVICES, Make
from tests.processes.product import ONE_BY_ONE, Product, kill, running, signed_in
from tests.processes.tenancy import A_GLANCE_MS, SEARCH, Tenancy, hold, let_go
from tests.waiting import wait_for

pytestmark = pytest.mark.processes


def test_a_first_sync_shows_its_progress_and_brings_every_device(make: Make, uem: RunningSimulator) -> None:
    home = make("home")
    uem.tenant.faults.add("slow", path=SEARCH, value=A_GLANCE_MS)
    with running(home.folder, **ONE_BY_ONE) as product:
        early = home.until_pages(1)
        later = home.until_pages(early["pages_read"] + 1)
        uem.tenant.faults.clear()
        whole = home.until("ok")
        assert early["step"].startswith("Reading "), early
        assert 0 < early["devices_read"] < later["devices_read"] <= whole["devices_read"], (early, later)
        assert 0 < early["added"] < later["added"] <= DEVICES, (early, later)
        assert (whole["added"], whole["missing"]) == (DEVICES, 0)
        assert home.ask("SELECT count(*) FROM device WHERE missing_since IS NULL") == [(DEVICES,)]
        assert product.stop() == 0


def test_sync_now_starts_a_run_without_waiting_for_the_tick(make: Make, uem: RunningSimulator) -> None:
    """The tick comes once a minute: eight runs by it would outlast the guard against hanging."""
    home = make("home", "570")
    with running(home.folder) as product:
        product.until_ready()
        wait_for(lambda: home.states() == ["ok"], "the first run")
        with signed_in(product.url(), ADMINISTRATOR, PASSWORD) as browser:
            for number in range(2, 10):
                sync = f"{product.url()}/integrations/1/sync"
                assert browser.post(sync, allow_redirects=False, timeout=60).status_code == 303
                assert home.until(*["ok"] * number)["started_by"] == ADMINISTRATOR


def a_day_passes(uem: RunningSimulator) -> None:
    """The world changes: some are new, some edited, some move; nobody leaves."""
    ids = list(uem.world.devices)
    changes.add(uem.world, 300)
    changes.edit(uem.world, ids[::7], {"OperatingSystem": "99.1", "DeviceFriendlyName": "edited"})
    changes.move(uem.world, ids[3:200], 571)


def test_a_killed_worker_is_started_again_and_converges(make: Make, uem: RunningSimulator) -> None:
    home, unbroken = make("home"), make("unbroken")
    hold(uem, after=3)
    with running(home.folder, **ONE_BY_ONE) as product:
        first = product.worker()
        broken = home.until_pages()
        assert broken["devices_read"] < DEVICES
        let_go(uem)
        kill(first)
        _is_aborted(home, broken["id"])
        assert home.until("aborted", "ok")["added"] + broken["added"] >= DEVICES
        assert product.worker() != first

        a_day_passes(uem)
        hold(uem, after=3)
        home.request_sync()
        broken = home.until_pages()
        let_go(uem)
        kill(product.worker())
        _is_aborted(home, broken["id"])
        home.until("aborted", "ok", "aborted", "ok")
        assert product.stop() == 0
    unbroken.sync_unbroken()
    assert home.dump() == unbroken.dump()
    assert home.was_missing() == []
    home.is_sound()


def _is_aborted(home: Tenancy, run_id: int) -> None:
    state = "SELECT state FROM job_run WHERE id = ?"
    wait_for(lambda: home.ask(state, run_id) == [("aborted",)], "the run to be aborted")


def by_service_manager(product: Product) -> None:
    """`kill` of the supervisor, as docker stop does."""
    product.process.terminate()


def by_the_whole_group(product: Product) -> None:
    """SIGTERM to every process, as systemd does by default."""
    for pid in product.pids():
        kill(pid, signal.SIGTERM)


def by_keyboard(product: Product) -> None:
    """Ctrl+C: the terminal interrupts every process of the group in its foreground."""
    os.killpg(product.process.pid, signal.SIGINT)


@pytest.mark.parametrize("stop", [by_service_manager, by_the_whole_group, by_keyboard])
def test_a_stop_in_mid_sync_cancels_the_run(
    make: Make, uem: RunningSimulator, stop: Callable[[Product], None]
) -> None:
    home = make("home")
    uem.tenant.faults.add("slow", path=SEARCH, value=A_GLANCE_MS)
    with running(home.folder, **ONE_BY_ONE) as product:
        product.web()
        home.until_pages()
        stop(product)
        assert product.ended() == 0
    (run,) = home.runs()
    assert run["state"] == "cancelled", run
    assert 0 < run["added"] < DEVICES


def test_a_silent_uem_does_not_hold_up_the_stop_and_the_next_start_goes_on(
    make: Make, uem: RunningSimulator
) -> None:
    home = make("home")
    hold(uem, after=3)
    with running(home.folder, **ONE_BY_ONE) as product:
        home.until_pages()
        assert product.stop() == 0
    assert not list(home.folder.parent.glob("harmony-*")), "temporary files were left behind"
    assert home.states() == ["cancelled"]
    let_go(uem)
    with running(home.folder) as product:
        home.until("cancelled", "ok")
        assert product.stop() == 0
    assert home.was_missing() == []
