"""The simulated UEM posts event notifications to a listener on loopback (rung S)."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.simulator.caller import Caller
from tests.waiting import wait_for


class Listener(ThreadingHTTPServer):
    """Takes whatever is posted, and says 200."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Taking)
        self.posted: list[dict[str, Any]] = []
        self.signed: set[str] = set()
        self.tested = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hooks/ws1/a"


class Taking(BaseHTTPRequestHandler):
    server: Listener

    def do_GET(self) -> None:
        self.server.tested += 1
        self._ok()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.posted.append(json.loads(body))
        self._ok()

    def _ok(self) -> None:
        self.server.signed.add(self.headers["authorization"])
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def listener() -> Iterator[Listener]:
    server = Listener()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def rule(clean: Caller, listener: Listener) -> Iterator[Any]:
    def made(**knobs: Any) -> Caller:
        values = {"url": listener.url, "user": "harmony", "password": "s", "active": True} | knobs
        assert clean.control("events/rule", **values) == {"status": 200}
        return clean

    yield made
    clean.tenant.stopping.set()


def types(listener: Listener, count: int) -> list[str]:
    wait_for(lambda: len(listener.posted) >= count, f"{count} events")
    return [event["EventType"] for event in listener.posted]


def test_each_change_is_announced_in_the_newer_spelling(rule: Any, listener: Listener) -> None:
    uem = rule()
    (device,) = uem.control("devices/add")["ids"]
    uem.control("devices/edit", ids=[device], set={"DeviceFriendlyName": "Renamed"})
    uem.control("devices/move", ids=[device], to=588)
    uem.control("devices/remove", ids=[device])
    assert types(listener, 4) == [
        "MDM Enrollment Complete", "Device Friendly Name Changed", "Device Organization Group Changed",
        "Break MDM Confirmed",
    ]  # fmt: skip
    assert {event["DeviceId"] for event in listener.posted} == {device}
    assert listener.posted[-1]["EnrollmentStatus"] == "Unenrolled"
    assert (listener.tested, listener.signed) == (1, {"Basic aGFybW9ueTpz"})


def test_the_older_spelling_doubled_and_with_nulls(rule: Any, listener: Listener) -> None:
    uem = rule(spelling="old", doubled=True, nulls=True)
    (device,) = uem.control("devices/add")["ids"]
    assert types(listener, 2) == ["MDMEnrollmentComplete"] * 2
    event = listener.posted[0]
    assert event == listener.posted[1]
    assert (event["DeviceId"], event["DeviceFriendlyName"]) == (str(device), None)
    assert event["EventTime"].startswith("/Date(")


def test_a_burst_is_reordered(rule: Any, listener: Listener) -> None:
    uem = rule(reordered=True)
    ids = uem.control("devices/add", count=40)["ids"]
    types(listener, 40)
    sent = [event["DeviceId"] for event in listener.posted]
    assert sorted(sent) == ids
    assert sent != ids


def test_a_disabled_rule_sends_nothing(rule: Any, listener: Listener) -> None:
    uem = rule(active=False)
    uem.control("devices/add")
    rule().control("devices/remove", count=1)
    assert types(listener, 1) == ["Break MDM Confirmed"]


def test_the_page_shows_the_rule_and_never_its_password(rule: Any, listener: Listener) -> None:
    page = rule(password="a-password-of-the-rule").send("GET", "/control").body.decode()
    assert listener.url in page
    assert "a-password-of-the-rule" not in page


def test_what_makes_no_sense_is_refused(clean: Caller) -> None:
    for values in ({}, {"url": "http://x", "spelling": "loud"}):
        assert clean.post("/control/events/rule", values).status == 422
