"""The page of exceptions in force, and *End now* (rung: shell on a file SQLite)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from harmony.apps.exceptions import Decision, decide
from harmony.clock import now
from harmony.db import db, write
from harmony.jobs.queue import queue_of
from harmony.models import Action, App, AppException, PolicyRecord
from harmony.protection import policy
from harmony.protection.policy import Grounds
from tests.conftest import ADMINISTRATOR
from tests.web.reading import look

PAGE = "/settings/exceptions"
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def maps(app: Flask) -> int:
    """An app that kim excepted, with three days left."""
    with app.app_context():
        with write() as session:
            row = App(platform="android", identifier="com.maps", version="1", name="Maps", name_key="maps")
            row.first_seen_at = now()
            session.add(row)
            session.flush()
            id_ = row.id
        ends_on = (now() + timedelta(days=3)).date()
        decide(db.session.get_one(App, id_), Decision(Action.LOW, HOSTILE, "kim", now(), ends_on))
        return id_


def override(app: Flask) -> None:
    with app.app_context():
        grounds = Grounds("A drill", now().date() + timedelta(days=90))
        policy.save(PolicyRecord(risks={"ROOTED": 1}), 0, "lee", now(), grounds)


def test_without_exceptions_it_says_where_to_set_them(signed_in: FlaskClient) -> None:
    page = look(signed_in, PAGE)
    assert "No app has an exception" in page
    assert "Every threat factor has its default risk" in page


def test_it_lists_owner_reason_and_last_day_of_apps_and_threat_factors(
    app: Flask, signed_in: FlaskClient, maps: int
) -> None:
    override(app)
    page = look(signed_in, PAGE)
    assert f'<a href="/apps/{maps}">Maps</a>' in page
    assert all(word in page for word in (">kim<", ">lee<", "A drill", ">Rooted<"))
    assert f"{now() + timedelta(days=3):%d %b %Y}" in page
    assert HOSTILE not in page
    assert "&lt;script&gt;" in page


def test_end_now_lifts_an_exception_once(app: Flask, signed_in: FlaskClient, maps: int) -> None:
    with app.app_context():
        id_ = db.session.scalars(select(AppException.id)).one()
    before = queue_of(app).pending_count()
    answer = signed_in.post(f"{PAGE}/apps/{id_}/end", follow_redirects=True)
    assert "Exception ended." in answer.text
    assert "No app has an exception" in answer.text
    assert queue_of(app).pending_count() == before + 1
    again = signed_in.post(f"{PAGE}/apps/{id_}/end", follow_redirects=True)
    assert "not in force any more" in again.text


def test_end_now_gives_a_threat_factor_its_default_again(app: Flask, signed_in: FlaskClient) -> None:
    override(app)
    answer = signed_in.post(f"{PAGE}/risks/ROOTED/end", follow_redirects=True)
    assert "Override ended." in answer.text
    with app.app_context():
        assert policy.in_force(db.session()) == (2, PolicyRecord())
    for code in ("ROOTED", "NONSENSE"):
        again = signed_in.post(f"{PAGE}/risks/{code}/end", follow_redirects=True)
        assert "not in force any more" in again.text


def test_the_page_of_an_app_takes_and_shows_the_last_day(
    app: Flask, signed_in: FlaskClient, maps: int
) -> None:
    day = (now() + timedelta(days=30)).date()
    form = {"action": "block", "reason": "Tracks people", "ends_on": day.isoformat()}
    assert signed_in.post(f"/apps/{maps}/exception", data=form).status_code == 303
    page = look(signed_in, f"/apps/{maps}")
    assert f'value="{day.isoformat()}"' in page
    assert f"{day:%d %b %Y}" in page
    gone = signed_in.post(f"/apps/{maps}/exception", data=form | {"ends_on": "2020-01-01"})
    assert gone.status_code == 422
    assert "This day is over." in gone.text
    assert "Tracks people" in gone.text


def test_a_changed_risk_is_prolonged_with_a_reason(app: Flask, signed_in: FlaskClient) -> None:
    override(app)
    form = f"{PAGE}/risks/ROOTED"
    assert 'value="A drill"' in look(signed_in, form)
    refused = signed_in.post(form, data={"reason": " ", "ends_on": "2020-01-01"})
    assert refused.status_code == 422
    assert "Say why" in refused.text
    assert "This day is over." in refused.text
    assert signed_in.post(form, data={"reason": "A longer drill"}).location == PAGE
    with app.app_context():
        version, record = policy.in_force(db.session())
        line = record.overrides["ROOTED"]
        assert (version, record.risks) == (2, {"ROOTED": 1})
        assert (line.owner, line.reason, line.ends_on) == (ADMINISTRATOR, "A longer drill", None)
    page = look(signed_in, "/settings/policy/versions/2")
    assert "Last day, Rooted" in page
    assert signed_in.get(f"{PAGE}/risks/PHISHING").status_code == 404
    assert signed_in.post(f"{PAGE}/risks/PHISHING", data={"reason": "x"}).status_code == 404
