"""The settings of messages: sealed secrets, conflicts, and the answer to a test message (rung: web)."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from harmony.clock import now
from harmony.db import db
from harmony.messages import channel
from harmony.models import AuditEntry, MailServer, MessageChannel
from harmony.relay import connectors
from harmony.security.vault import origin_of
from harmony.uem.trust.outbound import OutboundPolicy
from tests.messages.test_gateways import running

PAGE = "/settings/messages/settings"
SECRET = "correct horse battery"
MAIL = {
    "edition": "0", "host": "smtp.example.com", "port": "587", "security": "starttls",
    "username": "harmony", "password": SECRET, "sender": "harmony@example.com", "sender_name": "Harmony",
}  # fmt: skip
HOOK = {"kind": "sms", "name": "Gateway", "url": "https://gateway.example/send?token=sesame"}


def saved(client: FlaskClient) -> MailServer:
    with client.application.app_context():
        return db.session.scalars(select(MailServer)).one()


def audited(client: FlaskClient) -> str:
    with client.application.app_context():
        return " ".join(f"{entry.what} {entry.detail}" for entry in db.session.scalars(select(AuditEntry)))


def test_a_mail_server_is_saved_with_its_password_sealed_for_it(signed_in: FlaskClient) -> None:
    assert signed_in.post(PAGE, data=MAIL).status_code == 303
    server = saved(signed_in)
    assert origin_of(server.password) == "smtp://smtp.example.com:587"
    page = signed_in.get(PAGE).text
    assert "smtp.example.com" in page
    assert SECRET not in page + server.password + audited(signed_in)
    assert "Changed the mail server smtp.example.com:587" in audited(signed_in)


def test_an_empty_password_keeps_the_saved_one_for_the_same_server_only(signed_in: FlaskClient) -> None:
    signed_in.post(PAGE, data=MAIL)
    before = saved(signed_in).password
    again = MAIL | {"edition": "1", "password": "", "sender_name": "Security"}
    assert signed_in.post(PAGE, data=again).status_code == 303
    assert saved(signed_in).password == before
    elsewhere = again | {"edition": "2", "host": "evil.example"}
    answer = signed_in.post(PAGE, data=elsewhere)
    assert answer.status_code == 422
    assert "Enter the password of this user for this server." in answer.text
    assert saved(signed_in).host == "smtp.example.com"


def test_mail_goes_through_a_connector_that_is_in_use(signed_in: FlaskClient) -> None:
    assert "For a mail server that only an agent" not in signed_in.get(PAGE).text
    with signed_in.application.app_context():
        id_, _key = connectors.add("Site A", "test", now())
    assert '<option value="Site A">Site A</option>' in signed_in.get(PAGE).text
    assert signed_in.post(PAGE, data=MAIL | {"connector": "Site A"}).status_code == 303
    assert saved(signed_in).connector == "Site A"
    with signed_in.application.app_context():
        connectors.revoke(id_, "test", now())
    again = signed_in.post(PAGE, data=MAIL | {"connector": "Site A", "edition": "1"})
    assert again.status_code == 422
    assert "There is no Connector Site A in use." in again.text
    assert '<option selected value="Site A">Site A</option>' in again.text


@pytest.mark.parametrize(("before", "after"), [("", "Site A"), ("Site A", "Site B"), ("Site A", "")])
def test_the_password_is_typed_again_for_another_connector(
    signed_in: FlaskClient, before: str, after: str
) -> None:
    with signed_in.application.app_context():
        for name in ("Site A", "Site B"):
            connectors.add(name, "test", now())
    signed_in.post(PAGE, data=MAIL | {"connector": before})
    moved = MAIL | {"connector": after, "edition": "1"}
    answer = signed_in.post(PAGE, data=moved | {"password": ""})
    assert answer.status_code == 422
    assert "The Connector was changed: enter the password again." in answer.text
    assert saved(signed_in).connector == before
    assert signed_in.post(PAGE, data=moved).status_code == 303
    sealed_for = origin_of(saved(signed_in).password)
    through = f" through Connector {after}" if after else ""
    assert sealed_for == f"smtp://smtp.example.com:587{through}"
    with signed_in.application.app_context():
        changes = "".join(entry.changes for entry in db.session.scalars(select(AuditEntry)))
    assert f'["Connector", "{before}", "{after}"]' in changes


def test_a_form_without_the_choice_of_a_connector_keeps_it(signed_in: FlaskClient) -> None:
    with signed_in.application.app_context():
        connectors.add("Site A", "test", now())
    signed_in.post(PAGE, data=MAIL | {"connector": "Site A"})
    again = MAIL | {"edition": "1", "password": "", "sender_name": "Security"}
    assert signed_in.post(PAGE, data=again).status_code == 303
    assert (saved(signed_in).connector, saved(signed_in).sender_name) == ("Site A", "Security")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"host": "smtp.example.com:25/x"}, "Enter the name alone"),
        ({"port": "70000"}, "Enter a whole number"),
        ({"security": "none"}, "A password is only sent encrypted"),
        ({"sender": "no address"}, "Enter one mail address"),
        ({"certificate": "-----BEGIN PRIVATE KEY-----"}, "PRIVATE KEY"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(
    signed_in: FlaskClient, wrong: dict[str, str], said: str
) -> None:
    answer = signed_in.post(PAGE, data=MAIL | wrong)
    assert answer.status_code == 422
    assert said in answer.text
    assert "harmony@example.com" in answer.text or "sender" in wrong


def test_who_saves_over_somebody_else_is_told(signed_in: FlaskClient) -> None:
    signed_in.post(PAGE, data=MAIL)
    answer = signed_in.post(PAGE, data=MAIL | {"host": "other.example"})
    assert answer.status_code == 409
    assert "other.example" in answer.text


def test_what_is_refused_and_mended_overwrites_no_save_of_somebody_else(signed_in: FlaskClient) -> None:
    changed = MAIL | {"edition": "0"}
    signed_in.post(PAGE, data=MAIL)
    refused = signed_in.post(PAGE, data=changed | {"sender": "nobody"})
    assert refused.status_code == 422
    assert 'name="edition" value="0"' in refused.text
    conflict = signed_in.post(PAGE, data=changed)
    assert (conflict.status_code, 'name="edition" value="1"' in conflict.text) == (409, True)


def test_a_channel_is_added_changed_and_removed_and_its_address_never_shown(signed_in: FlaskClient) -> None:
    assert signed_in.post(f"{PAGE}/channels", data=HOOK).status_code == 303
    with signed_in.application.app_context():
        row = db.session.scalars(select(MessageChannel)).one()
        assert "sesame" not in row.url
    href = f"{PAGE}/channels/{row.id}"
    assert "sesame" not in signed_in.get(href).text + signed_in.get(PAGE).text + audited(signed_in)
    assert signed_in.post(href, data={"edition": "1", "name": "New", "url": ""}).status_code == 303
    assert signed_in.post(href, data={"edition": "1", "name": "Late", "url": ""}).status_code == 409
    assert "New" in signed_in.get(PAGE).text
    assert signed_in.post(f"{href}/remove").status_code == 303
    assert signed_in.get(href).status_code == 404


@pytest.mark.parametrize("url", ["", "file:///etc/passwd", "twilio://sid:token@+4722123456"])
def test_an_address_that_cannot_be_used_is_refused(signed_in: FlaskClient, url: str) -> None:
    assert signed_in.post(f"{PAGE}/channels", data=HOOK | {"url": url}).status_code == 422


def test_a_test_message_says_what_the_gateway_answered(
    signed_in: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    allowed = OutboundPolicy(allow_http=True, allow_loopback=True)
    monkeypatch.setattr(channel, "outbound_policy", lambda: allowed)
    with running() as gateway:
        signed_in.post(f"{PAGE}/channels", data=HOOK | {"url": gateway.url})
        answer = _tested(signed_in, "+4722123456")
        gateway.status, gateway.body = 401, b"unknown token"
        refused = _tested(signed_in, "+4722123456")
        wrong = signed_in.post(f"{PAGE}/channels/1/test", data={"to": "nobody"})
    assert "202 accepted" in answer
    assert "401 unknown token" in refused
    assert wrong.status_code == 422
    assert "country code" in wrong.text


def test_a_test_mail_without_a_server_says_what_to_do(signed_in: FlaskClient) -> None:
    answer: Any = signed_in.post(f"{PAGE}/test", data={"to": "kim@example.com"}, follow_redirects=True)
    assert "There is no mail server." in answer.text


def _tested(client: FlaskClient, number: str) -> str:
    answer = client.post(f"{PAGE}/channels/1/test", data={"to": number}, follow_redirects=True)
    return answer.text
