"""Codes that messages carry: derived, replaced by channel, deleted by a registration (rung: shell)."""

from __future__ import annotations

from datetime import timedelta

from flask import Flask
from sqlalchemy import select

from harmony.clock import now
from harmony.db import db, write
from harmony.device_api.registration.codes import count_try, issue_code
from harmony.device_api.registration.message_codes import message_code, store_message_codes
from harmony.models import ChannelKind, Message, MessageKind, RegistrationCode
from tests.protect.agent import ENTERPRISE, Agent, an_open_integration, device_of

WEEK = timedelta(days=7)


def a_message(channel: ChannelKind = ChannelKind.EMAIL, key: str = "k") -> Message:
    device = device_of("UDID0")
    with write() as session:
        row = Message(
            kind=MessageKind.REGISTRATION, channel=channel, key=f"{key}:{channel}", created_by="kim",
            integration_id=device.integration_id, device_id=device.id, next_at=now(), created_at=now(),
        )  # fmt: skip
        session.add(row)
        session.flush()
        message_id = row.id
    return db.session.get_one(Message, message_id)


def stored(message: Message, *profiles: str) -> list[str]:
    codes = {profile: message_code(message, profile) for profile in profiles or ("",)}
    assert store_message_codes(message, codes, WEEK, now()) is not None
    return list(codes.values())


def rows() -> list[tuple[str, str]]:
    db.session.rollback()
    kept = select(RegistrationCode.created_by, RegistrationCode.profile).order_by(RegistrationCode.id)
    return [tuple(row) for row in db.session.execute(kept)]


def test_each_try_of_a_message_carries_the_same_codes_and_no_other_message_does(context: Flask) -> None:
    an_open_integration()
    first, second = a_message(key="a"), a_message(key="b")
    assert stored(first) == stored(first)
    assert len(rows()) == 1
    found = {message_code(message, profile) for message in (first, second) for profile in ("", "work")}
    assert len(found) == 4
    context.config["SECRET_KEY"] = "another"
    assert message_code(first, "") not in found


def test_a_message_replaces_the_codes_of_its_channel_alone(agent: Agent) -> None:
    an_open_integration()
    old, sms = stored(a_message(key="old")), stored(a_message(ChannelKind.SMS))
    by_hand = issue_code(device_of("UDID0").id, "kim", now(), "work")
    new = stored(a_message(key="new"))
    assert rows() == [("message: sms", ""), ("kim", "work"), ("message: email", "")]
    answers = {
        code: agent.register(token=None, code=code, profile="work").status_code for code in (*old, *sms)
    }
    assert answers == {old[0]: 401, sms[0]: 201}
    # The registration deleted the code of the other message, and none that was made by hand.
    assert agent.register(token=None, code=new[0], profile="work").status_code == 401
    assert agent.register(token=None, code=by_hand, profile="work").status_code == 201


def test_a_code_made_by_hand_replaces_those_of_messages(agent: Agent) -> None:
    an_open_integration()
    (sent,) = stored(a_message())
    issue_code(device_of("UDID0").id, "kim", now())
    assert agent.register(token=None, code=sent).status_code == 401


def test_a_used_code_is_not_made_anew_by_a_second_try(agent: Agent) -> None:
    an_open_integration()
    message = a_message()
    (code,) = stored(message)
    assert agent.register(token=None, code=code).status_code == 201
    stored(message)
    assert agent.register(token=None, code=code).status_code == 401


def test_one_profile_uses_its_code_and_leaves_the_other(agent: Agent) -> None:
    an_open_integration(choice=ENTERPRISE)
    work, personal = stored(a_message(), "work", "personal")
    assert agent.register(token=None, code=work, profile="work").status_code == 201
    assert Agent(agent.client).register(token=None, code=personal, profile="personal").status_code == 201


def test_a_code_sent_again_lasts_from_then_and_keeps_its_tries(agent: Agent) -> None:
    an_open_integration()
    message = a_message()
    (code,) = stored(message)
    row_id = db.session.scalars(select(RegistrationCode.id)).one()
    count_try(row_id)
    with write() as session:
        session.get_one(RegistrationCode, row_id).expires_at = now()
    assert agent.register(token=None, code=code).status_code == 401
    stored(message)
    assert db.session.get_one(RegistrationCode, row_id, populate_existing=True).tries == 1
    assert agent.register(token=None, code=code).status_code == 201


def test_no_code_is_stored_for_a_deleted_device(agent: Agent) -> None:
    an_open_integration()
    message = a_message()
    with write() as session:
        session.merge(device_of("UDID0")).deleted_at = now()
    assert store_message_codes(message, {"": message_code(message, "")}, WEEK, now()) is None
    assert rows() == []
