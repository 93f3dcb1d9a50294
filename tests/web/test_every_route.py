"""Rung R: what holds for every route there is, and so for the one that is added next."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.routing import IntegerConverter, Rule
from werkzeug.test import TestResponse

from harmony.api.routes import COLLECTIONS
from harmony.db import Base, db
from harmony.security import auth, headers

PUBLIC = {
    "/robots.txt",
    "/sign-in", "/sign-in/provider", "/sign-in/provider/callback", "/sign-in/provider/logout",
    "/sign-in/provider/signed-out/<key>", "/setup", "/theme", "/healthz", "/readyz", "/metrics", "/register",
    "/invitation/<token>", "/static/<path:filename>",
    "/sign-in/factor", "/sign-in/factor/code", "/sign-in/factor/recovery-code", "/sign-in/factor/passkey",
    "/sign-in/factor/passkey/options", "/sign-in/passkey", "/sign-in/passkey/options",
    "/protect/v1/register", "/protect/v1/check-in", "/protect/v1/unregister", "/protect/v1/openapi.json",
    "/hooks/ws1/<address>",
    "/connector/v1/poll", "/connector/v1/calls/<call_id>/parts/<int:number>",
    "/api/v1/openapi.json", "/api/v1/posture", "/api/v1/policy", "/api/v1/tags",
    "/api/v1/holds/<int:row_id>/list", "/api/v1/holds/<int:row_id>/approve",
    "/api/v1/integrations/<int:row_id>/sync", "/api/v1/integrations/<int:row_id>/pause",
    "/api/v1/integrations/<int:row_id>/resume",
    *(f"/api/v1/{collection.name}{row}" for collection in COLLECTIONS for row in ("", "/<int:row_id>")),
}  # fmt: skip
UNSAFE = {"POST", "PUT", "PATCH", "DELETE"}
FOREIGN = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
]


def path_of(rule: Rule) -> str:
    """An address of the rule, about things that are not there."""
    values = {
        name: 1 if isinstance(converter, IntegerConverter) else "x"
        for name, converter in rule._converters.items()
    }
    built = rule.build(values)
    assert built is not None
    return built[1]


def rules(app: Flask, *, public: bool | None = None) -> Iterator[Rule]:
    for rule in app.url_map.iter_rules():
        if public is None or auth.is_public(app, rule.endpoint) is public:
            yield rule


def pages(app: Flask, *, public: bool | None = None) -> list[str]:
    return [path_of(rule) for rule in rules(app, public=public) if "GET" in (rule.methods or ())]


def forms(app: Flask) -> list[tuple[str, str]]:
    return [(method, path_of(rule)) for rule in rules(app) for method in UNSAFE & (rule.methods or set())]


def has_every_header(answer: TestResponse) -> bool:
    cookies = answer.headers.getlist("Set-Cookie")
    return (
        all(answer.headers.get(name) == value for name, value in headers.ALWAYS.items())
        and answer.headers.get("Cache-Control") == "no-store"
        and not any(name.lower().startswith("access-control-") for name, _ in answer.headers)
        and all("HttpOnly" in cookie and "SameSite=Lax" in cookie for cookie in cookies)
    )


def contents() -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table but the sessions, whose last use may be written by looking."""
    tables = [table for table in Base.metadata.sorted_tables if table.name != "sign_in_session"]
    found = {
        table.name: sorted((tuple(row) for row in db.session.execute(select(table))), key=repr)
        for table in tables
    }
    db.session.rollback()
    return found


def test_the_public_ones_are_exactly_these(app: Flask) -> None:
    assert {rule.rule for rule in rules(app, public=True)} == PUBLIC


def test_every_other_page_leads_to_the_sign_in_page(app: Flask, client: FlaskClient) -> None:
    asked = pages(app, public=False)
    assert asked
    answers = {path: client.get(path) for path in asked}
    assert {path: answer.status_code for path, answer in answers.items()} == dict.fromkeys(asked, 303)
    assert {answer.location.partition("?")[0] for answer in answers.values()} == {"/sign-in"}


def test_every_other_form_leads_to_the_sign_in_page(app: Flask, client: FlaskClient) -> None:
    closed = [
        (method, path_of(rule))
        for rule in rules(app, public=False)
        for method in UNSAFE & (rule.methods or set())
    ]
    assert {client.open(path, method=method).location for method, path in closed} == {"/sign-in"}


@pytest.mark.parametrize("foreign", FOREIGN, ids=lambda sent: "-".join(*sent.items()))
def test_no_form_takes_a_request_of_another_site(
    app: Flask, signed_in: FlaskClient, foreign: dict[str, str]
) -> None:
    with app.app_context():
        before = contents()
    refused = {
        (method, path): signed_in.open(path, method=method, headers=foreign) for method, path in forms(app)
    }
    assert {key for key, answer in refused.items() if answer.status_code != 403} == set()
    assert all(has_every_header(answer) for answer in refused.values())
    with app.app_context():
        assert contents() == before


def test_looking_changes_nothing_and_every_answer_has_the_headers(app: Flask, signed_in: FlaskClient) -> None:
    with app.app_context():
        before = contents()
    asked = [*pages(app), "/there/is/nothing"]
    answers = {path: signed_in.get(path) for path in asked}
    assert {path for path, answer in answers.items() if not has_every_header(answer)} == set()
    assert {path for path, answer in answers.items() if answer.status_code >= 500} <= {"/readyz"}
    with app.app_context():
        assert contents() == before


def test_every_answer_to_strangers_has_the_headers(app: Flask, client: FlaskClient) -> None:
    answers = {path: client.get(path) for path in [*pages(app), "/there/is/nothing"]}
    assert {path for path, answer in answers.items() if not has_every_header(answer)} == set()


def test_every_text_says_its_encoding(app: Flask, signed_in: FlaskClient) -> None:
    for path in pages(app):
        kind = signed_in.get(path).headers["Content-Type"]
        assert not kind.startswith("text/") or "charset=utf-8" in kind, path
