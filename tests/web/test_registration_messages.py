"""Registration messages on pages: switches, send to all, send to one, how each ended (rung: shell)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update

from harmony import config
from harmony.clock import now
from harmony.db import db, write
from harmony.models import Device, Integration, MailServer, Message, MessageState
from harmony.setup import deployment_values
from tests.protect.agent import an_open_integration
from tests.stored import store
from tests.web.test_devices import look

PAGE = "/integrations/1/setup/deployment"
ALL = "/integrations/1/registration-messages/email"


@pytest.fixture
def shown(app: Flask, signed_in: FlaskClient) -> FlaskClient:
    """A dashboard that can send mail, with three devices that have an address, and mail switched on."""
    with app.app_context():
        app.extensions[config._NAME] = replace(config.current_settings(), public_url="https://h.example")
        an_open_integration(0, token="hmtoken_shown-on-its-page")
        with write() as session:
            session.add(MailServer(host="mail.test", port=25, security="none", sender="it@corp.example"))
            on = {"email_since": now() - timedelta(hours=1)}
            deployment_values.put(session.get_one(Integration, 1), on)
        store(1, 3)
        changed(email="kim@corp.example")
    app.extensions[config._NAME] = replace(app.extensions[config._NAME], public_url="https://h.example")
    return signed_in


def changed(**values: Any) -> None:
    with write() as session:
        session.execute(update(Device).values(**values))


def deployment(app: Flask) -> Any:
    with app.app_context():
        return db.session.get_one(Integration, 1).in_force.deployment


def test_the_switches_keep_when_they_were_set(app: Flask, shown: FlaskClient) -> None:
    before = deployment(app)
    usual = {"unlisted_days": "14", "code_days": "3", "language": "de", "action": "save"}
    page = look(shown, PAGE)
    assert "No channel for SMS is set up." in page
    assert "No mail server" not in page
    save(shown, usual | {"send_email": "y", "send_sms": "y"})
    after = deployment(app)
    assert (after.email_since, after.language, after.code_days) == (before.email_since, "de", 3)
    assert after.sms_since is not None
    save(shown, usual)
    assert (deployment(app).email_since, deployment(app).sms_since) == (None, None)


def save(client: FlaskClient, data: dict[str, str]) -> None:
    import re

    edition = re.findall(r'name="edition"[^>]*value="(\d+)"', look(client, PAGE))
    answer = client.post(PAGE, data=data | {"edition": edition[0] if edition else "1"})
    assert answer.status_code == 303, answer.get_data(as_text=True)


def test_all_unregistered_devices_are_written_to_once_after_a_confirmation(
    app: Flask, shown: FlaskClient
) -> None:
    assert "send to all unregistered (3)" in look(shown, PAGE)
    assert "Send to all unregistered (3)" in look(shown, ALL)
    for said in ("3 messages are queued.", "0 messages are queued."):
        answer = shown.post(ALL, follow_redirects=True)
        assert said in answer.text
    assert "Nobody is left to write to" in look(shown, ALL)
    with app.app_context():
        assert len(db.session.scalars(select(Message)).all()) == 3


def test_one_device_gets_a_message_and_another_only_after_it_has_ended(
    app: Flask, shown: FlaskClient
) -> None:
    device, mail = "/devices/1", {"channel": "email"}
    assert "Send registration message (Mail)" in look(shown, device)
    for said in ("The message is queued", "waits already"):
        answer = shown.post(f"{device}/registration-message", data=mail, follow_redirects=True)
        assert said in answer.text
    with app.app_context(), write() as session:
        session.execute(update(Message).values(state=MessageState.FAILED, answer="550 no such mailbox"))
    page = look(shown, device)
    assert "550 no such mailbox" in page
    assert "Given up" in page
    answer = shown.post(f"{device}/registration-message", data=mail, follow_redirects=True)
    assert "The message is queued" in answer.text


@pytest.mark.parametrize("channel", ["sms", "chat", ""])
def test_what_no_channel_can_send_is_refused(app: Flask, shown: FlaskClient, channel: str) -> None:
    answer = shown.post("/devices/1/registration-message", data={"channel": channel}, follow_redirects=True)
    assert "No message can be sent on this channel now" in answer.text
    confirmed = shown.post(f"/integrations/1/registration-messages/{channel or 'none'}")
    assert confirmed.status_code == (409 if channel == "sms" else 404)
    with app.app_context():
        assert db.session.scalars(select(Message)).all() == []


def test_without_an_address_the_page_of_the_device_says_so(app: Flask, shown: FlaskClient) -> None:
    with app.app_context():
        changed(email="UDID0@WorkspaceONE.UEM")
    assert "no address of this device" in look(shown, "/devices/1")


def test_a_channel_that_is_not_set_up_says_what_is_missing(shown: FlaskClient) -> None:
    assert "No channel for SMS is set up." in look(shown, ALL.replace("email", "sms"))
