"""The web server on a loopback port in a thread, with a clock that the test moves; raw clients for it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from email.message import Message
from http.client import HTTPResponse
from typing import Any

import pytest
from flask import Flask

from harmony.clock import monotonic
from harmony.config import Settings
from harmony.ops import connections
from harmony.ops.connections import Server
from harmony.ops.web_server import open_server, run

PATIENCE = 20.0


class Clock:
    """Real seconds, and those that the test adds."""

    def __init__(self) -> None:
        self.added = 0.0

    def __call__(self) -> float:
        return monotonic() + self.added


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Message
    body: bytes


class Served:
    """A server that listens, and clients that speak bytes to it."""

    def __init__(self, server: Server, clock: Clock) -> None:
        self.server, self.clock = server, clock
        self.port = int(server.effective_port)
        self._clients = ExitStack()

    def connect(self, data: bytes = b"", source: str = "127.0.0.1") -> socket.socket:
        """A connection that has sent `data` and stays open."""
        client = self._clients.enter_context(socket.socket())
        client.settimeout(PATIENCE)
        client.bind((source, 0))
        client.connect(("127.0.0.1", self.port))
        client.sendall(data)
        return client

    def ask(self, data: bytes, source: str = "127.0.0.1") -> Answer:
        """Send bytes on a connection of their own and read the answer."""
        return answer_on(self.connect(data, source))

    def get(self, path: str, *lines: str, source: str = "127.0.0.1") -> Answer:
        """GET with these header lines besides Host."""
        head = "".join(f"{line}\r\n" for line in (f"Host: 127.0.0.1:{self.port}", *lines))
        return self.ask(f"GET {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1"), source)

    def advance(self, seconds: float) -> None:
        """Let time pass, and have the server notice, after it has read all that was sent before."""
        assert self.get("/healthz", source="127.0.0.9").status == 200
        self.clock.added += seconds
        self.server.pull_trigger()

    def close(self) -> None:
        self._clients.close()


@contextmanager
def serving(
    app: Flask, monkeypatch: pytest.MonkeyPatch, stop: threading.Event | None = None, **changes: Any
) -> Iterator[Served]:
    """`app` on a port of its own, with settings changed; stopped and its thread ended afterwards."""
    clock, stop = Clock(), stop or threading.Event()
    monkeypatch.setattr(connections, "monotonic", clock)
    settings: Settings = app.extensions["harmony.settings"]
    server = open_server(app, replace(settings, bind=("127.0.0.1", 0), **changes))
    thread = threading.Thread(target=run, args=(server, stop))
    thread.start()
    served = Served(server, clock)
    try:
        yield served
    finally:
        served.close()
        stop.set()
        with suppress(OSError):  # it has ended already
            server.pull_trigger()
        thread.join()


def answer_on(client: socket.socket, method: str = "GET") -> Answer:
    """The next answer on a connection, read to its end."""
    with closing(HTTPResponse(client, method=method)) as answer:
        answer.begin()
        return Answer(answer.status, answer.headers, answer.read())


def is_closed(client: socket.socket) -> bool:
    """Wait for the other side to end the connection without a byte."""
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True
