"""Keyboard shortcuts, the favicon and the titles, as the pages carry them (rung: shell on a file SQLite)."""

from __future__ import annotations

import html
import json
import re

from flask import Flask
from flask.testing import FlaskClient

from harmony.clock import now
from harmony.db import write
from harmony.models import NoticeState, SyncRunState, Worker
from harmony.web.shared.shortcuts import PAGES
from tests.builders import an_integration
from tests.stored import a_sync
from tests.web.reading import look


def a_worker(app: Flask) -> None:
    """A worker that was seen just now, so that nothing is wrong."""
    with app.app_context(), write() as session:
        session.add(Worker(identity="w", started_at=now(), seen_at=now()))


def favicon_of(page: str) -> str:
    (linked,) = re.findall(r'<link rel="icon" href="/static/([a-z-]+)\.svg', page)
    (followed,) = re.findall(r'data-favicon="/static/([a-z-]+)\.svg', page)
    assert linked == followed
    return str(linked)


def test_every_letter_leads_to_a_page(signed_in: FlaskClient) -> None:
    page = look(signed_in, "/devices")
    (written,) = re.findall(r'data-shortcuts="([^"]*)"', page)
    addresses = json.loads(html.unescape(written))
    assert len(addresses) == len(PAGES)
    for address in addresses.values():
        assert signed_in.get(address, follow_redirects=True).status_code == 200


def test_shortcuts_can_be_switched_off_and_on_in_a_browser(signed_in: FlaskClient) -> None:
    assert "data-shortcuts=" in look(signed_in, "/devices")
    signed_in.post("/shortcuts", data={"shortcuts": "off"})
    assert "data-shortcuts=" not in look(signed_in, "/devices")
    assert "Switch on" in look(signed_in, "/shortcuts")
    signed_in.post("/shortcuts", data={"shortcuts": "on"})
    assert "data-shortcuts=" in look(signed_in, "/devices")


def test_nobody_who_is_not_signed_in_gets_shortcuts(app: Flask, signed_in: FlaskClient) -> None:
    assert "data-shortcuts=" not in look(app.test_client(), "/sign-in")


def test_the_favicon_shows_trouble_while_there_is_some(app: Flask, signed_in: FlaskClient) -> None:
    assert favicon_of(look(signed_in, "/devices")) == "favicon-trouble", "no worker has run"
    a_worker(app)
    assert favicon_of(look(signed_in, "/devices")) == "favicon"
    with app.app_context(), write() as session:
        row = NoticeState(name="stopped", subject="1", reason="r", title="Acme is stopped", since=now())
        session.add(row)
    assert favicon_of(look(signed_in, "/devices")) == "favicon-trouble"
    with app.app_context(), write() as session:
        session.get_one(NoticeState, ("stopped", "1")).gone_at = now()
    assert favicon_of(look(signed_in, "/devices")) == "favicon"


def test_who_is_not_signed_in_is_told_nothing_by_the_favicon(app: Flask, signed_in: FlaskClient) -> None:
    assert favicon_of(look(app.test_client(), "/sign-in")) == "favicon"


def test_the_title_of_a_refused_form_begins_with_error(signed_in: FlaskClient) -> None:
    answer = signed_in.post("/sign-in", data={"name": "", "password": ""})
    refused = signed_in.post("/settings/policy", data={"inactive_days": "x"})
    assert answer.status_code != 500
    assert "<title>Error: Policy · Harmony</title>" in refused.get_data(as_text=True)
    assert "<title>Policy · Harmony</title>" in look(signed_in, "/settings/policy")


def test_the_title_of_an_integration_and_of_a_run_begins_with_the_state(
    app: Flask, signed_in: FlaskClient
) -> None:
    with app.app_context():
        id_ = an_integration(name="Acme")
        with write() as session:
            session.add(a_sync(id_, state=SyncRunState.HELD))
    assert "<title>Active: Acme · Harmony</title>" in look(signed_in, f"/integrations/{id_}")
    assert "<title>Held: " in look(signed_in, f"/integrations/{id_}/runs/1")
    signed_in.post(f"/integrations/{id_}/pause")
    assert "<title>Paused: Acme · Harmony</title>" in look(signed_in, f"/integrations/{id_}")
