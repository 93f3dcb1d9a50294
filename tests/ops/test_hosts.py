"""Rungs R and S: the whole application refuses other hosts with a sentence, and tells probes how it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient

from harmony import create_app
from harmony.config import Settings
from harmony.security.headers import ALWAYS
from tests.ops.served import Served, serving

PUBLIC = "https://Harmony.example"
OWN = [
    "harmony.example",
    "HARMONY.EXAMPLE",
    "harmony.example.",
    "harmony.example:443",
    "Harmony.Example.:8000",
]
OTHERS = [
    "evil.example",
    "127.0.0.1",
    "[::1]:8000",
    "harmony.example.evil.example",
    "harmony",
    "xharmony.example",
]
MALFORMED = [
    "a b",
    "<script>",
    "[::1",
    "a/b",
    "harmony.example@evil",
    "h\xe4rmony.example",
    "a:b",
    "a, b",
    "",
    "*",
]
PATHS = ["/", "/sign-in", "/setup", "/devices", "/static/app.css", "/nothing", "/%ff", "//x"]


@pytest.fixture
def named(settings: Settings) -> Flask:
    """The whole application, which people open by a name."""
    return create_app(replace(settings, public_url=PUBLIC))


def client_of(app: Flask) -> FlaskClient:
    app.testing = False  # an error of our own must come as an answer, as it would in the field
    return app.test_client()


@pytest.mark.parametrize("host", OWN)
def test_the_public_name_is_served_in_every_spelling(named: Flask, host: str) -> None:
    answer = client_of(named).get("/setup", headers={"Host": host})
    assert answer.status_code == 200
    assert "set-up code" in answer.text


@pytest.mark.parametrize("host", OTHERS + MALFORMED)
def test_any_other_host_gets_400_with_a_sentence_at_every_address(named: Flask, host: str) -> None:
    client = client_of(named)
    for path in PATHS:
        answer = client.open(path, environ_overrides={"HTTP_HOST": host})
        assert answer.status_code == 400, path
        assert "name" in answer.text
        assert host in {"", "*", "harmony"} or host not in answer.text
        assert {name: answer.headers[name] for name in ALWAYS} == ALWAYS
        assert answer.headers["Cache-Control"] == "no-store"


def test_every_method_is_refused(named: Flask) -> None:
    client = client_of(named)
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH"):
        assert client.open("/", method=method, headers={"Host": "evil.example"}).status_code == 400, method


def test_programs_are_refused_in_json(named: Flask) -> None:
    answer = client_of(named).post("/protect/v1/check-in", json={}, headers={"Host": "evil.example"})
    assert answer.status_code == 400
    assert answer.mimetype == "application/json"
    assert set(json.loads(answer.data)) == {"error", "message"}


@pytest.mark.parametrize(("path", "status"), [("/healthz", 200), ("/readyz", 503)])  # no worker runs here
def test_health_is_told_by_whatever_name_it_is_asked(named: Flask, path: str, status: int) -> None:
    client = client_of(named)
    for host in (*OTHERS, *MALFORMED, *OWN):
        answer = client.get(path, environ_overrides={"HTTP_HOST": host})
        assert (answer.status_code, "status" in answer.json) == (status, True), host


def test_without_a_public_name_only_what_no_host_can_be_is_refused(app: Flask) -> None:
    client = client_of(app)
    for host in MALFORMED:
        assert client.get("/setup", environ_overrides={"HTTP_HOST": host}).status_code == 400, host
    assert client.get("/setup", headers={"Host": "whatever.example:1234"}).status_code == 200


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("harmony.example", "https://harmony.example:443", 422),
        ("harmony.example:443", "https://harmony.example", 422),
        ("Harmony.Example.", "https://harmony.example", 422),
        ("harmony.example", "https://evil.example", 403),
        ("harmony.example", "http://harmony.example", 403),
        ("harmony.example", "null", 403),
        ("harmony.example", "https://harmony.example.evil.example", 403),
    ],
)
def test_a_form_is_from_our_page_however_the_host_is_spelled(
    named: Flask, host: str, origin: str, status: int
) -> None:
    headers, client = {"Host": host, "Origin": origin}, client_of(named)
    answer = client.post("/setup", headers=headers, base_url="https://harmony.example")
    assert answer.status_code == status


@pytest.fixture
def served(named: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    with serving(named, monkeypatch) as served:
        yield served


def test_on_a_real_socket_probes_by_address_pass_and_pages_do_not(served: Served) -> None:
    assert served.get("/healthz").status == 200
    assert served.get("/readyz").status == 503
    refused = served.get("/")
    assert refused.status == 400
    assert b"HARMONY_PUBLIC_URL" in refused.body


@pytest.mark.parametrize(
    "head",
    [
        b"GET /setup HTTP/1.1\r\n\r\n",
        b"GET /setup HTTP/1.0\r\n\r\n",
        b"GET /setup HTTP/1.1\r\nHost:\r\n\r\n",
        b"GET /setup HTTP/1.1\r\nHost: harmony.example\r\nHost: evil.example\r\n\r\n",
        b"GET /setup HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: harmony.example\r\n\r\n",
        b"GET /setup HTTP/1.1\r\nHost: \xff\xfe\r\n\r\n",
    ],
)
def test_on_a_real_socket_a_host_that_is_missing_doubled_or_forwarded_is_refused(
    served: Served, head: bytes
) -> None:
    assert served.ask(head).status == 400


def test_behind_a_trusted_proxy_its_host_and_scheme_are_judged(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = create_app(replace(settings, public_url=PUBLIC, trusted_proxies=1))
    with serving(app, monkeypatch, trusted_proxies=1) as served:
        good = served.get("/setup", "X-Forwarded-Host: harmony.example", "X-Forwarded-Proto: https")
        assert good.status == 200
        assert "Strict-Transport-Security" in good.headers
        assert served.get("/setup", "X-Forwarded-Host: evil.example").status == 400
        assert (
            served.get("/setup", "X-Forwarded-Host: harmony.example", "X-Forwarded-Proto: x y").status == 200
        )
