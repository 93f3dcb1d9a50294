"""The editor of registration messages: refused, previewed, saved, reset, told of a conflict (rung: shell)."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from harmony.db import db
from harmony.messages.registration.texts import language_of
from harmony.models import AuditEntry, MessageTemplate
from tests.web.test_devices import look

PAGE = "/settings/messages/texts/en"


def typed(**changes: Any) -> dict[str, Any]:
    return {**language_of("en").texts, "edition": 0} | changes


def stored(app: Flask) -> list[dict[str, str]]:
    with app.app_context():
        return list(db.session.scalars(select(MessageTemplate.texts)))


def test_every_language_has_its_page_and_no_other_exists(signed_in: FlaskClient) -> None:
    assert "Hello {{name}}" in look(signed_in, PAGE)
    assert "Guten Tag {{name}}" in look(signed_in, "/settings/messages/texts/de")
    assert signed_in.get("/settings/messages/texts/xx").status_code == 404


def test_a_text_is_saved_audited_and_reset(app: Flask, signed_in: FlaskClient) -> None:
    answer = signed_in.post(
        PAGE, data=typed(subject="New: {{org}}", body=typed()["body"].replace("\n", "\r\n"))
    )
    assert (answer.status_code, answer.location) == (303, PAGE)
    assert stored(app) == [{"subject": "New: {{org}}"}]
    assert "New: Example Inc." in look(signed_in, PAGE)
    assert signed_in.post(f"{PAGE}/reset").status_code == 303
    assert stored(app) == [{}]
    with app.app_context():
        done = db.session.scalars(select(AuditEntry.what).order_by(AuditEntry.id.desc()).limit(2)).all()
    assert list(done) == ["Reset the registration messages", "Edited the registration messages"]


@pytest.mark.parametrize("where", [PAGE, f"{PAGE}/preview"])
def test_a_text_that_cannot_be_sent_is_refused_with_what_was_typed(
    app: Flask, signed_in: FlaskClient, where: str
) -> None:
    answer = signed_in.post(where, data=typed(sms="{{link}} {{qr}}", subject="<b>{{user}}"))
    assert answer.status_code == 422
    assert "{{qr}} cannot be used here." in answer.text
    assert "There is no variable {{user}}." in answer.text
    assert "&lt;b&gt;{{user}}" in answer.text
    assert stored(app) == []


def test_a_preview_shows_each_kind_of_device_escaped_and_saves_nothing(
    app: Flask, signed_in: FlaskClient
) -> None:
    answer = signed_in.post(
        f"{PAGE}/preview", data=typed(body="<script>{{name}}\n\n{{steps}} {{qr}} {{code}}")
    )
    assert answer.status_code == 200
    assert "&lt;script&gt;Kim Example" in answer.text
    assert "<script>Kim" not in answer.text
    assert answer.text.count('aria-label="QR code of the link"') == 3
    for kind in ("App Store", "Google Play", "Work profile: 7K3M"):
        assert kind in answer.text
    assert stored(app) == []


def test_who_saves_over_another_is_told_and_loses_nothing(app: Flask, signed_in: FlaskClient) -> None:
    assert signed_in.post(PAGE, data=typed(subject="First")).status_code == 303
    answer = signed_in.post(PAGE, data=typed(subject="Second"))
    assert answer.status_code == 409
    assert 'value="Second"' in answer.text
    assert stored(app) == [{"subject": "First"}]
    assert signed_in.post(PAGE, data=typed(subject="Second", edition=1)).status_code == 303


def test_a_text_that_was_not_sent_is_an_empty_one(app: Flask, signed_in: FlaskClient) -> None:
    answer = signed_in.post(PAGE, data={"body": typed()["body"]})
    assert answer.status_code == 422
    assert answer.text.count("Enter a text.") >= 5
    assert stored(app) == []
