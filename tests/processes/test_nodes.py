"""Dashboards and workers apart on one PostgreSQL (rung M): one run, the same keys, clocks that differ."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harmony.jobs.kinds import JobKind
from harmony.jobs.queue import enqueue
from harmony.security.keys import new_vault_key
from harmony.simulator.server import RunningSimulator
from tests.conftest import ADMINISTRATOR, PASSWORD
from tests.database import INITDB, Server
from tests.processes.installation import WEB, WORKERS, Installation
from tests.processes.product import is_fit_to_be_forked, running, signed_in
from tests.processes.tenancy import server_details
from tests.waiting import wait_for

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(not INITDB, reason="needs PostgreSQL: apt-get install postgresql"),
]

GROUP = ("570",)
RINGS = 8


@pytest.fixture
def installation(tmp_path: Path, server: Server, uem: RunningSimulator) -> Iterator[Installation]:
    """An installation with one integration, which is not due."""
    with server.database() as url:
        made = Installation(tmp_path, url)
        made.prepare(server_details(uem), GROUP)
        yield made


def test_a_sync_asked_for_on_one_node_runs_once_on_another(installation: Installation) -> None:
    with installation.two_and_two() as (webs, workers):
        assert all(map(is_fit_to_be_forked, (*webs, *workers)))
        with signed_in(webs[0].url(), ADMINISTRATOR, PASSWORD) as browser:
            # The session, too, is that of every dashboard.
            page = f"{webs[1].url()}/integrations/1"
            answer = browser.post(f"{page}/sync", headers={"Sec-Fetch-Site": "same-origin"}, timeout=60)
            assert answer.status_code == 200, answer.text
        with installation.opened():
            for _ in range(RINGS):
                enqueue(JobKind.DEVICES, 1)
        installation.until("ok")
    roles = installation.ask("SELECT count(*) FROM web_process UNION ALL SELECT count(*) FROM worker")
    assert roles == [(2,), (2,)]
    assert installation.ask("SELECT count(*) FROM caution") == [(0,)], "a new node is no restore"


def test_a_node_with_other_keys_is_refused_in_one_sentence_and_touches_nothing(
    installation: Installation,
) -> None:
    with installation.node("web1") as web:
        web.url()
        sealed = installation.ask("SELECT sealed FROM vault_canary")
        with installation.node("stranger", WORKERS, HARMONY_VAULT_KEYS=new_vault_key()) as stranger:
            assert stranger.ended() == 2
            (line,) = stranger.lines()
            assert line == (
                "Harmony does not start: What the other nodes have sealed cannot be opened: the keys of this "
                "node are others. Give every node the same HARMONY_VAULT_KEYS, or the file vault.keys of a "
                "node that runs."
            )
        with installation.node(
            "deaf", WORKERS, HARMONY_SECRET_KEY="another key of 32 characters or more"
        ) as deaf:
            assert deaf.ended() == 2
            assert "Give every node the same HARMONY_SECRET_KEY" in deaf.text()
        whole = ("app.py",)
        with installation.node("whole", whole, HARMONY_VAULT_KEYS=new_vault_key()) as stranger:
            assert stranger.ended() == 2
        assert installation.ask("SELECT sealed FROM vault_canary") == sealed
        assert installation.ask("SELECT stopped_why FROM integration") == [(None,)]


def test_dashboard_and_worker_run_apart_on_a_server_only(tmp_path: Path) -> None:
    with running(tmp_path / "data", WEB) as product:
        assert product.ended() == 2
        assert product.text().startswith("Harmony does not start: --web needs PostgreSQL")


CLOCK_OF_A_NODE = """
import datetime, runpy, sys
real = datetime.datetime
class Ahead(real):
    @classmethod
    def now(cls, tz=None):
        return real.now(tz) + datetime.timedelta(hours=3)
datetime.datetime = Ahead
sys.argv = ["harmony.worker.process"]
runpy.run_module("harmony.worker.process", run_name="__main__")
"""


def test_a_node_whose_clock_is_ahead_works_by_the_time_of_the_database(installation: Installation) -> None:
    with installation.node("web1") as web, installation.node("ahead", ("-c", CLOCK_OF_A_NODE), anew=True):
        web.until_ready()
        with signed_in(web.url(), ADMINISTRATOR, PASSWORD) as browser:
            browser.post(f"{web.url()}/integrations/1/sync", timeout=60)
        installation.until("ok")
        ahead = (
            "SELECT count(*) FROM job_run WHERE finished_at > now() AT TIME ZONE 'UTC' + interval '1 minute'"
        )
        assert installation.ask(ahead) == [(0,)]
        wait_for(lambda: installation.ask("SELECT ticked_at FROM worker") != [(None,)], "a tick")
        assert installation.ask("SELECT lease_until FROM job WHERE kind = 'devices'") == [(None,)]
