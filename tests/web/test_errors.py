"""Rung R: the page of an error comes even when nothing that surrounds a page works."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient
from sqlalchemy.exc import OperationalError

from harmony.security.headers import ALWAYS
from harmony.web.shared import layout


def gone() -> None:
    raise OperationalError("SELECT 1", {}, Exception("the disk is gone"))


@pytest.mark.parametrize(
    ("path", "status", "sentence"),
    [
        ("/nothing", 404, "There is nothing at this address"),
        ("/devices", 500, "Harmony ran into an internal error"),
    ],
)
def test_an_error_page_that_cannot_be_made_is_a_bare_one(
    signed_in: FlaskClient, monkeypatch: pytest.MonkeyPatch, path: str, status: int, sentence: str
) -> None:
    def broken() -> str:
        raise RuntimeError("on purpose")

    signed_in.application.testing = False
    monkeypatch.setitem(signed_in.application.view_functions, "devices.index", broken)
    monkeypatch.setattr(layout, "worker_seen_at", gone)
    answer = signed_in.get(path)
    assert answer.status_code == status
    assert sentence in answer.text
    assert "the disk is gone" not in answer.text
    assert {name: answer.headers[name] for name in ALWAYS} == ALWAYS
