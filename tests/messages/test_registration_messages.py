"""Registration messages: who gets one, what it says, codes that register (rung: shell)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from html import escape as html_escape
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, select, update

from harmony import config
from harmony.clock import now
from harmony.db import db, write
from harmony.mail.envelope import Envelope
from harmony.messages import outbox
from harmony.messages.channel import Way
from harmony.messages.job import send_messages
from harmony.messages.registration import recipients
from harmony.messages.registration.recipients import MOST_AT_ONCE
from harmony.messages.registration.texts import languages, save, texts_in_force
from harmony.models import (
    ChannelKind,
    Device,
    Integration,
    Job,
    MailServer,
    Message,
    MessageChannel,
    MessageState,
    RegistrationCode,
)
from harmony.models.configuration import Synchronization
from harmony.setup import deployment_values
from harmony.simulator.agents.agent import Agent as SimulatedAgent
from harmony.simulator.agents.link import handsets, server_of
from harmony.simulator.agents.records import Handset, Report
from tests.agents import through
from tests.database import on_both
from tests.messages.test_mail import Handler, served
from tests.protect.agent import ENTERPRISE, Agent, an_open_integration
from tests.scanning import scanned
from tests.stored import store

database = on_both
SERVER = "https://harmony.example"
SINCE = timedelta(hours=1)


@dataclass
class Post:
    """A channel that keeps what it is given."""

    sent: list[Envelope] = field(default_factory=list)

    @contextmanager
    def open(self, _way: Way) -> Iterator[Post]:
        yield self

    def send(self, envelope: Envelope, reference: str) -> str:
        self.sent.append(envelope)
        return "250 taken"


@pytest.fixture(autouse=True)
def public_address(context: Flask) -> None:
    settings = replace(config.current_settings(), public_url=SERVER)
    context.extensions[config._NAME] = settings


def a_dashboard(devices: int = 1, choice: Synchronization | None = None, **values: Any) -> int:
    """An integration with mail and SMS switched on an hour ago; its devices are new since."""
    id_ = an_open_integration(0, choice=choice)
    with write() as session:
        session.add(MailServer(host="mail.test", port=25, security="none", sender="it@corp.example"))
        session.add(MessageChannel(kind=ChannelKind.SMS, name="SMS", url="sealed"))
        on = {"email_since": now() - SINCE, "sms_since": None} | values
        deployment_values.put(session.get_one(Integration, id_), on)
    arrive(id_, devices)
    return id_


def arrive(integration_id: int, count: int, start: int = 0, at: datetime | None = None) -> None:
    store(integration_id, count, start=start)
    changed_devices(start, created_at=at or now(), email="kim@corp.example", user_name="Kim")


def changed_devices(start: int = 0, **values: Any) -> None:
    with write() as session:
        numbers = (Device.external_id >= str(start)) if start else Device.id.is_not(None)
        session.execute(update(Device).where(numbers).values(**values))


def delivered(id_: int) -> list[Envelope]:
    recipients.queue_new_devices(now())
    post = Post()
    send_messages(id_, opener=post.open)
    return post.sent


def states() -> list[tuple[str, str]]:
    db.session.rollback()
    rows = db.session.execute(select(Message.state, Message.answer).order_by(Message.id))
    return [tuple(row) for row in rows]


def codes_in(text: str) -> list[str]:
    return list(dict.fromkeys(re.findall(r"(?:[0-9A-Z]{4}-){3}[0-9A-Z]{4}", text)))


def test_a_new_device_gets_one_mail_whose_code_registers_it(context: Flask) -> None:
    id_ = a_dashboard()
    (mail,) = delivered(id_)
    assert delivered(id_) == []
    assert (mail.recipient, "Hello Kim," in mail.text, "Google Play" in mail.text) == (
        "kim@corp.example", True, True,
    )  # fmt: skip
    (code,) = codes_in(mail.text)
    (image,) = mail.images
    assert scanned(image.content) == f"{SERVER}/register#{code}"
    agent = Agent(context.test_client())
    assert agent.register(token=None, code=code).status_code == 201
    assert code not in str(states())


def test_on_two_profiles_one_mail_has_a_code_for_each(context: Flask) -> None:
    id_ = a_dashboard(choice=ENTERPRISE)
    (mail,) = delivered(id_)
    named = dict(re.findall(r"(Personal|Work) profile: (\S{19})", mail.text))
    for profile in ("work", "personal"):
        agent = Agent(context.test_client())
        assert agent.register(token=None, code=named[profile.title()], profile=profile).status_code == 201


def test_mail_and_sms_have_codes_of_their_own_and_the_sms_is_short(context: Flask) -> None:
    id_ = a_dashboard(sms_since=now() - SINCE)
    changed_devices(phone="+49 170 1")
    mail, sms = sorted(delivered(id_), key=lambda envelope: len(envelope.text), reverse=True)
    assert (sms.recipient, sms.html, sms.images, len(sms.text) < 320) == ("+49 170 1", "", (), True)
    assert codes_in(mail.text) != codes_in(sms.text)
    assert len(db.session.scalars(select(RegistrationCode)).all()) == 2
    (by_mail,), (by_sms,) = codes_in(mail.text), codes_in(sms.text)
    assert Agent(context.test_client()).register(token=None, code=by_sms).status_code == 201
    # Nobody needs the other one any more.
    assert Agent(context.test_client()).register(token=None, code=by_mail).status_code == 401


def test_no_message_is_sent_to_who_was_there_before_or_needs_none(context: Flask) -> None:
    id_ = a_dashboard(5)
    before = now() - timedelta(days=1)
    for number, values in enumerate(
        (
            {"created_at": before},
            {"email": "UDID1@WorkspaceONE.UEM"},
            {"deleted_at": now()},
            {"platform": "WinRT"},
        )
    ):
        with write() as session:
            session.execute(update(Device).where(Device.udid == f"UDID{number}").values(**values))
    Agent(context.test_client(), udid="UDID4").register()
    assert delivered(id_) == []
    assert states() == []


@pytest.mark.parametrize(
    ("meanwhile", "reason"),
    [
        ({"deleted_at": now()}, "deleted"),
        ({"email": "UDID0@WorkspaceONE.UEM"}, "no email address"),
        ({"platform": "WinRT"}, "iOS and Android"),
        ("registered", "registered on this device already"),
        ("off", "switched off"),
    ],
)
def test_what_happened_meanwhile_cancels_a_message_with_the_reason(
    context: Flask, meanwhile: Any, reason: str
) -> None:
    id_ = a_dashboard()
    recipients.queue_new_devices(now())
    if meanwhile == "registered":
        Agent(context.test_client()).register()
    elif meanwhile == "off":
        with write() as session:
            deployment_values.put(session.get_one(Integration, id_), {"email_since": None})
    else:
        changed_devices(**meanwhile)
    assert delivered(id_) == []
    ((state, answer),) = states()
    assert state == MessageState.CANCELLED
    assert reason in answer


def test_too_many_new_devices_wait_for_a_person_who_writes_to_all_of_them_once(
    context: Flask,
) -> None:
    id_ = a_dashboard(MOST_AT_ONCE + 1)
    recipients.queue_new_devices(now())
    assert states() == []
    integration = db.session.get_one(Integration, id_)
    (way, _sms) = recipients.ways_of(integration.in_force.deployment)
    assert recipients.awaiting_a_person(integration, way) == MOST_AT_ONCE + 1
    assert recipients.queue_all(integration, way, "kim", now()) == MOST_AT_ONCE + 1
    integration = db.session.get_one(Integration, id_)
    assert recipients.queue_all(integration, way, "kim", now()) == 0
    assert recipients.count_unregistered(id_, way) == recipients.awaiting_a_person(integration, way) == 0


def test_without_a_mail_server_nothing_waits(context: Flask) -> None:
    id_ = a_dashboard()
    with write() as session:
        session.delete(session.scalars(select(MailServer)).one())
    assert delivered(id_) == []
    assert states() == []


def test_without_a_public_address_the_message_fails_and_says_so(context: Flask) -> None:
    id_ = a_dashboard()
    context.extensions[config._NAME] = replace(config.current_settings(), public_url="")
    assert delivered(id_) == []
    ((state, answer),) = states()
    assert (state, "HARMONY_PUBLIC_URL" in answer) == (MessageState.FAILED, True)


def test_a_message_sent_again_has_a_new_code_and_the_old_one_is_void(context: Flask) -> None:
    id_ = a_dashboard()
    (first,) = delivered(id_)
    with write() as session:
        outbox.resend(session, session.scalars(select(Message)).one(), "kim", now())
    (second,) = delivered(id_)
    (old,), (new,) = codes_in(first.text), codes_in(second.text)
    assert Agent(context.test_client()).register(token=None, code=old).status_code == 401
    assert Agent(context.test_client()).register(token=None, code=new).status_code == 201


def test_a_hostile_name_is_inert_in_the_mail(context: Flask) -> None:
    id_ = a_dashboard()
    changed_devices(user_name="<script>alert(1)</script>\r\nBcc: all@corp.example {{code}}")
    (mail,) = delivered(id_)
    assert "<script" not in mail.html
    assert "\nBcc" not in mail.text
    assert len(codes_in(mail.text.split("asks you")[0])) == 0


def test_each_language_has_its_texts_and_what_was_changed_is_sent(context: Flask) -> None:
    id_ = a_dashboard(language="de")
    assert list(languages()) == ["en", "de"]
    changed = texts_in_force(db.session(), "de") | {"subject": "Neu: {{org}}"}
    assert save("de", changed, 0, "kim", now())
    assert not save("de", changed, 0, "lee", now())
    (mail,) = delivered(id_)
    assert (mail.subject, "Guten Tag Kim," in mail.text) == ("Neu: Test UEM", True)


def test_a_real_mail_arrives_whose_qr_code_registers_simulated_apps_in_both_profiles(context: Flask) -> None:
    id_ = a_dashboard(choice=ENTERPRISE)
    handler = Handler()
    with served(handler) as access:
        with write() as session:
            session.scalars(select(MailServer)).one().port = access.port
            session.scalars(select(MailServer)).one().host = "127.0.0.1"
        recipients.queue_new_devices(now())
        send_messages(id_)
    assert states() == [(MessageState.SENT, "250 queued as 42")]
    ((to, raw),) = handler.kept
    mail = message_from_bytes(raw, policy=policy.default)
    picture = next(part for part in mail.walk() if part.get_content_type() == "image/png")
    plain, html = (mail.get_body((kind,)).get_content() for kind in ("plain", "html"))
    assert to == ["kim@corp.example"]
    assert picture["Content-ID"].strip("<>") in html
    link = scanned(picture.get_content())
    assert html_escape(link) in html
    assert len(codes_in(plain)) == 2
    apps = handsets(Handset("UDID0", "android"), link)
    assert (server_of(link), [app.profile for app in apps]) == (SERVER, ["personal", "work"])
    for app in apps:
        SimulatedAgent(app).register(through(context.test_client()), Report())
    assert delivered(id_) == []


def test_a_mail_server_that_is_down_delays_the_message_and_the_code_stays_the_same(context: Flask) -> None:
    id_ = a_dashboard()
    with write() as session:
        session.scalars(select(MailServer)).one().host = "127.0.0.1"
        session.scalars(select(MailServer)).one().port = 1
    recipients.queue_new_devices(now())
    send_messages(id_)
    first = db.session.scalars(select(RegistrationCode.code_hash)).one()
    with write() as session:
        outbox.wake(session, now=now())
        session.execute(update(Job).values(next_at=now()))
    (mail,) = delivered(id_)
    assert db.session.scalars(select(RegistrationCode.code_hash)).one() == first
    (code,) = codes_in(mail.text)
    assert Agent(context.test_client()).register(token=None, code=code).status_code == 201


@contextmanager
def statements_sent() -> Iterator[list[str]]:
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        sent.append(statement)

    engine = db.engine
    event.listen(engine, "before_cursor_execute", note)
    yield sent
    event.remove(engine, "before_cursor_execute", note)


def test_ten_thousand_new_devices_make_no_storm_and_few_statements(context: Flask) -> None:
    id_ = a_dashboard(10_000)
    with statements_sent() as sent:
        recipients.queue_new_devices(now())
    assert len(sent) <= 8
    assert states() == []
    integration = db.session.get_one(Integration, id_)
    (way, _sms) = recipients.ways_of(integration.in_force.deployment)
    with statements_sent() as sent:
        assert recipients.queue_all(integration, way, "kim", now()) == 10_000
    assert len(sent) < 150
