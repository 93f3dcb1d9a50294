"""The page of the nodes and its banners, on PostgreSQL, where there can be several (rung: shell)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.datastructures import Headers

from harmony.clock import now
from harmony.config.version import VERSION
from harmony.db import write
from harmony.jobs import lease, presence
from harmony.jobs.kinds import JobKind
from harmony.jobs.presence import Process, identity
from harmony.models import WebProcess, Worker
from harmony.ops import web_heartbeat
from tests.builders import NOON, an_integration
from tests.database import INITDB

MINUTE = timedelta(minutes=1)


@pytest.fixture
def database() -> str:
    """Banners are shown where several nodes are possible."""
    return "postgresql" if INITDB else "sqlite"


def a_process(
    role: str, node: str, minutes_ago: float = 0, version: str = "1", stopped: bool = False
) -> Process:
    """A process that was seen so long ago."""
    seen = NOON - minutes_ago * MINUTE
    identity = f"{role}{node}{version}{minutes_ago}"
    return Process(role, identity, node, version, seen, seen, seen if stopped else None)


def test_a_process_is_silent_unless_it_was_stopped_or_another_took_its_place() -> None:
    found = [
        a_process("web", "a", 5), a_process("web", "a", 0),
        a_process("worker", "b", 5), a_process("worker", "c", 5, stopped=True), a_process("worker", "d", 90),
    ]  # fmt: skip
    assert [(it.role, it.node) for it in presence.silent(found, NOON)] == [("worker", "b")]
    assert presence.versions([a_process("web", "a"), a_process("worker", "b", 9, version="0")], NOON) == ["1"]
    assert presence.versions([a_process("web", "a"), a_process("worker", "b", version="0")], NOON) == [
        "0",
        "1",
    ]


def test_the_page_lists_each_process_with_what_it_runs(app: Flask, signed_in: FlaskClient) -> None:
    with app.app_context():
        id_ = an_integration(name="Head office")
        with write() as session:
            moment = now()
            common = {"started_at": moment, "seen_at": moment}
            session.add(Worker(identity="w:1:1", node="berlin", version="0.0.1", **common))
        assert lease.claim(id_, JobKind.DEVICES, "w:1:1", now()) is not None
    web_heartbeat.record_heartbeat(app)
    page = signed_in.get("/settings/nodes").get_data(as_text=True)
    for text in ("berlin", "0.0.1", VERSION, "Dashboard", "Worker", "Device sync of Head office"):
        assert text in page
    assert f"Different versions run: {', '.join(sorted(('0.0.1', VERSION)))}" in page


@pytest.mark.skipif(not INITDB, reason="on SQLite there is one node")
def test_every_page_says_that_a_node_fell_silent_until_it_is_back(app: Flask, signed_in: FlaskClient) -> None:
    with app.app_context(), write() as session:
        seen = now() - 5 * MINUTE
        session.add(WebProcess(identity="x", node="oslo", version=VERSION, started_at=seen, seen_at=seen))
    said = "The dashboard of node oslo has been silent since"
    assert said in signed_in.get("/policy").get_data(as_text=True)
    with app.app_context(), write() as session:
        at = now()
        session.add(WebProcess(identity="y", node="oslo", version=VERSION, started_at=at, seen_at=at))
    assert said not in signed_in.get("/policy").get_data(as_text=True)


def test_dashboards_that_were_killed_or_replaced_have_no_share(app: Flask) -> None:
    here = identity().rpartition(":")[0].rpartition(":")[0]
    with app.app_context(), write() as session:
        at = now()
        common = {"version": VERSION, "started_at": at, "seen_at": at}
        for number in range(3):
            session.add(WebProcess(identity=f"{here}:1:gone{number}", node=f"oslo{number}", **common))
            session.add(WebProcess(identity=f"elsewhere:{number}:1", node="rome", **common))
    web_heartbeat.record_heartbeat(app)
    assert app.extensions["harmony.protect"].limits.check_ins.allowed == 10, "ours and that of rome"


def test_two_dashboards_share_the_limits_of_the_api_and_say_so(app: Flask) -> None:
    limits, headers = app.extensions["harmony.api"], Headers()
    with app.app_context(), write() as session:
        at = now()
        session.add(WebProcess(identity="x", node="oslo", version=VERSION, started_at=at, seen_at=at))
    web_heartbeat.record_heartbeat(app)
    limits.requests.say(headers, "key", 0.0)
    assert headers["RateLimit-Policy"] == '"requests";q=300;w=60'
    assert headers["RateLimit"] == '"requests";r=300;t=0'
    assert (limits.posture.buckets.allowed, limits.wrong.allowed) == (3000, 30)


def test_two_dashboards_allow_devices_no_more_than_one_would(app: Flask) -> None:
    limits = app.extensions["harmony.protect"].limits
    whole, _ = limits.check_ins.left("key", 0.0)
    with app.app_context(), write() as session:
        at = now()
        session.add(WebProcess(identity="x", node="oslo", version=VERSION, started_at=at, seen_at=at))
    web_heartbeat.record_heartbeat(app)
    part, _ = limits.check_ins.left("key", 0.0)
    assert (whole, part) == (20, 10)
    for _ in range(part):
        assert limits.check_ins.wait("key", 0.0) == 0
    assert limits.check_ins.wait("key", 0.0) == pytest.approx(4), "one in four seconds instead of two"
