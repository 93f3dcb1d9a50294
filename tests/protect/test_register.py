"""Registering: token, code, takeover, replay, parallel (rung: shell; the parallel one with real threads)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import select

from harmony.clock import now
from harmony.db import db, write
from harmony.device_api.errors import ApiError
from harmony.device_api.registration import codes, unregister
from harmony.device_api.registration import register as registration_register
from harmony.device_api.schemas import Register
from harmony.models import (
    Device,
    DeviceStatus,
    Event,
    IntegrationState,
    Protection,
    Registration,
    RegistrationCode,
    Risk,
    Verb,
)
from harmony.sync import integration_removal, lifecycle, removal_undo
from tests.protect.agent import ENTERPRISE, TOKEN, Agent, an_open_integration, device_of, refusal
from tests.stored import store


def a_code(udid: str = "UDID0") -> str:
    code = codes.issue_code(device_of(udid).id, "kim", now())
    assert code is not None
    return code


def keys() -> list[str]:
    db.session.rollback()
    live = select(Registration.key_hash).where(Registration.ended_at.is_(None))
    return list(db.session.scalars(live))


def test_a_device_that_is_known_registers_with_the_token_and_is_active(agent: Agent) -> None:
    an_open_integration()
    answer = agent.register(udid="udid0", model="Pixel", client_version="4.2")
    assert answer.status_code == 201
    assert answer.json is not None
    assert answer.json | {"device_key": ""} == {
        "device_key": "", "device_id": device_of("UDID0").id, "status": "active", "risk": "none",
        "check_in_seconds": 900,
    }  # fmt: skip
    assert db.session.get_one(Protection, device_of("UDID0").id).status == DeviceStatus.ACTIVE
    verbs = db.session.scalars(select(Event.verb).order_by(Event.id)).all()
    assert verbs == [Verb.ACTIVE, Verb.REGISTERED]


def test_the_key_itself_is_nowhere_in_the_database(agent: Agent) -> None:
    an_open_integration()
    agent.register()
    row = db.session.scalars(select(Registration)).one()
    assert agent.key.startswith("hmkey_")
    assert agent.key not in str([getattr(row, column.key) for column in Registration.__table__.columns])


def test_an_unknown_device_has_to_wait_for_the_sync(agent: Agent) -> None:
    an_open_integration()
    answer = agent.register(udid="NEW")
    assert refusal(answer) == (403, "device_unknown")
    assert answer.json is not None
    assert "after the next device sync" in answer.json["message"]


def test_with_automatic_addition_an_unknown_device_is_created_and_marked(agent: Agent) -> None:
    id_ = an_open_integration(auto_addition=True)
    assert agent.register(udid="NEW-1", model="Pixel", serial="S9", os_version="15").status_code == 201
    device = device_of("new-1", id_)
    assert (device.added_by, device.external_id, device.udid) == ("registration", None, "NEW-1")
    assert (device.platform, device.model, device.serial, device.os_version) == (
        "Android",
        "Pixel",
        "S9",
        "15",
    )
    agent.unregister()
    assert agent.register(udid="nEW-1").status_code == 201
    assert len(db.session.scalars(select(Device.id)).all()) == 2


SPELLINGS = [
    "{3F2504E0-4F89-11D3-9A0C-0305E82C3301}",
    "3f2504e04f8911d39a0c0305e82c3301",
    " 3F2504E0-4f89-11D3-9A0C-0305E82C3301\u200b",
]


@pytest.mark.parametrize("first", SPELLINGS)
def test_a_udid_is_the_same_device_however_it_is_spelt(agent: Agent, first: str) -> None:
    an_open_integration(0, auto_addition=True)
    ids = set()
    for spelling in (first, *SPELLINGS):
        answer = agent.register(udid=spelling, device_key=agent.key or None)
        assert answer.json is not None
        ids.add(answer.json["device_id"])
    assert len(ids) == len(db.session.scalars(select(Device.id)).all()) == 1
    code = a_code(SPELLINGS[0])
    assert agent.register(udid=SPELLINGS[1], token=None, code=code).status_code == 201


@pytest.mark.parametrize(
    "udid", ["", "{DeviceUid}", "$UDID", "System.Byte[]", "0" * 40, "N/A", "\u200b", "unknown"]
)
def test_a_udid_that_identifies_nobody_registers_nobody(agent: Agent, udid: str) -> None:
    an_open_integration(0, auto_addition=True)
    answer = agent.register(udid=udid)
    assert refusal(answer) == (422, "udid_placeholder")
    assert answer.json is not None
    assert "app configuration" in answer.json["message"]
    assert db.session.scalars(select(Device.id)).all() == []


def test_the_token_decides_which_integration_a_udid_is_of(agent: Agent) -> None:
    first, second = an_open_integration(), an_open_integration(token="hmtoken_second")
    agent.register(token="hmtoken_second")
    assert db.session.get(Protection, device_of("UDID0", second).id) is not None
    assert db.session.get(Protection, device_of("UDID0", first).id) is None


@pytest.mark.parametrize("state", [IntegrationState.PAUSED, IntegrationState.REMOVED])
def test_a_token_or_code_of_an_integration_at_rest_opens_nothing(agent: Agent, state: str) -> None:
    id_ = an_open_integration()
    code = a_code()
    if state == IntegrationState.PAUSED:
        lifecycle.pause(id_, "kim", now())
    else:
        lifecycle.remove(id_, "kim", now(), keep_devices=True)
    assert agent.register().status_code in {401, 403}
    assert refusal(agent.register(token=None, code=code)) == (403, "integration_closed")


def test_an_integration_whose_removal_can_be_undone_answers_like_one_that_is_gone(agent: Agent) -> None:
    id_ = an_open_integration()
    agent.register()
    removal_undo.hide(id_, "kim", now())
    integration_removal.carry_out(id_)
    assert refusal(agent.check_in()) == (410, "device_deleted")
    assert refusal(agent.register()) == (401, "token_unknown")
    removal_undo.undo(id_, "kim", now())
    integration_removal.carry_out(id_)
    assert agent.check_in().status_code == 200


def test_an_active_device_is_not_taken_over_with_the_token_alone(agent: Agent) -> None:
    an_open_integration()
    agent.register()
    thief = Agent(agent.client)
    assert refusal(thief.register()) == (409, "already_registered")
    assert refusal(thief.register(device_key="hmkey_guessed")) == (409, "already_registered")
    assert refusal(thief.register(profile="work")) == (409, "already_registered")
    assert agent.check_in().status_code == 200


@pytest.mark.parametrize("way", ["old key", "code", "reset"])
def test_the_old_key_a_fresh_code_or_a_reset_registers_an_active_device_anew(agent: Agent, way: str) -> None:
    an_open_integration()
    agent.register()
    old = agent.key
    if way == "reset":
        unregister.reset(device_of("UDID0").id, "kim", now())
    shown = {"old key": {"device_key": old}, "code": {"token": None, "code": a_code()}, "reset": {}}[way]
    assert agent.register(**shown).status_code == 201
    assert agent.key != old
    assert refusal(Agent(agent.client, key=old).check_in()) == (401, "key_unknown")
    assert len(keys()) == 1


def test_a_device_that_fell_silent_may_register_with_the_token(agent: Agent) -> None:
    an_open_integration()
    agent.register()
    with write() as session:
        session.get_one(Protection, device_of("UDID0").id).status = DeviceStatus.INACTIVE
    assert agent.register().status_code == 201


def test_two_profiles_register_beside_each_other_and_the_whole_device_replaces_both(agent: Agent) -> None:
    an_open_integration(choice=ENTERPRISE)
    work = Agent(agent.client)
    assert agent.register(profile="personal").status_code == 201
    assert work.register(profile="work").status_code == 201
    assert agent.check_in("ROOTED").json == work.check_in("ROOTED").json
    whole = Agent(agent.client)
    assert whole.register(profile="device", device_key=work.key).json["risk"] == "none"
    assert {agent.check_in().status_code, work.check_in().status_code} == {401}


@pytest.mark.parametrize("checks_in", [True, False])
def test_the_token_alone_puts_no_second_profile_on_a_device_in_contact(agent: Agent, checks_in: bool) -> None:
    an_open_integration()
    agent.register(profile="personal")
    if checks_in:
        agent.check_in()
    for profile in ("work", "personal", "device"):
        assert refusal(Agent(agent.client).register(profile=profile)) == (409, "already_registered")
    assert agent.check_in().json["risk"] == "none"
    assert len(keys()) == 1


@pytest.mark.parametrize("way", ["code", "key of the first profile"])
def test_a_code_or_the_key_of_the_first_profile_brings_a_second_one(agent: Agent, way: str) -> None:
    an_open_integration()
    agent.register(profile="personal")
    shown = {"token": None, "code": a_code()} if way == "code" else {"device_key": agent.key}
    work = Agent(agent.client)
    assert work.register(profile="work", **shown).status_code == 201
    assert {work.check_in().status_code, agent.check_in().status_code} == {200}


def test_the_key_of_the_first_profile_brings_no_app_of_another_platform(agent: Agent) -> None:
    an_open_integration(0, auto_addition=True)
    agent.register(udid="NEW", profile="personal")
    other = Agent(agent.client, udid="NEW")
    answer = other.register(profile="work", platform="ios", device_key=agent.key)
    assert refusal(answer) == (409, "already_registered")


@pytest.mark.parametrize(("uem", "said"), [("Apple", "android"), ("Android", "ios"), ("iOS", "android")])
@pytest.mark.parametrize("shown", ["token", "code"])
def test_a_device_registers_with_the_platform_that_the_uem_lists(
    agent: Agent, uem: str, said: str, shown: str
) -> None:
    an_open_integration(choice=ENTERPRISE)
    with write() as session:
        session.get_one(Device, device_of("UDID0").id).platform = uem
    secret = {"token": None, "code": a_code()} if shown == "code" else {}
    for profile in ("device", "work"):
        assert refusal(agent.register(platform=said, profile=profile, **secret)) == (409, "platform_differs")
    assert keys() == []
    right = "android" if said == "ios" else "ios"
    assert agent.register(platform=right, **secret).status_code == 201


def test_a_platform_that_only_a_registration_said_keeps_nobody_out(agent: Agent) -> None:
    an_open_integration(0, auto_addition=True)
    agent.register(udid="NEW", platform="ios")
    code = a_code("NEW")
    assert agent.register(udid="NEW", platform="android", token=None, code=code).status_code == 201


def test_a_udid_that_the_uem_gives_to_two_devices_names_neither_and_a_code_does(agent: Agent) -> None:
    an_open_integration(devices=2)
    with write() as session:
        session.get_one(Device, device_of("UDID1").id).udid_key = "udid0"
    assert refusal(agent.register()) == (409, "udid_shared")
    ids = list(db.session.scalars(select(Device.id).order_by(Device.id)))
    code = codes.issue_code(ids[0], "kim", now())
    assert agent.register(token=None, code=code).json["device_id"] == ids[0]


def test_of_a_listed_row_and_one_that_only_registered_the_listed_one_registers(agent: Agent) -> None:
    id_ = an_open_integration(0, auto_addition=True)
    agent.register(udid="UDID-0", profile="device")
    agent.unregister()
    store(id_, 1)
    listed = db.session.scalars(select(Device.id).where(Device.external_id.is_not(None))).one()
    assert agent.register().json["device_id"] == listed


def test_a_device_without_a_udid_in_the_uem_registers_with_its_code(agent: Agent) -> None:
    an_open_integration()
    code = a_code()
    with write() as session:
        session.get_one(Device, device_of("UDID0").id).udid_key = ""
    assert refusal(agent.register()) == (403, "device_unknown")
    assert agent.register(token=None, code=code).status_code == 201


def test_the_same_request_gets_the_same_answer(agent: Agent) -> None:
    an_open_integration()
    assert agent.register().json == agent.repeat().json == agent.repeat().json
    assert len(keys()) == 1
    code = a_code()
    assert agent.register(token=None, code=code).json == agent.repeat().json


def test_another_request_under_the_same_id_is_refused(agent: Agent) -> None:
    an_open_integration()
    agent.register()
    agent.said["model"] = "Another"
    assert refusal(agent.repeat()) == (409, "request_changed")


def test_a_replay_after_the_reset_does_not_bring_the_old_key_back(agent: Agent) -> None:
    an_open_integration()
    agent.register(token=None, code=a_code())
    unregister.reset(device_of("UDID0").id, "kim", now())
    assert refusal(agent.repeat()) == (401, "code_used")


@pytest.mark.parametrize(
    ("typed", "error"),
    [
        ("", "invalid"),
        ("AAAA-AAAA-AAAA-AAAA", "code_unknown"),
        ("expired", "code_expired"),
        ("of a clock that was ahead", "code_expired"),
        ("used", "code_used"),
    ],
)
def test_a_code_works_once_and_for_a_day(agent: Agent, typed: str, error: str) -> None:
    an_open_integration()
    code = a_code()
    if typed == "used":
        agent.register(token=None, code=code.lower().replace("-", " "))
    if typed == "expired":
        with write() as session:
            session.scalars(select(RegistrationCode)).one().expires_at = now() - timedelta(seconds=1)
    if typed == "of a clock that was ahead":
        with write() as session:
            row = session.scalars(select(RegistrationCode)).one()
            row.created_at, row.expires_at = now() + timedelta(days=30), now() + timedelta(days=31)
    shown = typed if error in {"invalid", "code_unknown"} else code
    assert refusal(agent.register(token=None, code=shown))[1] == error


def test_a_code_is_for_its_device_only_and_a_new_one_takes_its_place(agent: Agent) -> None:
    an_open_integration(devices=2)
    first = a_code()
    assert refusal(agent.register(udid="UDID1", token=None, code=first)) == (401, "code_unknown")
    second = a_code()
    assert refusal(agent.register(token=None, code=first)) == (401, "code_unknown")
    assert agent.register(token=None, code=second).status_code == 201


def test_a_deleted_device_is_told_so_and_keeps_its_record(agent: Agent) -> None:
    an_open_integration()
    agent.register()
    device = device_of("UDID0")
    with write() as session:
        session.get_one(Device, device.id).deleted_at = now()
    before = keys()
    assert refusal(agent.register()) == (410, "device_deleted")
    assert refusal(agent.check_in("ROOTED")) == (410, "device_deleted")
    assert refusal(agent.unregister()) == (410, "device_deleted")
    assert keys() == before


def test_of_a_hundred_registrations_with_one_code_exactly_one_wins(context: Flask) -> None:
    an_open_integration()
    code = a_code()
    db.session.remove()

    def one(_number: int) -> str:
        with context.app_context():
            asked = Register(code=code, udid="UDID0", platform="android", request_id=uuid4())
            try:
                return registration_register.register(asked, now()).key
            except ApiError as refused:
                return refused.code

    with ThreadPoolExecutor(20) as threads:
        ends = list(threads.map(one, range(100)))
    assert ends.count("code_used") == 99
    assert len(keys()) == 1


def test_the_same_request_a_hundred_times_at_once_gets_one_key(context: Flask) -> None:
    an_open_integration(auto_addition=True)
    asked = Register(token=TOKEN, udid="NEW", platform="ios", request_id=uuid4())
    db.session.remove()

    def one(_number: int) -> str:
        with context.app_context():
            return registration_register.register(asked, now()).key

    with ThreadPoolExecutor(20) as threads:
        assert len(set(threads.map(one, range(100)))) == 1
    assert len(keys()) == 1


def test_unregistering_leaves_what_was_found_and_a_reset_closes_it(agent: Agent) -> None:
    an_open_integration()
    agent.register()
    agent.check_in("ROOTED")
    assert agent.unregister().status_code == 204
    assert refusal(agent.check_in()) == (401, "key_unknown")
    protection = db.session.get_one(Protection, device_of("UDID0").id)
    assert (protection.status, protection.risk, protection.last_contact_at) == (
        "provisioned",
        Risk.HIGH,
        None,
    )
    unregister.reset(device_of("UDID0").id, "kim", now())
    db.session.rollback()
    assert protection.risk == Risk.NONE
