"""A UEM that only the agent of a Connector reaches. Rung S: sockets and TLS on both sides."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from harmony.clock import now
from harmony.connector.dashboard import Dashboard
from harmony.connector.execution import Executor
from harmony.connector.wire import Poll, Reply, WireCall, Work, decode
from harmony.db import db, write
from harmony.models import RelayCall, RelayPart, SyncKind, SyncRunState
from harmony.models.configuration import IN_FORCE
from harmony.relay import connectors
from harmony.setup.verify import verify
from harmony.simulator.context import Tenant
from harmony.sync import job as sync_job
from harmony.uem.http import session
from harmony.uem.http.client import CallLimits
from harmony.uem.http.sockets import open_socket
from tests.faults import test_answers, test_pages
from tests.faults.agents import running, settings_of
from tests.faults.fleet import refusal
from tests.faults.scene import QUICK, Case, Scene, cases
from tests.ops.served import serving
from tests.sampling import soaking
from tests.sync.test_named_devices import a_listener, announce

OK, INCOMPLETE, FAILED = SyncRunState.OK, SyncRunState.INCOMPLETE, SyncRunState.FAILED
_numbers = count(1)
# Long enough for an agent to say of a slow server what it saw.
_PATIENT = CallLimits(request_seconds=5.0, total_seconds=20.0, attempts=1)
_ALL = [case for case in (*test_answers.CASES, *test_pages.CASES) if not case.setup]
_QUICK = [case for case in _ALL if case.limits is QUICK]
_SLOW = [replace(case, limits=_PATIENT) for case in _ALL if case.limits is not QUICK]
_HUGE = [case for case in _QUICK if case.id == "a-bomb"]
# Each case waits for an agent; a sample of them has answers, pages and rows of each kind.
THROUGH = [*_QUICK, *_SLOW] if soaking() else [*_QUICK[:: len(_QUICK) // 8], *_HUGE, _SLOW[-2]]


@dataclass
class Site:
    """A Connector with its key, and the port of the dashboard that its agents call."""

    id: int
    key: str
    port: int


@pytest.fixture
def site(house: Flask, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """The scene's server is called through a Connector, whose agent nobody has started yet."""
    name = f"Site {next(_numbers)}"
    id_, key = connectors.add(name, "test", now())
    scene.point(connector=name)
    over = house.extensions["harmony.relay"].over
    over.clear()
    with serving(house, monkeypatch, over) as served:
        yield Site(id_, key, served.port)


def left() -> int:
    """Calls and answers that are still in the database."""
    db.session.rollback()
    calls = db.session.scalar(select(func.count()).select_from(RelayCall)) or 0
    return calls + (db.session.scalar(select(func.count()).select_from(RelayPart)) or 0)


def test_every_device_comes_through_the_agent_and_nothing_of_it_stays(scene: Scene, site: Site) -> None:
    with running(settings_of(site.port, site.key, scene.server.url)):
        scene.learn()
        assert len(scene.devices()) == 9
    assert left() == 0


def test_a_whole_tenant_comes_through_with_a_token_and_tags(scene: Scene, tenant: Tenant, site: Site) -> None:
    server = scene.integration().in_force.server
    with running(settings_of(site.port, site.key, server.server_address)):
        scene.learn()
        assert scene.tag().state == OK
    assert len(scene.devices()) > 30
    assert left() == 0


def test_an_agent_keeps_its_connection_to_the_dashboard(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []

    def count_and_open(*arguments: Any) -> socket.socket:
        opened.append(arguments)
        return open_socket(*arguments)

    monkeypatch.setattr(session, "open_socket", count_and_open)
    dashboard = Dashboard(settings_of(site.port, site.key, "https://uem.test"))
    with closing(dashboard):
        for _ in range(3):
            assert dashboard.poll(Poll(agent="", host="", version="1", free=0)) == []
            nobody = Work(id="none", ticket="", kind="call", seconds=1, body=b"")
            assert not dashboard.hand_over(nobody, Reply())
    assert len(opened) == 1


def test_a_device_that_an_event_names_is_read_through_the_agent(
    scene: Scene, tenant: Tenant, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def noted(executor: Executor, work: Work) -> Reply:
        asked.append(decode(work.body, WireCall).path)
        return carry_out(executor, work)

    carry_out = Executor.carry_out
    monkeypatch.setattr(Executor, "carry_out", noted)
    with running(settings_of(site.port, site.key, scene.integration().in_force.server.server_address)):
        scene.learn()
        known = int(min(scene.devices(), key=int))
        with write() as rows:
            rows.add(a_listener(scene.integration_id))
        announce(scene.integration_id, [known])
        asked.clear()
        sync_job.sync(scene.integration_id, opener=scene.opener)
    assert (scene.last_run().sync_kind, scene.last_run().state) == (SyncKind.EVENTS, OK)
    assert f"/API/mdm/devices/{known}" in asked
    assert left() == 0


def test_without_an_agent_the_run_says_so(scene: Scene, site: Site) -> None:
    done = scene.sync()
    assert done.state == FAILED
    assert "has connected yet" in done.reason


def test_an_agent_refuses_a_server_that_is_not_on_its_list(scene: Scene, site: Site) -> None:
    with running(settings_of(site.port, site.key, "https://127.0.0.1:8443")):
        done = scene.sync()
    assert done.state == FAILED
    assert "is not on its list of servers" in done.reason
    assert "HARMONY_CONNECTOR_ALLOW" in done.advice


def test_an_error_of_the_uem_keeps_its_meaning(scene: Scene, site: Site) -> None:
    with running(settings_of(site.port, site.key, scene.server.url)):
        scene.learn()
        scene.fleet.break_with({"page 1": [refusal("503 Service Unavailable", 1000)] * 4})
        scene.suffer(INCOMPLETE, "")
        scene.fleet.break_with({})
        scene.recover()


@pytest.mark.soak
@cases(*THROUGH)
def test_every_fault_means_the_same_through_a_connector(
    scene: Scene, site: Site, monkeypatch: pytest.MonkeyPatch, case: Case
) -> None:
    with running(settings_of(site.port, site.key, scene.server.url)):
        scene.prove(case, monkeypatch)
    assert left() == 0


def test_a_revoked_connector_is_refused_on_both_sides(scene: Scene, site: Site) -> None:
    with running(settings_of(site.port, site.key, scene.server.url)):
        scene.learn()
        assert connectors.revoke(site.id, "test", now())
        done = scene.sync()
    assert done.state == FAILED
    assert "was revoked" in done.reason


def verified(scene: Scene) -> dict[str, dict[str, str]]:
    """The results of Verify of what is in force, by name."""
    verify(scene.integration_id, IN_FORCE)
    said = scene.integration().verification(IN_FORCE)
    assert said is not None
    return {result["name"]: result for result in said.results}


def test_verify_says_what_the_agent_sees(scene: Scene, site: Site) -> None:
    with running(settings_of(site.port, site.key, scene.server.url)):
        results = verified(scene)
    names = list(results)
    assert names[0].startswith("Connector Site")
    assert names[1:5] == ["Address", "Name", "Connection", "TLS"]
    assert {result["state"] for result in list(results.values())[:5]} == {"ok"}


def test_verify_says_on_which_side_it_failed(scene: Scene, site: Site) -> None:
    results = list(verified(scene).values())
    assert (results[0]["state"], {result["state"] for result in results[1:]}) == ("failed", {"not_tried"})
    scene.point(server_address="https://127.0.0.1:8443")
    with running(settings_of(site.port, site.key, "https://127.0.0.1:8443")):
        results = list(verified(scene).values())
    assert [result["state"] for result in results[:4]] == ["ok", "ok", "ok", "failed"]
    assert results[3]["sentence"] == "Nothing listens at 127.0.0.1:8443."
