"""Rung S: connections that get nowhere cost nobody anything, and each ends in its time."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
from flask import Flask
from waitress.channel import HTTPChannel

from harmony.ops import connections
from harmony.security.auth import public
from harmony.security.headers import ALWAYS
from tests.ops.served import Served, answer_on, is_closed, serving
from tests.waiting import wait_for

MANY = 300
LARGE = 20 * 1024 * 1024
HEADERS = b"POST /sign-in HTTP/1.1\r\nHost: h\r\n"
BODY = HEADERS + b"Content-Length: 1000\r\n\r\nna"
CHUNKS = HEADERS + b"Transfer-Encoding: chunked\r\n\r\nff\r\nna"
CHECK_IN = b"POST /protect/v1/check-in HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
KINDS = {
    "silent": b"",
    "one byte": b"G",
    "headers without end": HEADERS + b"X-A: b\r\n",
    "a body cut short": BODY,
    "chunks without end": CHUNKS,
    "an API body cut short": CHECK_IN + b"Content-Length: 60\r\n\r\n{",
}
kinds = pytest.mark.parametrize("sent", KINDS.values(), ids=KINDS.keys())


@pytest.fixture
def served(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """The whole application, and a page that answers when it is let go."""
    gate = app.extensions["gate"] = threading.Semaphore(0)
    app.extensions["entered"] = threading.Semaphore(0)

    @app.get("/slow")
    @public
    def slow() -> str:
        app.extensions["entered"].release()
        gate.acquire()
        return "done"

    @app.get("/large")
    @public
    def large() -> Iterator[bytes]:
        return (b"x" * 65536 for _ in range(LARGE // 65536))

    with serving(app, monkeypatch) as served:
        yield served
        for _ in range(64):
            gate.release()


def everything_answers(served: Served) -> None:
    """A page, the device API and health, each on a new connection of the same address."""
    assert served.get("/setup").status == 200
    assert served.ask(CHECK_IN + b"Content-Length: 2\r\n\r\n{}").status == 401
    for path in ("/healthz", "/readyz"):
        assert served.get(path).status in {200, 503}, path


@kinds
def test_300_connections_that_get_nowhere_cost_nobody_anything(served: Served, sent: bytes) -> None:
    clients = [served.connect(sent) for _ in range(MANY)]
    everything_answers(served)
    for client in clients[-100:]:
        client.sendall(b"x")  # they go on, a byte at a time
    everything_answers(served)
    assert len(clients) == MANY


@kinds
def test_a_request_has_to_be_complete_in_total_time_however_steadily_it_comes(
    served: Served, sent: bytes
) -> None:
    client = served.connect(sent)
    step = connections.BODY_SECONDS / 10
    for _ in range(11):
        try:
            client.sendall(b"x" if sent else b"")
        except OSError:
            break
        served.advance(step)
    if not sent:
        assert is_closed(client)
        return
    answer = answer_on(client)
    assert (answer.status, answer.headers["Connection"]) == (408, "close")
    assert {name: answer.headers[name] for name in ALWAYS} == ALWAYS
    if b"/protect" in sent:
        assert json.loads(answer.body)["message"]
    else:
        assert b"did not arrive in time" in answer.body


def test_headers_are_due_earlier_than_a_body(served: Served) -> None:
    header, body = served.connect(b"GET / HT"), served.connect(BODY)
    assert served.get("/healthz").status == 200  # so that both were read
    served.advance(connections.HEADER_SECONDS + 1)
    assert answer_on(header).status == 408
    body.sendall(b"x" * 998)
    assert answer_on(body).status == 422


def test_a_request_that_is_being_answered_has_no_deadline(served: Served, app: Flask) -> None:
    client = served.connect(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
    app.extensions["entered"].acquire()
    served.advance(3600)
    assert served.get("/healthz").status == 200
    app.extensions["gate"].release()
    assert answer_on(client).body == b"done"


def test_an_idle_connection_is_kept_for_a_minute_and_then_closed(served: Served) -> None:
    client = served.connect(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
    assert answer_on(client).body
    served.advance(60)
    client.sendall(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
    assert answer_on(client).body
    served.advance(connections.KEEP_ALIVE_SECONDS + 1)
    assert is_closed(client)


def test_empty_lines_do_not_keep_a_connection(served: Served) -> None:
    client = served.connect()
    for _ in range(20):
        try:
            client.sendall(b"\r\n")
        except OSError:
            break
        served.advance(connections.HEADER_SECONDS - 1)
    assert b" 200 " not in _everything(client)  # which ends only when the server ended the connection


def test_an_answer_that_nobody_takes_is_given_up_and_its_thread_freed(served: Served) -> None:
    client = served.connect(b"GET /large HTTP/1.1\r\nHost: h\r\n\r\n")
    wait_for(served.server.is_busy, "an answer that waits")

    def is_given_up() -> bool:
        served.advance(connections.STALLED_SECONDS)
        return not served.server.is_busy()

    wait_for(is_given_up, "the end of the answer")
    assert len(_everything(client)) < LARGE


def test_a_flood_of_one_address_closes_its_own_oldest_and_nobody_elses(served: Served) -> None:
    other = served.connect(b"GET", source="127.0.0.2")
    first, *_ = [served.connect(b"G") for _ in range(connections.MOST_OF_AN_ADDRESS)]
    newest = served.connect(b"G")
    assert is_closed(first)
    other.sendall(b" /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
    newest.sendall(b"ET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
    assert (answer_on(other).status, answer_on(newest).status) == (200, 200)


def test_when_all_are_taken_the_busiest_address_gives_way(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 10)
    victim = served.connect(b"G", source="127.0.0.2")
    first, *_ = [served.connect(b"G") for _ in range(9)]
    assert served.get("/healthz", source="127.0.0.3").status == 200
    assert is_closed(first)
    victim.sendall(b"ET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
    assert answer_on(victim).status == 200


def test_what_is_being_answered_is_never_closed_for_a_newcomer(
    served: Served, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served.server, "most_of_an_address", 2)
    asked = [served.connect(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n") for _ in range(2)]
    for _ in asked:
        app.extensions["entered"].acquire()
    assert is_closed(served.connect(b""))
    app.extensions["gate"].release(2)
    assert [answer_on(client).body for client in asked] == [b"done", b"done"]


def test_behind_a_trusted_proxy_no_address_is_bounded(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(app, monkeypatch, trusted_proxies=1) as served:
        assert served.server.most_of_an_address == connections.MOST_CONNECTIONS


def test_health_answers_while_every_thread_is_busy(served: Served, app: Flask) -> None:
    threads = served.server.adj.threads
    asked = [served.connect(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n") for _ in range(threads + 5)]
    for _ in range(threads):
        app.extensions["entered"].acquire()
    assert served.get("/healthz").status == 200
    assert served.get("/readyz").status in {200, 503}
    assert served.ask(b"nonsense\r\n\r\n").status == 400
    app.extensions["gate"].release(len(asked))
    assert all(answer_on(client).body == b"done" for client in asked)


def test_a_large_piece_is_read_only_of_a_body_whose_length_is_known(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    pieces: list[int] = []
    receive = HTTPChannel.recv

    def recorded(channel: HTTPChannel, size: int) -> bytes:
        pieces.append(size)
        return bytes(receive(channel, size))

    monkeypatch.setattr(HTTPChannel, "recv", recorded)
    line = served.connect(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n" * 2000)
    assert line.recv(8) == b"HTTP/1.1"
    assert pieces
    assert max(pieces) <= connections.SMALL_PIECE, "each request of a piece is queued at once"
    served.ask(CHECK_IN + b"Content-Length: 100000\r\n\r\n" + b" " * 100_000)
    assert max(pieces) > connections.SMALL_PIECE


def test_a_stop_finishes_what_is_under_way_and_accepts_nobody(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, gate, stop = threading.Event(), threading.Event(), threading.Event()

    @app.get("/late")
    @public
    def late() -> str:
        entered.set()
        gate.wait()
        return "done"

    with serving(app, monkeypatch, stop) as served:
        client, idle = served.connect(b"GET /late HTTP/1.1\r\nHost: h\r\n\r\n"), served.connect()
        entered.wait()
        stop.set()
        served.server.pull_trigger()
        wait_for(lambda: _refuses(served.port), "the end of listening")
        gate.set()
        assert answer_on(client).body == b"done"
        assert is_closed(idle)


def _refuses(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def _everything(client: socket.socket) -> bytes:
    """What still comes until the other side ends the connection."""
    parts = []
    with suppress(ConnectionResetError):
        while part := client.recv(1 << 16):
            parts.append(part)
    return b"".join(parts)
