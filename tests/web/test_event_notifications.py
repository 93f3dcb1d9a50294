"""The page of event notifications: set up, rotate, on and off, what was received (rung: shell)."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from harmony.clock import now
from harmony.db import db, write
from harmony.event_notifications.listeners import ListenerSecret
from harmony.jobs.quota import Share
from harmony.models import EventListener
from harmony.models.states import IntegrationState
from harmony.web.event_notifications import text as event_text
from tests.builders import an_integration
from tests.event_notifications.posting import NEWER, listening, post, signed
from tests.sync.stored import store_devices

PASSWORD = re.compile(r'id="password"\s+value="([A-Za-z0-9_-]{32})"')
USER = re.compile(r'id="user-name"\s+value="(harmony-[0-9a-f]{8})"')
TARGET = re.compile(r'id="target-url"\s+value="http://localhost(/hooks/ws1/[A-Za-z0-9_-]{32})"')


@pytest.fixture
def site(app: Flask, signed_in: FlaskClient) -> str:
    """The page of an integration that listens to nothing yet."""
    with app.app_context():
        id_ = an_integration()
    return f"/integrations/{id_}/event-notifications"


def text(client: FlaskClient, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.get_data(as_text=True)


def secret_on(page: str) -> tuple[str, ListenerSecret]:
    (target,), (user,), (password,) = TARGET.findall(page), USER.findall(page), PASSWORD.findall(page)
    return target, ListenerSecret(user, password)


def test_the_password_is_shown_once_and_works(signed_in: FlaskClient, site: str) -> None:
    assert "Set up event notifications" in text(signed_in, site)
    answer = signed_in.post(site)
    target, secret = secret_on(answer.get_data(as_text=True))
    assert signed_in.get(target, headers=signed(secret)).status_code == 200
    page = text(signed_in, site)
    assert "Tested" in page
    assert secret.password not in page
    assert "Device Attribute Changes" in page
    assert signed_in.post(site).status_code == 303


def test_rotate_shows_another_password(signed_in: FlaskClient, site: str) -> None:
    target, former = secret_on(signed_in.post(site).get_data(as_text=True))
    same, newer = secret_on(signed_in.post(f"{site}/rotate").get_data(as_text=True))
    assert (same, newer.password != former.password) == (target, True)
    assert "accepted until" in text(signed_in, site)


def test_off_and_on(signed_in: FlaskClient, site: str) -> None:
    target, secret = secret_on(signed_in.post(site).get_data(as_text=True))
    signed_in.post(f"{site}/off")
    assert "Turn on" in text(signed_in, site)
    assert post(signed_in, target, secret, NEWER).status_code == 404
    signed_in.post(f"{site}/on")
    assert post(signed_in, target, secret, NEWER).status_code == 200


def test_what_was_received_is_shown(app: Flask, signed_in: FlaskClient, site: str) -> None:
    target, secret = secret_on(signed_in.post(site).get_data(as_text=True))
    with app.app_context():
        store_devices(1, 1)
    post(signed_in, target, secret, NEWER, DeviceId=1)
    post(signed_in, target, secret, NEWER, EventType="<b>Lunch</b>", EventId=1)
    page = text(signed_in, site)
    assert "Receiving" in page
    assert "Kim&#39;s Pixel 1" in page
    assert "Compromised status changed" in page
    assert "1 of unknown kinds (last: <span hx-disable>&lt;b&gt;Lunch&lt;/b&gt;</span>)" in page
    assert "<b>Lunch" not in page


def test_events_that_stopped_are_told_here_and_on_the_page_of_the_integration(
    app: Flask, signed_in: FlaskClient, site: str
) -> None:
    signed_in.post(site)
    with app.app_context(), write() as session:
        session.get_one(EventListener, 1).missed = 7
    for page in (site, "/integrations/1"):
        assert "Events stopped: full syncs found 7 devices changed since" in text(signed_in, page)


def test_a_share_that_is_used_up_is_told() -> None:
    at = now()
    listener = EventListener(rests_until=at + timedelta(hours=1))
    spent, fresh = Share(10, 50, 9, at), Share(10, 50, 1, at)
    told = event_text.used_up(listener, spent, at)
    assert told is not None
    assert told.startswith("Events have used 9 of the 10 calls a day that they may use.")
    assert event_text.used_up(listener, fresh, at) is None


def test_the_wizard_suggests_longer_intervals_once_events_arrive(app: Flask, signed_in: FlaskClient) -> None:
    with app.app_context():
        id_ = an_integration()
        target, secret = listening(id_)
    page = f"/integrations/{id_}/setup/synchronization"
    assert "Event notifications are on" not in text(signed_in, page)
    post(signed_in, target, secret, NEWER)
    assert "Event notifications are on: changes arrive within seconds" in text(signed_in, page)


def test_a_draft_and_a_removed_integration_have_no_such_page(app: Flask, signed_in: FlaskClient) -> None:
    with app.app_context():
        for state in (IntegrationState.DRAFT, IntegrationState.REMOVED, IntegrationState.HIDDEN):
            id_ = an_integration(state=state)
            assert signed_in.get(f"/integrations/{id_}/event-notifications").status_code == 404
            assert signed_in.post(f"/integrations/{id_}/event-notifications").status_code == 404
        assert db.session.query(EventListener).count() == 0
