"""Rung S: malformed bytes get an answer with every header, and never an error of our own."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask import Flask, request
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from harmony import create_app
from harmony.application import MAX_BODY_BYTES
from harmony.config import Settings
from harmony.ops.connections import HEADER_SECONDS
from harmony.security.auth import public
from harmony.security.headers import ALWAYS
from tests.ops.served import Answer, Served, answer_on, serving
from tests.sampling import sample

HOST = b"Host: h\r\n"
API = b"POST /protect/v1/register HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
FORWARDED = (
    "X-Forwarded-Proto: https",
    "X-Forwarded-Protocol: ssl",
    "X-Forwarded-SSL: on",
    "X-Forwarded-For: 203.0.113.9",
    "X-Forwarded-Host: evil.example",
    "X-Forwarded-Port: 444",
    "X-Forwarded-Prefix: /evil",
    "Forwarded: for=203.0.113.9;proto=https;host=evil.example",
    "SCRIPT_NAME: /evil",
    "SCRIPT-NAME: /evil",
    "Script-Name: /evil",
    "PATH_INFO: /evil",
    "PATH-INFO: /evil",
    "REMOTE_ADDR: 203.0.113.9",
    "REMOTE-USER: admin",
    "wsgi.url_scheme: https",
)


@pytest.fixture
def served(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    app.testing = False  # an error of our own must come as an answer, as it would in the field
    _add_probes(app)
    with serving(app, monkeypatch) as served:
        yield served


def _add_probes(app: Flask) -> None:
    inner = app.wsgi_app

    def seen(environ: dict[str, object], start_response: object) -> object:
        app.extensions["seen"] = dict(environ)
        if environ["PATH_INFO"] == "/broken":
            raise RuntimeError("on purpose")
        return inner(environ, start_response)  # type: ignore[arg-type]

    @app.get("/late")
    @public
    def late() -> Iterator[bytes]:
        yield b"x"
        raise RuntimeError("on purpose")

    app.wsgi_app = seen  # type: ignore[assignment,method-assign]


def has_the_headers(answer: Answer) -> bool:
    return {name: answer.headers[name] for name in ALWAYS} == ALWAYS and bool(answer.headers["Cache-Control"])


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"get / HTTP/1.1\r\n\r\n", 400),
        (b"GET  / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/x\r\n\r\n", 400),
        (b"GET http://[::1/ HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + HOST + b"no colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + HOST + b"A : b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + HOST + b"A: \x00\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n B: folded first\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1, 1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 99999999999\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\n" + HOST + CHUNKED + b"zz\r\n", 400),
        (b"POST / HTTP/1.1\r\n" + HOST + CHUNKED + b"3;\x00\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + HOST + b"A: " + b"x" * 40_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"x" * 40_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + HOST + b"A: b\r\n" * 9000 + b"\r\n", 431),
        (b"GET /broken HTTP/1.1\r\n" + HOST + b"\r\n", 500),
    ],
)
def test_what_the_server_answers_itself_has_every_header_and_quotes_nothing(
    served: Served, sent: bytes, status: int
) -> None:
    answer = served.ask(sent)
    assert (answer.status, answer.headers["Content-Type"]) == (status, "text/html; charset=utf-8")
    assert has_the_headers(answer)
    assert "Server" not in answer.headers
    assert b"waitress" not in answer.body
    assert b"Traceback" not in answer.body
    assert served.get("/healthz").status == 200


@pytest.mark.parametrize(
    ("public_url", "expected"), [("HTTPS://h", "max-age=31536000"), ("http://h", None), ("", None)]
)
@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 99999999999\r\n\r\n", 413),
        (b"GET / HTTP/1.1\r\n" + HOST + b"A: " + b"x" * 40_000 + b"\r\n\r\n", 431),
        (b"GET /broken HTTP/1.1\r\n" + HOST + b"\r\n", 500),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip\r\n\r\n", 501),
        (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        (b"GET /nothing HTTP/1.1\r\n" + HOST + b"\r\n", 303),
    ],
)  # fmt: skip
def test_an_answer_asks_for_https_wherever_the_dashboard_is_opened_by_it(  # noqa: PLR0917 - what pytest gives
    settings: Settings, monkeypatch: pytest.MonkeyPatch, sent: bytes, status: int, public_url: str,
    expected: str | None,
) -> None:  # fmt: skip
    app = create_app(replace(settings, public_url=public_url))
    _add_probes(app)
    with serving(app, monkeypatch) as served:
        answer = served.ask(sent)
    assert answer.status == status
    assert answer.headers["Strict-Transport-Security"] == expected


def test_a_request_that_is_too_slow_is_answered_with_https_asked_for(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(create_app(replace(settings, public_url="https://h")), monkeypatch) as served:
        client = served.connect(b"GET / HTTP/1.1\r\n")
        served.advance(HEADER_SECONDS + 1)
        answer = answer_on(client)
    assert (answer.status, answer.headers["Strict-Transport-Security"]) == (408, "max-age=31536000")


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/nothing%ff%00%0a", 303),
        ("/static/../../app.py", 404),
        ("/static/%2e%2e/%2e%2e/app.py", 404),
        ("//evil.example/%2f..", 303),
        ("http://evil.example/setup", 200),
        ("/setup?" + "a=b&" * 2000, 200),
        ("/setup?q=%ff%fe", 200),
        ("/setup#x", 200),
        ("*", 303),
        ("evil.example:443", 303),
        ("/protect/v1/nothing", 404),
    ],
)
def test_an_odd_target_is_an_address_like_any_other(served: Served, target: str, status: int) -> None:
    answer = served.get(target)
    assert answer.status == status
    assert has_the_headers(answer)
    assert "evil" not in answer.headers.get("Location", "")


METHODS = st.sampled_from([b"GET", b"POST", b"HEAD", b"OPTIONS", b"TRACE", b"CONNECT", b"G\xff"])
PREFIXES = st.sampled_from([b"/", b"/protect/v1/", b"/static/", b"/devices?q=", b"/sign-in?next=", b""])
NAMES = st.sampled_from(
    b"Host Cookie Authorization Content-Type Accept-Encoding Origin If-None-Match If-Modified-Since Range "
    b"HX-Request HX-Current-URL Referer Expect Connection Transfer-Encoding Sec-Fetch-Site".split()
)
SOME_BYTES = st.binary(max_size=30)


@examples(max_examples=sample(60, 3000), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    request_line=st.tuples(METHODS, st.just(b" "), PREFIXES, SOME_BYTES).map(b"".join),
    field=st.tuples(NAMES | SOME_BYTES, st.just(b": "), SOME_BYTES).map(b"".join),
)
def test_no_bytes_make_an_error_of_our_own(
    served: Served, caplog: pytest.LogCaptureFixture, request_line: bytes, field: bytes
) -> None:
    caplog.clear()
    head = b"%s HTTP/1.1\r\nHost: h\r\n%s\r\nConnection: close\r\n\r\n" % (request_line, field)
    client = served.connect(head)
    client.shutdown(1)  # what is incomplete stays so
    received = b""
    while part := client.recv(65536):
        received += part
    client.close()
    status = received[9:12]
    assert status in {b"", b"501", b"505"} or status[:1] in b"234", received[:200]
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert not errors


@pytest.mark.parametrize("line", FORWARDED)
def test_without_a_trusted_proxy_nothing_that_a_client_says_of_itself_is_believed(
    served: Served, app: Flask, line: str
) -> None:
    answer = served.get("/", line)
    environ = app.extensions["seen"]
    names = ("wsgi.url_scheme", "REMOTE_ADDR", "SCRIPT_NAME", "PATH_INFO")
    assert [environ[name] for name in names] == ["http", "127.0.0.1", "", "/"]
    assert "REMOTE_USER" not in environ
    assert answer.headers["Location"] == "/setup"
    assert "Strict-Transport-Security" not in answer.headers
    assert "evil" not in served.get("/protect/v1/openapi.json", line).body.decode()


def test_with_one_trusted_proxy_its_word_is_believed_and_no_more(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = create_app(replace(settings, trusted_proxies=1))

    @app.get("/seen")
    @public
    def seen() -> list[str | None]:
        return [request.scheme, request.remote_addr, request.host, request.script_root]

    with serving(app, monkeypatch, trusted_proxies=1) as served:
        answer = served.get(
            "/seen", "X-Forwarded-For: 198.51.100.1, 203.0.113.9", "X-Forwarded-Proto: https",
            "X-Forwarded-Host: h.example", "X-Forwarded-Prefix: /mtd", "SCRIPT_NAME: /evil",
        )  # fmt: skip
    assert json.loads(answer.body) == ["https", "203.0.113.9", "h.example", "/mtd"]


@pytest.mark.parametrize("size", [65 * 1024, MAX_BODY_BYTES, MAX_BODY_BYTES + 1, 5 * MAX_BODY_BYTES])
@pytest.mark.parametrize("chunked", [True, False], ids=["chunked", "with its length"])
def test_a_body_that_is_too_large_gets_413_however_it_is_sent(
    served: Served, size: int, chunked: bool
) -> None:
    body = b"x" * size
    if chunked:
        sent = API + CHUNKED + b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in _cut(body)) + b"0\r\n\r\n"
    else:
        sent = API + b"Content-Length: %d\r\n\r\n" % size + body
    answer = served.ask(sent)
    assert (answer.status, json.loads(answer.body)["error"]) == (413, "too_large")
    page = served.ask(sent.replace(b"/protect/v1/register", b"/setup"))
    assert page.status == (413 if size > MAX_BODY_BYTES else 422)


def _cut(body: bytes) -> Iterator[bytes]:
    return (body[start : start + 10_000] for start in range(0, len(body), 10_000))


def test_a_chunked_body_within_the_bounds_is_read(served: Served) -> None:
    answer = served.ask(API + CHUNKED + b"2\r\n{}\r\n0\r\n\r\n")
    assert (answer.status, json.loads(answer.body)["error"]) == (422, "invalid")


def test_requests_in_one_go_are_answered_in_their_order(served: Served) -> None:
    answer = served.ask(
        b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\nGET /setup HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    )
    assert answer.body.startswith(b'{"status":"ok",')


def test_an_error_in_the_middle_of_an_answer_ends_the_connection(served: Served) -> None:
    client = served.connect(b"GET /late HTTP/1.1\r\nHost: h\r\n\r\n")
    received = b""
    while part := client.recv(65536):
        received += part
    assert not received.endswith(b"0\r\n\r\n")
