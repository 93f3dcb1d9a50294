"""The real server: TLS, kept-alive connections, broken bodies, and a clean end (rungs S and M)."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import ssl
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
import urllib3.exceptions

from harmony.simulator import changes
from harmony.simulator.server import RunningSimulator, start
from harmony.simulator.world import World


def search(running: RunningSimulator, query: str = "") -> str:
    return f"{running.url}/API/mdm/devices/search?{query}"


def address(running: RunningSimulator) -> tuple[str, int]:
    parts = urlsplit(running.url)
    return str(parts.hostname), int(parts.port or 0)


def test_a_pinned_client_reads_pages_until_204(running: RunningSimulator, session: requests.Session) -> None:
    sizes = []
    for page in range(3):
        answer = session.get(search(running, f"page={page}&pagesize=9999"), timeout=10)
        sizes.append(len(answer.json()["Devices"]))
    assert sizes == [500, 500, 200]
    last = session.get(search(running, "page=3"), timeout=10)
    assert (last.status_code, last.content) == (204, b"")
    assert {"content-type", "content-length"}.isdisjoint(key.lower() for key in last.headers)
    assert int(last.headers["x-ratelimit-remaining"]) == 250000 - 4


def test_nobody_trusts_it_without_the_certificate(running: RunningSimulator) -> None:
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(running.url, timeout=10)


@pytest.mark.parametrize("key", ["ec", "rsa"])
def test_an_older_server_speaks_tls_1_2_with_either_key(key: str) -> None:
    older = start(World(5), key=key, older_tls=True)
    try:
        context = ssl.create_default_context(cadata=older.ca_pem)
        with (
            socket.create_connection(address(older), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as secure,
        ):
            suite = secure.cipher()
        assert suite
        assert (suite[1], suite[0].split("-")[1]) == ("TLSv1.2", {"ec": "ECDSA", "rsa": "RSA"}[key])
        assert "GCM" not in suite[0]
    finally:
        older.stop()


def test_an_rsa_certificate_is_served_with_todays_tls_too() -> None:
    simulator = start(World(5), key="rsa")
    try:
        context = ssl.create_default_context(cadata=simulator.ca_pem)
        with (
            socket.create_connection(address(simulator), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as secure,
        ):
            assert secure.version() == "TLSv1.3"
    finally:
        simulator.stop()


def test_tls_is_asked_for_on_the_wire_also_with_204_and_413(
    running: RunningSimulator, session: requests.Session
) -> None:
    past = session.get(search(running, "page=99"), timeout=10)
    large = session.post(search(running), headers={"content-length": "99999999"}, timeout=10)
    assert [answer.status_code for answer in (past, large)] == [204, 413]
    assert {answer.headers["strict-transport-security"] for answer in (past, large)} == {
        "max-age=31536000; includeSubDomains"
    }


def test_the_certificate_also_names_localhost(running: RunningSimulator) -> None:
    context = ssl.create_default_context(cadata=running.ca_pem)
    with (
        socket.create_connection(address(running), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        assert secure.version() == "TLSv1.3"


@contextmanager
def connection(running: RunningSimulator) -> Iterator[http.client.HTTPSConnection]:
    """One plain client connection, to see what becomes of it."""
    context = ssl.create_default_context(cadata=running.ca_pem)
    client = http.client.HTTPSConnection(*address(running), timeout=10, context=context)
    with closing(client):
        yield client


def test_one_connection_carries_many_calls(running: RunningSimulator) -> None:
    with connection(running) as client:
        ports = set()
        for path in ("/control/state", "/API/mdm/devices/search", "/nothing"):
            client.request("GET", path)
            client.getresponse().read()
            ports.add(client.sock.getsockname())
    assert len(ports) == 1


def test_pages_stay_whole_while_the_world_changes(
    running: RunningSimulator, session: requests.Session
) -> None:
    def read(page: int) -> int:
        return len(
            session.get(search(running, f"page={page % 2}&pagesize=100"), timeout=10).json()["Devices"]
        )

    with ThreadPoolExecutor(3) as readers:
        sizes = readers.map(read, range(30))
        for _ in range(30):
            changes.remove(running.world, changes.pick(running.world, 2))
            changes.move(running.world, changes.add(running.world, 2), 588)
        assert set(sizes) == {100}


def test_a_truncated_body_is_seen_as_incomplete(running: RunningSimulator, session: requests.Session) -> None:
    running.tenant.faults.add("truncated", times=1)
    with pytest.raises(requests.exceptions.ChunkedEncodingError) as caught:
        session.get(search(running), timeout=10)
    assert isinstance(caught.value.__context__, urllib3.exceptions.ProtocolError)
    assert session.get(search(running), timeout=10).status_code == 200


def test_a_dropped_answer_is_a_connection_error(running: RunningSimulator, session: requests.Session) -> None:
    running.tenant.faults.add("dropped", times=1)
    with pytest.raises(requests.exceptions.ConnectionError):
        session.get(search(running), timeout=10)


def test_a_client_that_never_shakes_hands_holds_up_nobody(
    running: RunningSimulator, session: requests.Session
) -> None:
    session.close()
    with socket.create_connection(address(running), timeout=10):
        assert session.get(search(running), timeout=10).status_code == 200


def test_stopping_ends_idle_connections() -> None:
    running = start(World(5))
    with connection(running) as client:
        client.request("GET", "/control/state")
        client.getresponse().read()
        running.stop()
        assert client.sock.recv(1) == b""


@pytest.fixture
def process(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "harmony.simulator", "--devices", "20", "--lifeline"]
    command += ["--announce", str(tmp_path / "uem.json"), "--switch", "token_client=header", "--key", "rsa"]
    command += ["--fault", '{"kind": "null_field", "field": "Id", "path": "/devices/search", "every": 9}']
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        yield child
        child.kill()


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline()


@pytest.mark.processes
def test_the_process_announces_what_a_client_needs(process: subprocess.Popen[str], tmp_path: Path) -> None:
    line, path = line_of(process), tmp_path / "uem.json"
    found = json.loads(path.read_text())
    assert found["url"] in line
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert set(found) == {
        *("url", "token_url", "client_id", "client_secret", "username", "password", "api_key"),
        *("ca_pem", "control_url"),
    }
    pem = tmp_path / "ca.pem"
    pem.write_text(found["ca_pem"])
    with requests.Session() as client:
        client.trust_env = False
        state = client.get(found["control_url"] + "/state", verify=str(pem), timeout=10).json()
        assert (state["devices"], state["switches"]["token_client"]) == (20, "header")
        assert [(fault["kind"], fault["every"]) for fault in state["faults"]] == [("null_field", 9)]


@pytest.mark.processes
@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--switch", "nothing=1", "There is no switch 'nothing'."),
        ("--fault", '{"kind": "nothing"}', "There is no fault 'nothing'"),
        ("--fault", "html", "JSON"),
        ("--fault", "[]", "argument --fault"),
    ],
)
def test_a_switch_or_fault_that_does_not_exist_is_said_at_the_start(
    option: str, value: str, says: str
) -> None:
    command = [sys.executable, "-m", "harmony.simulator", option, value]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert says in ended.stderr


@pytest.mark.processes
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_process_cleanly(process: subprocess.Popen[str], number: int) -> None:
    line_of(process)
    os.kill(process.pid, number)
    assert process.wait() == 0
    assert process.stderr
    assert process.stderr.read() == ""


@pytest.mark.processes
def test_the_end_of_the_lifeline_ends_the_process(process: subprocess.Popen[str]) -> None:
    line_of(process)
    assert process.stdin
    process.stdin.close()
    assert process.wait() == 0
