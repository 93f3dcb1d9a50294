"""A real worker whose writes fail for a while (rungs M and F): it lives on, and then all is put right."""

from __future__ import annotations

import pytest

from harmony.jobs.queue import TICK, enqueue
from harmony.jobs.recovery import SILENT
from harmony.simulator.server import RunningSimulator
from tests.durability.shortage import files_end_at
from tests.processes.conftest import DEVICES, Make
from tests.processes.product import ONE_BY_ONE, WORKER, running
from tests.processes.tenancy import Tenancy, held_back
from tests.waiting import wait_for

pytestmark = pytest.mark.processes

# Beyond the worker's log and queue, short of the database.
LIMIT = 96 * 1024
# More than fills a write; the devices of the next ones are still to come.
QUICK_PAGES = 3
LONG_AGO = "2026-01-01 00:00:00.000000"


def wal_size(home: Tenancy) -> int:
    """Bytes that were written since the last start."""
    wal = home.folder / "harmony.db-wal"
    return wal.stat().st_size if wal.exists() else 0


def test_a_worker_that_cannot_write_lives_on_and_its_run_is_closed_and_repeated(
    make: Make, uem: RunningSimulator
) -> None:
    home = make("home")
    with (
        home.read(),
        held_back(uem, after=QUICK_PAGES) as let_go,
        running(home.folder, WORKER, **ONE_BY_ONE) as worker,
    ):
        wait_for(lambda: wal_size(home) > LIMIT, "the database to grow")
        assert home.states() == ["running"]
        with files_end_at(LIMIT, worker.process.pid):
            let_go()
            wait_for(lambda: "The end of run 1 could not be written" in worker.text(), "it to fail")
            wait_for(lambda: "The heartbeat could not be written" in worker.text(), "it to live on")
        assert worker.process.poll() is None
        assert "[parameters:" not in worker.text(), "personal data in the log"
        assert home.states() == ["running"], "nobody could say that it ended"
        home.ask("UPDATE job SET lease_until = ?", LONG_AGO)
        with home.opened():
            enqueue(TICK)
        home.until("aborted", "ok")
        assert worker.process.poll() is None
    assert home.runs()[0]["reason"] == SILENT
    assert home.ask("SELECT count(*) FROM device") == [(DEVICES,)]
    assert home.was_missing() == []
    home.is_sound()
