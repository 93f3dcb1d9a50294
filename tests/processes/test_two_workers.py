"""Two worker processes on one database (rung M): one run at a time, and who was overtaken writes nothing."""

from __future__ import annotations

import signal

import pytest

from harmony.jobs.kinds import JobKind
from harmony.jobs.queue import enqueue, queue_of
from harmony.jobs.recovery import SILENT
from harmony.simulator import changes
from harmony.simulator.server import RunningSimulator
from tests.processes.conftest import Make
from tests.processes.product import ONE_BY_ONE, WORKER, kill, running
from tests.processes.tenancy import A_GLANCE_MS, SEARCH, Tenancy, let_go
from tests.waiting import wait_for

pytestmark = pytest.mark.processes

TASKS = 8
QUICK_PAGES = 3
LONG_AGO = "2026-01-01 00:00:00.000000"
HELD_MS = 3000


def workers_seen(home: Tenancy) -> int:
    """Count the worker processes that have sent a heartbeat."""
    return int(home.ask("SELECT count(*) FROM worker")[0][0])


def test_eight_rings_in_two_workers_make_one_run(make: Make, uem: RunningSimulator) -> None:
    home, uem.tenant.latency_ms = make("home", "570", due=None), A_GLANCE_MS
    with running(home.folder, WORKER), running(home.folder, WORKER), home.opened() as app:
        wait_for(lambda: workers_seen(home) == 2, "both workers")
        home.request_sync()
        for _ in range(TASKS):
            enqueue(JobKind.DEVICES, 1)
        wait_for(lambda: queue_of(app).pending_count() == 0, "every ring to be heard")
        assert home.states() == ["running"], "all rings were heard while the one run was under way"
        uem.tenant.latency_ms = 0
        home.until("ok")


def test_eight_rings_in_two_workers_make_one_delta(make: Make, uem: RunningSimulator) -> None:
    home = make("home", "570")
    home.sync_unbroken()
    home.ask("UPDATE job SET refresh_at = ?", LONG_AGO)
    uem.tenant.latency_ms = 400
    with home.opened() as app, running(home.folder, WORKER), running(home.folder, WORKER):
        wait_for(lambda: workers_seen(home) == 2, "both workers")
        for _ in range(TASKS):
            enqueue(JobKind.DEVICES, 1)
        wait_for(lambda: queue_of(app).pending_count() == 0, "every ring to be heard")
        run = home.until("ok", "ok")
    assert (run["sync_kind"], run["started_by"], run["missing"]) == ("delta", "schedule", 0)


def test_a_worker_that_was_overtaken_writes_nothing(make: Make, uem: RunningSimulator) -> None:
    home, unbroken = make("home"), make("unbroken")
    held = uem.tenant.faults.add("slow", path=SEARCH, after=QUICK_PAGES, value=HELD_MS)
    with running(home.folder, WORKER, **ONE_BY_ONE) as slow:
        home.until_pages()
        wait_for(lambda: held.hits, "a page that is held back")  # the quick ones were asked for before it
        with home.locked():  # or it might be stopped while it holds the lock, and nobody could write
            kill(slow.process.pid, signal.SIGSTOP)
        answered = uem.tenant.meter.calls
        wait_for(lambda: answered[f"GET {SEARCH}"] == QUICK_PAGES + held.hits, "yesterday in its sockets")
        let_go(uem)
        changes.edit(uem.world, list(uem.world.devices), {"DeviceFriendlyName": "the truth of today"})
        home.ask("UPDATE job SET lease_until = ?", LONG_AGO)
        with running(home.folder, WORKER) as quick:
            home.until("aborted", "ok")
            after = home.dump(), home.runs()
            kill(slow.process.pid, signal.SIGCONT)
            wait_for(lambda: "Run 1 of integration 1 had been ended" in slow.text(), "it to notice")
            assert (home.dump(), home.runs()) == after
            assert slow.process.poll() is None
            assert quick.process.poll() is None
    assert home.runs()[0]["reason"] == SILENT
    unbroken.sync_unbroken()
    assert home.dump() == unbroken.dump()
    assert home.was_missing() == []
