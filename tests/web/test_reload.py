"""Rung R: Reload after any form leads to its page, for every route there is and is added next."""

from __future__ import annotations

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.exceptions import MethodNotAllowed

from tests.web.test_every_route import forms, path_of


def test_reload_after_any_form_leads_to_a_page(app: Flask, signed_in: FlaskClient) -> None:
    """What is not there may be said by a 404, but never that the address cannot be read."""
    programs = ("/protect/v1/", "/connector/v1/", "/api/v1/")
    asked = {path for method, path in forms(app) if method == "POST" and not path.startswith(programs)}
    assert len(asked) > 30
    for path in sorted(asked):
        answer = signed_in.get(path)
        assert answer.status_code in {200, 303, 404}, path
        if answer.status_code == 303:
            adapter = app.url_map.bind("localhost")
            assert adapter.match(answer.location.partition("?")[0], "GET"), path


def test_no_form_shares_its_address_with_a_thing_of_that_name(app: Flask) -> None:
    """A page for `<key>` beside a form at `push` would say that there is no such key."""
    adapter = app.url_map.bind("localhost")
    for rule in app.url_map.iter_rules():
        if "POST" not in (rule.methods or ()):
            continue
        try:
            found, _ = adapter.match(path_of(rule), "GET", return_rule=True)
        except MethodNotAllowed:
            continue
        assert found.rule == rule.rule


def test_every_button_of_tags_is_reloaded_as_their_page(signed_in: FlaskClient) -> None:
    for button in ("push", "read-back", "create"):
        answer = signed_in.get(f"/integrations/7/tags/{button}")
        assert (answer.status_code, answer.location) == (303, "/integrations/7/tags")


def test_reload_keeps_what_was_asked_for(signed_in: FlaskClient) -> None:
    answer = signed_in.get("/devices/restore?state=deleted&risk=high&q=%C3%A4%20b")
    assert (answer.status_code, answer.location) == (303, "/devices?state=deleted&risk=high&q=%C3%A4%20b")
    assert signed_in.get("/apps/5/exception").location == "/apps/5"
    assert signed_in.head("/apps/5/exception").location == "/apps/5"


def test_other_ways_to_ask_are_still_refused(signed_in: FlaskClient) -> None:
    assert signed_in.put("/apps/5/exception").status_code == 405
    assert signed_in.post("/apps/5/decisions").status_code == 405
    assert signed_in.get("/protect/v1/check-in").status_code == 405
