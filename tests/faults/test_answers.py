"""Faults in an answer's bytes and time, each on the first page and on a later one. Rung S: sockets, TLS."""

from __future__ import annotations

import json

import pytest

from harmony.models import SyncRunState
from tests.faults.faulty import http
from tests.faults.fleet import (
    NOTHING,
    Piece,
    full,
    hang_up,
    page,
    reset,
    row,
    silence,
    then_hang_up,
    then_reset,
    trickle,
)
from tests.faults.scene import HASTY, Case, Scene, cases

FAILED, INCOMPLETE, OK = SyncRunState.FAILED, SyncRunState.INCOMPLETE, SyncRunState.OK
WARNING = SyncRunState.WARNING

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
HTML = http(b"<html><title>remote words</title></html>", "200 OK", "Content-Type: text/html")
HALF = json.dumps({"Devices": full(0), "Total": 9}).encode()[:80]
LOST = "127.0.0.1 closed the connection before its answer was complete."
CUT = "The data of the server was cut short or is not JSON."
EMPTY = "The server answered with success (status 200) and nothing in it."
SHORT = "listed fewer devices than announced, twice."
LATE = "127.0.0.1 did not"


def everywhere(number: int, name: str, piece: Piece, says: str) -> list[Case]:
    """The fault on page 0, on page 1, and once only, after which the page is simply read again."""
    return [
        Case(number, f"{name}-at-once", {"page 0": [piece]}, FAILED, says),
        Case(number, f"{name}-later", {"page 1": [piece]}, INCOMPLETE, says),
        Case(number, f"{name}-once", {"page 1": [piece, None]}, OK, ""),
    ]


CASES = [
    Case(10, "no-answer", {"page 0": [silence]}, FAILED, LATE, HASTY),
    Case(10, "no-answer-later", {"page 1": [silence]}, INCOMPLETE, LATE, HASTY),
    Case(11, "slow-body", {"page 0": [trickle(HEAD + b"Content-Length: 99\r\n\r\n", b" ")]},
         FAILED, LATE, HASTY),
    Case(11, "slow-headers", {"page 0": [trickle(HEAD, b"X-A: b\r\n")]}, FAILED, LATE, HASTY),
    *everywhere(12, "hung-up", hang_up, LOST),
    *everywhere(12, "reset", reset, LOST),
    *everywhere(12, "reset-in-the-body", then_reset(HEAD + b"Content-Length: 999\r\n\r\n{"), LOST),
    *everywhere(12, "closed-in-the-headers", then_hang_up(HEAD + b"X-Cut"), EMPTY),
    *everywhere(13, "shorter-than-its-length", then_hang_up(HEAD + b"Content-Length: 999\r\n\r\n{}"), LOST),
    *everywhere(
        13, "broken-chunk", then_hang_up(HEAD + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n{"), LOST
    ),
    *everywhere(14, "cut-without-a-length", then_hang_up(HEAD + b"\r\n" + HALF), CUT),
    *everywhere(14, "cut-with-a-length", http(HALF), CUT),
    Case(15, "a-web-page", {"page 0": [HTML]},
         FAILED, "A web page came instead of data (status 200, text/html"),
    Case(15, "a-web-page-later", {"page 1": [HTML]}, INCOMPLETE, "A web page came instead of data"),
    Case(15, "a-web-page-called-json", {"page 0": [http(b" <!DOCTYPE html>")]},
         FAILED, "A web page came instead"),
    *everywhere(16, "success-without-a-body", http(b""), EMPTY),
    Case(16, "the-end-too-early", {"page 1": [NOTHING]}, INCOMPLETE, SHORT),
    Case(16, "an-empty-page-too-early", {"page 1": [page()]}, INCOMPLETE, SHORT),
]  # fmt: skip


@cases(*CASES)
def test_an_answer_that_is_not_whole(scene: Scene, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    done = scene.prove(case, monkeypatch)
    if case.state == INCOMPLETE:
        assert done.count("pages_read") == (2 if case.says == SHORT else 1), "what falls short is read twice"
        assert "Nothing was marked missing." in done.reason


def test_row_15_a_web_page_is_not_asked_for_again_and_not_shown(scene: Scene) -> None:
    scene.learn()
    scene.fleet.break_with({"any": [HTML]})
    scene.suffer(FAILED, "(status 200, text/html, 40 bytes)")
    assert scene.fleet.calls == ["groups 0"]


def test_row_16_a_group_that_says_it_is_empty_against_its_own_count_is_not_believed(scene: Scene) -> None:
    """204 is how this API says "none"; the list of groups counts the devices there."""
    scene.learn()
    known = scene.devices()
    scene.fleet.break_with({"page 0": [NOTHING]})
    done = scene.sync()
    assert (done.state, done.count("missing")) == (WARNING, 0)
    assert "did not list as many devices as the UEM counts" in done.reason
    assert scene.devices() == known


def test_what_was_read_before_the_fault_is_kept(scene: Scene) -> None:
    scene.learn()
    scene.fleet.break_with({"page 0": [page(*full(0), row(99))], "page 1": [hang_up]})
    done = scene.suffer(INCOMPLETE, LOST)
    assert (done.count("added"), done.count("pages_read")) == (1, 1)
    assert scene.devices()["99"] is False
