"""The worker killed -9 at random moments while the world changes (rung K): nothing is torn, nothing is lost.

`make soak` kills more often, at other moments.
"""

from __future__ import annotations

import random
import subprocess
from collections import Counter
from contextlib import suppress

import pytest

from harmony.simulator import changes
from harmony.simulator.server import RunningSimulator
from tests.processes.conftest import Make
from tests.processes.product import WORKER, Product, running
from tests.processes.tenancy import Tenancy
from tests.sampling import sample, seed
from tests.waiting import wait_for

pytestmark = [pytest.mark.processes, pytest.mark.soak]

KILLS = sample(4, 60)
SEED = seed(20261124)
# The first devices may be unenrolled and are never edited; so both folders remember the same of them.
MAY_LEAVE = 500


@pytest.mark.timeout(60 + 15 * KILLS)
def test_the_worker_may_die_at_any_moment(make: Make, uem: RunningSimulator) -> None:
    home, unbroken, chance = make("home"), make("unbroken"), random.Random(SEED)  # noqa: S311 - repeatable
    leaving = chance.sample(list(uem.world.devices)[:MAY_LEAVE], MAY_LEAVE)
    gone: set[str] = set()
    home.sync_unbroken()
    unbroken.sync_unbroken()
    uem.tenant.latency_ms = 150  # a run is then about as long as the span in which it is killed
    for _ in range(KILLS):
        gone |= _the_world_changes(uem, chance, leaving)
        home.request_sync()
        _live_and_die(home, chance)
        assert home.states().count("running") <= 1
        home.is_sound()
    home.request_sync()
    with running(home.folder, WORKER):
        wait_for(lambda: home.states()[-1] == "ok" and "running" not in home.states(), "the last run")
    unbroken.sync_unbroken()
    print(f"{KILLS} kills left the runs {Counter(home.states())}")  # noqa: T201 - the measurement
    assert home.states().count("aborted") >= KILLS / 4, "the kills did not hit"
    assert home.dump() == unbroken.dump()
    assert {row[0] for row in home.was_missing()} == gone
    home.is_sound()


def _the_world_changes(uem: RunningSimulator, chance: random.Random, leaving: list[int]) -> set[str]:
    """A few more, edited, moved and unenrolled; the ids of those that left."""
    staying = [ident for ident in uem.world.devices if ident not in leaving]
    changes.add(uem.world, chance.randrange(60))
    changes.edit(uem.world, chance.sample(staying, 400), {"OperatingSystem": str(chance.random())})
    changes.move(uem.world, chance.sample(staying, 200), chance.choice(list(uem.world.groups)))
    left = [leaving.pop() for _ in range(min(len(leaving), chance.randrange(5)))]
    changes.remove(uem.world, left)
    return {str(ident) for ident in left}


def _live_and_die(home: Tenancy, chance: random.Random) -> None:
    """A worker for a random time: sometimes from its first breath on, mostly from the start of its run."""
    before = len(home.states())
    with running(home.folder, WORKER) as worker:
        if chance.random() < 0.25:
            _let_live(worker, chance.uniform(0, 2))
            return
        wait_for(lambda: len(home.states()) > before, "the next run")
        _let_live(worker, chance.uniform(0, 1))


def _let_live(worker: Product, seconds: float) -> None:
    """Not a sleep in hope: the random moment of death is what the test is about."""
    with suppress(subprocess.TimeoutExpired):
        worker.process.wait(seconds)
