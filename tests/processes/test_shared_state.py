"""Several processes get one token, and keep to a wait that one of them was told. Rungs: M, S, K."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask import Flask

from harmony.db import db, write
from harmony.models import Integration
from harmony.models.configuration import SERVER, ServerDetails, to_row
from harmony.security.credentials import seal_secrets
from harmony.setup import drafts
from tests import preloaded
from tests.builders import an_integration
from tests.faults.faulty import FaultyServer, http, serving

pytestmark = pytest.mark.processes

INFO = json.dumps({"ProductName": "AirWatch Platform Service", "ProductVersion": "26.2.0.0"}).encode()
TOKEN = b'{"access_token": "shared-bearer", "expires_in": 3600}'
ROOT = Path(__file__).resolve().parents[2]
PROCESS = """
import sys
from harmony import create_app
from harmony.config import Settings
from harmony.db import db
from harmony.models import Integration
from harmony.models.configuration import SERVER, ServerDetails, from_row
from harmony.jobs.uem_client import connection, reach
from harmony.uem.errors import UemError
from pathlib import Path
app = create_app(Settings(data_dir=Path(sys.argv[1]), demo=True))
with app.app_context():
    page = db.session.get_one(Integration, 1).page(SERVER)
    target = connection(1, from_row(ServerDetails, page.applied))
    db.session.rollback()
    print("ready", flush=True)
    sys.stdin.readline()
    client = reach("workspace_one", target, longest_wait=1)
    try:
        print(client.system_info().version)
    except UemError as error:
        print(error.sentence)
    client.close()
"""


class Uem:
    """A server with a token service; `told` is what it answers to a call, `slow` holds a token back."""

    def __init__(self) -> None:
        self.answer = http(INFO)
        self.release = threading.Event()
        self.release.set()

    def __call__(self, connection: object, head: bytes, number: int) -> None:
        if head.startswith(b"POST"):
            assert self.release.wait(60)
            connection.sendall(http(TOKEN))  # type: ignore[attr-defined]
        else:
            connection.sendall(self.answer)  # type: ignore[attr-defined]


@pytest.fixture
def uem(app: Flask) -> Iterator[tuple[Uem, FaultyServer]]:
    uem = Uem()
    with app.app_context(), serving(uem) as (server, pem):
        id_ = an_integration()
        assert id_ == 1
        details = ServerDetails(
            display_name="Test UEM", server_address=server.url, token_address=f"{server.url}/connect/token",
            client_id="id", client_secret="shared-secret", self_signed=True, certificate=pem,
        )  # fmt: skip
        with write() as session:
            page = session.get_one(Integration, id_).page(SERVER)
            assert page is not None
            page.draft = page.applied = to_row(seal_secrets(id_, details))
        assert drafts.digest(page.draft)
        db.session.rollback()
        yield uem, server


@contextmanager
def processes(app: Flask, number: int) -> Iterator[list[preloaded.Piped]]:
    """Processes that have started and wait for a line before they call."""
    folder = str(app.extensions["harmony.settings"].data_dir)
    started = [preloaded.Piped("-c", PROCESS, folder) for _ in range(number)]
    try:
        assert [process.line() for process in started] == ["ready"] * number
        yield started
    finally:
        for process in started:
            process.end()


def tokens(server: FaultyServer) -> int:
    return sum(head.startswith(b"POST") for head in server.requests)


def calls(server: FaultyServer) -> int:
    return len(server.requests) - tokens(server)


def test_processes_that_start_together_ask_for_one_token(app: Flask, uem: tuple[Uem, FaultyServer]) -> None:
    with processes(app, 4) as started:
        for process in started:
            process.tell("go")
        assert [process.line() for process in started] == ["26.2.0.0"] * 4
    assert (tokens(uem[1]), calls(uem[1])) == (1, 4)


def test_a_process_killed_while_it_fetches_keeps_the_next_one_waiting_only_a_while(
    app: Flask, uem: tuple[Uem, FaultyServer]
) -> None:
    fake, server = uem
    fake.release.clear()
    with processes(app, 2) as (first, second):
        first.tell("go")
        while not tokens(server):
            threading.Event().wait(0.01)
        first.kill()
        first.wait()
        fake.release.set()
        second.tell("go")
        assert second.line() == "26.2.0.0"
    assert tokens(server) == 2


def test_a_process_keeps_to_the_wait_that_another_was_told(app: Flask, uem: tuple[Uem, FaultyServer]) -> None:
    fake, server = uem
    fake.answer = http(b"{}", "503 Service Unavailable", "Retry-After: 1800")
    with processes(app, 3) as started:
        started[0].tell("go")
        assert "503" in started[0].line()
        assert calls(server) == 1
        for process in started[1:]:
            process.tell("go")
            assert process.line().startswith("The UEM asked to wait until ")
    assert (tokens(server), calls(server)) == (1, 1)
