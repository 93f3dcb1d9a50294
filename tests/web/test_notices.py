"""The page of notices (rung: shell)."""

from __future__ import annotations

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from harmony.db import db
from harmony.models import Message, NoticeSubscription


def test_a_user_says_which_notices_go_where(context: Flask, signed_in: FlaskClient) -> None:
    answer = signed_in.post(
        "/settings/notices", data={"address": "ops@example.com", "kinds": ["held", "worker"]}
    )
    assert answer.status_code == 303
    line = db.session.scalars(select(NoticeSubscription)).one()
    assert (line.address, line.kinds) == ("ops@example.com", ["held", "worker"])
    page = signed_in.get("/settings/notices").text
    assert "ops@example.com" in page
    assert page.count(" checked") == 2


def test_what_cannot_be_is_refused_beside_its_field(context: Flask, signed_in: FlaskClient) -> None:
    for data in ({"address": "two@a.test, three@b.test"}, {"kinds": ["held"]}, {"kinds": ["nothing"]}):
        answer = signed_in.post("/settings/notices", data=data)
        assert answer.status_code == 422, data
    assert db.session.scalars(select(NoticeSubscription)).all() == []


def test_a_test_goes_where_notices_go(context: Flask, signed_in: FlaskClient) -> None:
    assert signed_in.post("/settings/notices/test").status_code == 303
    assert "Save an address or a chat room first." in signed_in.get("/settings/notices").get_data(
        as_text=True
    )
    signed_in.post("/settings/notices", data={"address": "ops@example.com"})
    signed_in.post("/settings/notices/test")
    [message] = db.session.scalars(select(Message)).all()
    assert message.details["title"] == "Notices arrive"
