"""Destinations that only the agent of a Connector reaches (rung: S, real receivers, a real agent)."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count

import pytest
from flask import Flask
from sqlalchemy import delete, func, select

from harmony.clock import now
from harmony.connector.allow_list import read_allow_list
from harmony.connector.settings import AgentSettings
from harmony.db import db, write
from harmony.models import Destination, RelayCall
from harmony.outbound import destinations
from harmony.outbound.destinations import DestinationValues
from harmony.outbound.errors import RecordRefused, SendError
from harmony.relay import connectors
from tests.faults.agents import running, settings_of
from tests.faults.certs import Made
from tests.faults.faulty import FaultyServer
from tests.faults.faulty import serving as receiving
from tests.ops.served import serving

_numbers = count(1)


@dataclass
class Site:
    """A Connector, and the settings of an agent that reaches what a test lists."""

    name: str
    agent: AgentSettings

    def allowing(self, *listed: str) -> AgentSettings:
        return replace(self.agent, allowed=read_allow_list(", ".join(listed)))


@pytest.fixture
def site(house: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A Connector whose agent nobody has started yet."""
    over = house.extensions["harmony.relay"].over
    over.clear()
    with house.app_context(), serving(house, monkeypatch, over) as dashboard:
        name = f"SIEM site {next(_numbers)}"
        _id, key = connectors.add(name, "test", now())
        yield Site(name, settings_of(dashboard.port, key))
        with write() as session:
            session.execute(delete(Destination))


@contextmanager
def receiver(made: Made, status: str = "200 OK") -> Iterator[tuple[FaultyServer, str]]:
    """An HTTPS server that answers every request so, and its certificate."""

    def handle(connection: socket.socket, _head: bytes, _number: int) -> None:
        connection.sendall(b"HTTP/1.1 %s\r\nContent-Length: 2\r\n\r\nok" % status.encode())

    with receiving(handle, made) as (server, pem):
        yield server, pem


@contextmanager
def syslog() -> Iterator[tuple[int, list[bytes]]]:
    """A TCP server that reads each connection to its end; its port, and what came."""
    taken: list[bytes] = []

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                taken.append(connection.makefile("rb").read())

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield int(listener.getsockname()[1]), taken
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def webhook(site: Site, url: str, pem: str) -> int:
    values = DestinationValues(
        "Hook", "webhook", ("event",), "information", url=url,
        options={"certificate": pem, "connector": site.name},
    )  # fmt: skip
    return destinations.add("webhook", values, False, "test", now())[0]


def syslog_server(site: Site, port: int) -> int:
    options = {"tls": False, "connector": site.name}
    values = DestinationValues(
        "SIEM", "syslog", ("event",), "information", place=f"127.0.0.1:{port}", options=options
    )
    return destinations.add("syslog", values, False, "test", now())[0]


def left() -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(RelayCall)) or 0


def test_a_signed_record_is_posted_by_the_agent_and_nothing_of_it_stays(site: Site, made: Made) -> None:
    with receiver(made) as (server, pem):
        url = f"{server.url}/hook?key=1"
        with running(site.allowing(f"webhook://127.0.0.1:{server.port}/hook")):
            assert destinations.send_test(webhook(site, url, pem), now()) == "200 ok"
        [request] = server.requests
    assert request.startswith(b"POST /hook?key=1 HTTP/1.1")
    assert b"webhook-signature: v1," in request
    assert left() == 0


def test_what_the_receiver_says_of_a_record_keeps_its_meaning(site: Site, made: Made) -> None:
    with receiver(made, "422 Unprocessable") as (server, pem):
        allowed = site.allowing(server.url.replace("https", "webhook"))
        with running(allowed), pytest.raises(RecordRefused, match="422"):
            destinations.send_test(webhook(site, f"{server.url}/hook", pem), now())


def test_records_reach_a_syslog_server_through_the_agent(site: Site) -> None:
    with syslog() as (port, taken), running(site.allowing(f"syslog://127.0.0.1:{port}")):
        said = destinations.send_test(syslog_server(site, port), now())
    assert said == "Sent; the server read all of it."
    [record] = taken
    assert b"test.ping" in record
    assert left() == 0


def test_a_receiver_off_the_list_of_the_agent_gets_nothing(site: Site, made: Made) -> None:
    with receiver(made) as (server, pem), syslog() as (port, taken):
        other = f"webhook://127.0.0.1:{server.port}/other"
        with running(site.allowing(server.url, other, f"smtp://127.0.0.1:{port}")):
            for id_ in (webhook(site, f"{server.url}/hook", pem), syslog_server(site, port)):
                with pytest.raises(SendError, match=f"Connector {site.name} refused: .* is not on its list"):
                    destinations.send_test(id_, now())
        assert (server.requests, taken) == ([], [])


def test_the_sentence_says_on_which_side_it_failed(site: Site) -> None:
    with syslog() as (port, _taken):
        pass
    id_ = syslog_server(site, port)
    with pytest.raises(SendError, match=f"No agent of Connector {site.name} has connected yet"):
        destinations.send_test(id_, now())
    through = f"Through Connector {site.name}: Nothing listens at 127"
    with running(site.allowing(f"syslog://127.0.0.1:{port}")), pytest.raises(SendError, match=through):
        destinations.send_test(id_, now())
