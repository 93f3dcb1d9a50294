"""From a report to the risk, the status and the events, as a person would try it (rung: shell, over HTTP)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from harmony.clock import now
from harmony.db import db, write
from harmony.models import PolicyRecord, Protection, Registration
from harmony.protection import policy
from harmony.worker import tasks
from tests.protect.agent import Agent, an_open_integration, device_of
from tests.protect.stored import events, of, open_codes

DAY = timedelta(days=1)


@pytest.fixture
def agent(context: Flask) -> Agent:
    """A registered Protect app on Android 13."""
    an_open_integration()
    http: FlaskClient = context.test_client()
    agent = Agent(http)
    assert agent.register(os_version="13", client_version="4.1").status_code == 201
    assert agent.check_in().status_code == 200
    return agent


def a_policy(**says: object) -> None:
    policy.save(PolicyRecord(**says), policy.in_force(db.session())[0], "kim", now())  # type: ignore[arg-type]
    db.session.rollback()
    tasks.rate()


def stands(udid: str = "UDID0") -> tuple[str, int, dict[str, int]]:
    id_ = device_of(udid).id
    row = of(id_)
    return row.status, row.risk, open_codes(id_)


def test_an_outdated_system_is_medium_until_the_device_is_updated(agent: Agent) -> None:
    a_policy(minimum_os={"android": "14"})
    assert stands() == ("active", 2, {"OS_OUTDATED": 2})
    answer = agent.check_in(os_version="14.1")
    assert answer.json is not None
    assert answer.json["risk"] == "none", "a report that tells another version is followed at once"
    assert stands() == ("active", 0, {})


def test_a_report_is_rated_by_the_policy_in_force_and_anew_by_the_next(agent: Agent) -> None:
    a_policy(risks={"PHISHING": 1})
    agent.check_in("PHISHING", "ROOTED")
    assert stands() == ("active", 3, {"PHISHING": 1, "ROOTED": 3})
    a_policy(risks={"PHISHING": 2, "ROOTED": 0})
    assert stands() == ("active", 2, {"PHISHING": 2, "ROOTED": 0})
    agent.check_in()
    assert stands() == ("active", 0, {})


def test_a_silent_device_is_inactive_until_it_is_heard(agent: Agent) -> None:
    a_policy(silent_risk=3)
    with write() as session:
        for row in (*session.query(Protection), *session.query(Registration)):
            row.last_contact_at = now() - 8 * DAY
    tasks.tick()
    assert stands() == ("inactive", 3, {"DEVICE_SILENT": 3})
    answer = agent.check_in()
    assert answer.json is not None
    assert (answer.json["status"], answer.json["risk"]) == ("active", "none")
    tasks.tick()
    assert stands() == ("active", 0, {})
    assert events(device_of("UDID0").id)[-4:] == [
        ("detected", "DEVICE_SILENT"),
        ("inactive", ""),
        ("ended", "DEVICE_SILENT"),
        ("active", ""),
    ]
