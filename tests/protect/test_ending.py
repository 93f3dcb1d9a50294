"""Leaving: what unregistering and a reset end, and what they leave (rung: shell)."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from harmony.clock import now
from harmony.db import db, write
from harmony.device_api.registration import unregister
from harmony.models import Action, App, AppException, Event, InstalledApp, Protection, Risk, Verb
from tests.protect.agent import Agent, an_open_integration, device_of, refusal


def test_who_did_not_hear_that_it_left_may_say_so_again(agent: Agent) -> None:
    an_open_integration()
    agent.register()
    assert [agent.unregister().status_code for _ in range(2)] == [204, 204]
    db.session.rollback()
    assert list(db.session.scalars(select(Event.verb))).count(Verb.UNREGISTERED) == 1
    gone, agent.key = agent.key, ""
    agent.register()
    agent.key = gone
    assert refusal(agent.unregister()) == (401, "key_unknown")


@pytest.mark.parametrize("way", ["reset", "another profile"])
def test_a_blocked_app_does_not_outlive_the_app_that_listed_it(agent: Agent, way: str) -> None:
    an_open_integration()
    agent.register(profile="work")
    with write() as session:
        session.add(
            AppException(
                platform="android", identifier="com.a", action=Action.BLOCK, reason="", by="kim", at=now()
            )
        )
    assert agent.check_in(apps=[{"identifier": "com.a"}]).json["risk"] == "high"
    id_ = device_of("UDID0").id
    if way == "reset":
        agent.unregister()
        assert unregister.reset(id_, "kim", now())
        assert not unregister.reset(id_, "kim", now())
    else:
        assert agent.register(profile="device", device_key=agent.key).json["risk"] == "none"
    db.session.rollback()
    assert db.session.get_one(Protection, id_).risk == Risk.NONE
    assert db.session.scalars(select(InstalledApp.app_id)).all() == []
    assert list(db.session.scalars(select(App.installs))) == [0]
    assert Verb.REMOVED not in set(db.session.scalars(select(Event.verb)))
