"""Android Enterprise devices whose personal or work profile has no Protect app (rung: shell)."""

from __future__ import annotations

import pytest
from flask import Flask

from harmony.db import db, write
from harmony.models import Integration, Profile
from harmony.web.devices.counts import lacking
from harmony.web.devices.queries import every, filters_of, total
from tests.database import on_both
from tests.protect.agent import ENTERPRISE, Agent, an_open_integration, device_of

database = on_both


@pytest.fixture
def agent(context: Flask) -> Agent:
    return Agent(context.test_client())


def found(profile: str) -> list[int]:
    filters = filters_of({"lacking": profile})
    ids = sorted(row.id for row in every(filters))
    assert total(filters) == len(ids)
    return ids


def test_a_device_is_found_until_both_of_its_profiles_have_an_app(agent: Agent) -> None:
    id_ = an_open_integration(2, choice=ENTERPRISE)
    with write():
        first, second = device_of("UDID0"), device_of("UDID1")
        first.platform = second.platform = "Android"
        ids = [first.id, second.id]
    assert found("personal") == found("work") == ids
    assert agent.register(profile="work").status_code == 201
    assert (found("personal"), found("work")) == (ids, ids[1:])
    integration = db.session.get_one(Integration, id_)
    assert lacking(integration) == {Profile.PERSONAL: 2, Profile.WORK: 1}
    assert agent.register(profile="personal").status_code == 201
    assert (found("personal"), found("work")) == (ids[1:], ids[1:])


def test_an_app_for_the_whole_device_looks_after_both_profiles(agent: Agent) -> None:
    an_open_integration(choice=ENTERPRISE)
    with write():
        device_of("UDID0").platform = "Android"
    assert agent.register().status_code == 201
    assert found("personal") == found("work") == []


def test_ios_and_other_groups_have_one_profile(agent: Agent) -> None:
    an_open_integration(choice=ENTERPRISE)
    with write():
        device_of("UDID0").platform = "Apple"
    other = an_open_integration(token="")
    assert found("personal") == found("work") == []
    assert lacking(db.session.get_one(Integration, other)) == {}
