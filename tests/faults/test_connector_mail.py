"""Mail that only the agent of a Connector can hand over (rung: S, a real mail server, a real agent)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count

import pytest
from flask import Flask
from sqlalchemy import func, select

from harmony.clock import now
from harmony.connector.allow_list import read_allow_list
from harmony.connector.settings import AgentSettings
from harmony.db import db
from harmony.mail.envelope import DeliveryError, RecipientRefused
from harmony.mail.faults import MailAccess
from harmony.messages import settings
from harmony.messages.channel import Way
from harmony.messages.settings import MailServerValues
from harmony.models import ChannelKind, RelayCall
from harmony.relay import connectors
from tests.faults.agents import running, settings_of
from tests.messages.test_mail import Handler, served
from tests.ops.served import serving

_numbers = count(1)


@dataclass
class Site:
    """A Connector, and the settings of an agent that may reach one mail server."""

    name: str
    agent: AgentSettings

    def allowing(self, listed: str) -> AgentSettings:
        return replace(self.agent, allowed=read_allow_list(listed))


@pytest.fixture
def site(house: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A Connector whose agent nobody has started yet, and no mail server."""
    over = house.extensions["harmony.relay"].over
    over.clear()
    with house.app_context(), serving(house, monkeypatch, over) as dashboard:
        name = f"Mail site {next(_numbers)}"
        _id, key = connectors.add(name, "test", now())
        yield Site(name, settings_of(dashboard.port, key))
        settings.remove_mail_server("test", now())


def save(access: MailAccess, connector: str) -> None:
    saved = settings.mail_server(db.session())
    values = MailServerValues(access.host, access.port, "none", "", access.sender, "", "", connector)
    settings.save_mail_server(values, saved.edition if saved else 0, "test", now())


def send(recipient: str = "kim@example.com") -> str:
    return settings.send_test(Way(ChannelKind.EMAIL), recipient, now())


def left() -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(RelayCall)) or 0


def listed(access: MailAccess) -> str:
    return f"https://uem.example.com, smtp://{access.host}:{access.port}"


def test_a_mail_arrives_through_the_agent_and_nothing_of_it_stays(site: Site) -> None:
    handler = Handler()
    with served(handler) as access, running(site.allowing(listed(access))):
        save(access, site.name)
        assert send() == "250 queued as 42"
    [(recipients, raw)] = handler.kept
    assert recipients == ["kim@example.com"]
    assert b"Test message of Harmony" in raw
    assert left() == 0


def test_a_mail_server_off_the_list_of_the_agent_gets_nothing(site: Site) -> None:
    handler = Handler()
    with served(handler) as access, running(site.allowing("https://uem.example.com, smtp://127.0.0.1:9")):
        save(access, site.name)
        with pytest.raises(DeliveryError, match=r"refused: smtp://127\.0\.0\.1:\d+ is not on its list"):
            send()
    assert handler.kept == []


@pytest.mark.parametrize(
    ("answer", "permanent"), [("550 5.1.1 <kim@example.com>: unknown", True), ("450 4.2.1 greylisted", False)]
)
def test_a_recipient_that_the_server_refuses_is_the_fault_of_that_mail_alone(
    site: Site, answer: str, permanent: bool
) -> None:
    with served(Handler(rcpt=answer)) as access, running(site.allowing(listed(access))):
        save(access, site.name)
        with pytest.raises(RecipientRefused, match=f"Through Connector {site.name}") as refused:
            send()
    assert refused.value.permanent is permanent
    assert "kim@" not in str(refused.value)


def test_a_mail_server_that_is_down_keeps_the_channel_waiting(site: Site) -> None:
    with served(Handler()) as access:
        pass
    with running(site.allowing(listed(access))):
        save(access, site.name)
        with pytest.raises(DeliveryError) as failed:
            send()
    assert failed.value.of_channel
    assert site.name in str(failed.value)


def test_without_an_agent_the_mail_waits_and_the_sentence_says_for_whom(site: Site) -> None:
    with served(Handler()) as access:
        save(access, site.name)
        with pytest.raises(
            DeliveryError, match=f"No agent of Connector {site.name} has connected yet"
        ) as none:
            send()
    assert none.value.of_channel
    assert site.name in str(none.value)
