"""The pages of Connectors, and the choice on Server Details. Rung: shell."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from harmony.clock import now
from harmony.connector.wire import Poll
from harmony.db import db
from harmony.messages import settings
from harmony.messages.settings import MailServerValues
from harmony.models import AuditEntry, Integration
from harmony.outbound import destinations
from harmony.relay import agents, connectors
from tests.builders import an_integration
from tests.outbound.senders import HOOK

KEY = re.compile(r"hmconnector_[A-Za-z0-9_-]{43}")


def text(client: FlaskClient, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.get_data(as_text=True)


@pytest.fixture
def site(signed_in: FlaskClient, app: Flask) -> int:
    """A Connector whose agent was just seen."""
    with app.app_context():
        id_, _ = connectors.add("Head office", "admin", now())
        seen = Poll(agent="a", host="dmz-1", version="1", free=1, allowed=("https://uem.corp.example",),
                    error="It <b>failed</b>.")  # fmt: skip
        agents.arrive(id_, seen, now())
    return id_


def test_without_a_connector_the_page_says_what_one_is_for(signed_in: FlaskClient) -> None:
    page = text(signed_in, "/settings/connectors")
    assert "No Connector yet" in page
    assert "no port has to be opened" in page


def test_the_key_is_shown_once_with_the_command(signed_in: FlaskClient) -> None:
    answer = signed_in.post("/settings/connectors", data={"name": " Head office "})
    page = answer.get_data(as_text=True)
    assert answer.status_code == 200
    [key] = set(KEY.findall(page))
    assert "python -m harmony.connector" in page
    assert not KEY.search(text(signed_in, "/settings/connectors/1"))
    with signed_in.application.app_context():
        assert agents.authenticate(key, now()) == 1
        [entry] = db.session.scalars(select(AuditEntry).where(AuditEntry.what == "Added a Connector"))
        assert entry.detail == "Head office"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("", "Give the Connector a name."),
        ("Head office", "Another Connector has this name."),
        ("x" * 65, "Field cannot be longer than 64"),
    ],
)
def test_a_wrong_name_is_told_beside_it(signed_in: FlaskClient, site: int, name: str, says: str) -> None:
    answer = signed_in.post("/settings/connectors", data={"name": name})
    assert answer.status_code == 422
    assert says in answer.get_data(as_text=True)


def test_a_connector_shows_its_agents(signed_in: FlaskClient, site: int) -> None:
    page = text(signed_in, f"/settings/connectors/{site}")
    assert "dmz-1" in page
    assert "https://uem.corp.example" in page
    assert "It &lt;b&gt;failed&lt;/b&gt;." in page
    overview = text(signed_in, "/settings/connectors")
    for shown in ("Connected", "dmz-1", "It &lt;b&gt;failed&lt;/b&gt;."):
        assert shown in overview


def test_a_rotated_key_is_shown_once_and_a_revoked_connector_has_none(
    signed_in: FlaskClient, site: int
) -> None:
    assert KEY.search(signed_in.post(f"/settings/connectors/{site}/rotate").get_data(as_text=True))
    assert "The former key is accepted until" in text(signed_in, f"/settings/connectors/{site}")
    assert signed_in.post(f"/settings/connectors/{site}/revoke").status_code == 303
    page = text(signed_in, f"/settings/connectors/{site}")
    assert "Revoked" in page
    assert "Rotate key" not in page
    again = signed_in.post(f"/settings/connectors/{site}/rotate", follow_redirects=True).get_data(
        as_text=True
    )
    assert "revoked already" in again


def test_server_details_offer_the_connectors_and_keep_the_choice(signed_in: FlaskClient, site: int) -> None:
    with signed_in.application.app_context():
        id_ = an_integration()
    address = f"/integrations/{id_}/setup/server"
    assert "Head office" in text(signed_in, address)
    edition = re.search(r'name="edition" value="(\d+)"', text(signed_in, address))
    assert edition
    typed = {
        "display_name": "Test UEM",
        "server_address": "https://uem.test",
        "use_oauth2": "y",
        "token_region": "other",
        "token_other": "https://uem.test/connect/token",
        "client_id": "id",
        "client_secret": "secret",
        "connector": "Head office",
        "edition": edition[1],
    }
    signed_in.post(address, data=typed)
    with signed_in.application.app_context():
        assert db.session.get_one(Integration, id_).draft.server.connector == "Head office"
    refused = signed_in.post(address, data=typed | {"connector": "Nowhere"})
    assert refused.status_code == 422
    assert "Connector Nowhere was revoked." in refused.get_data(as_text=True)


def sent(client: FlaskClient, id_: int, connector: str, **typed: str) -> str:
    """The answer of Server Details to the edition that it shows."""
    address = f"/integrations/{id_}/setup/server"
    edition = re.search(r'name="edition" value="(\d+)"', text(client, address))
    assert edition
    server = {"display_name": "Test UEM", "server_address": "https://uem.test", "edition": edition[1]}
    answer = client.post(address, data=server | typed | {"connector": connector})
    return answer.get_data(as_text=True)


OAUTH = {"use_oauth2": "y", "token_region": "other", "token_other": "https://uem.test/connect/token",
         "client_id": "id"}  # fmt: skip
BASIC = {"username": "kim", "token_region": "other"}
OAUTH_SECRET, BASIC_SECRETS = {"client_secret": "s"}, {"password": "p", "api_key": "k"}


@pytest.mark.parametrize("moved", [("", "Head office"), ("Head office", "Branch"), ("Branch", "")])
@pytest.mark.parametrize(("signs_in", "typed"), [(OAUTH, OAUTH_SECRET), (BASIC, BASIC_SECRETS)])
def test_credentials_are_typed_again_for_another_connector(
    signed_in: FlaskClient, site: int, moved: tuple[str, str], signs_in: dict[str, str], typed: dict[str, str]
) -> None:
    before, after = moved
    with signed_in.application.app_context():
        connectors.add("Branch", "admin", now())
        id_ = an_integration()
    again = "The Connector was changed: enter the"
    assert again not in sent(signed_in, id_, before, **signs_in, **typed)
    assert again not in sent(signed_in, id_, before, **signs_in)
    assert sent(signed_in, id_, after, **signs_in).count(f"<p>{again}") == len(typed)
    assert again not in sent(signed_in, id_, after, **signs_in, **typed)


def test_credentials_of_the_other_way_to_sign_in_do_not_come_along(signed_in: FlaskClient, site: int) -> None:
    with signed_in.application.app_context():
        id_ = an_integration()
    sent(signed_in, id_, "", **BASIC, **BASIC_SECRETS)
    sent(signed_in, id_, "Head office", **OAUTH, **OAUTH_SECRET)
    page = sent(signed_in, id_, "Head office", **BASIC)
    for label in ("Password", "API Key"):
        assert f"<p>The Connector was changed: enter the {label} again." in page


def test_a_connector_says_what_goes_through_it(signed_in: FlaskClient, site: int) -> None:
    assert "Nothing. Choose it" in text(signed_in, f"/settings/connectors/{site}")
    with signed_in.application.app_context():
        hook = replace(HOOK, name="Chat hook", options={"connector": "Head office"})
        destinations.add("webhook", hook, False, "admin", now())
        mail = MailServerValues("mail.corp.example", 25, "none", "", "a@example.com", "", "", "Head office")
        settings.save_mail_server(mail, 0, "admin", now())
    page = text(signed_in, f"/settings/connectors/{site}")
    assert "Chat hook" in page
    assert "mail.corp.example" in page
