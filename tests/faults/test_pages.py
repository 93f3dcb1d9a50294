"""Pages that fail, repeat, move, lie or hold nonsense, in a whole sync. Rung S: sockets, TLS, simulator."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from harmony.db import db
from harmony.models import Device, SkippedDevice, SyncRunState
from harmony.simulator.context import Tenant
from harmony.uem.workspace_one import prefetch
from tests.faults.faulty import http
from tests.faults.fleet import NOTHING, Piece, full, page, refusal, row
from tests.faults.scene import Case, Scene, cases
from tests.invariants import check_invariants, what_is_known

FAILED, INCOMPLETE, OK = SyncRunState.FAILED, SyncRunState.INCOMPLETE, SyncRunState.OK
WARNING = SyncRunState.WARNING
DOWN = refusal("503 Service Unavailable", 1000)
NOT_JSON = "The data of the server was cut short or is not JSON."
SHORT = "listed fewer devices than announced, twice."
NO_NUMBER = "gave no number, so none was counted as missing."


def with_first(**changes: Any) -> dict[str, list[Piece]]:
    """Page 0 with its first device changed."""
    return {"page 0": [page(row(1, **changes), *full(0)[1:])]}


def few_pages(patched: pytest.MonkeyPatch) -> None:
    patched.setattr(prefetch, "MAX_PAGES", 2)


def raw(old: bytes, new: bytes) -> list[Piece]:
    """Page 0 with some of its bytes replaced."""
    body = json.dumps({"Devices": full(0), "Total": 9}).encode()
    assert old in body
    return [http(body.replace(old, new, 1))]


UTF_16 = json.dumps({"Devices": full(0), "Total": 9}).encode("utf-16")
DEEP = b'{"Devices":' + b"[" * 10_000 + b"]" * 10_000 + b',"Total":9}'
TWICE = b'{"Devices":[],"Devices":[],"Total":9}'

CASES = [
    Case(26, "a-burst", {"page 1": [DOWN, refusal("500 Oh", 0), refusal("502 Oh", 0), None]}, OK, ""),
    Case(27, "always-later", {"page 1": [DOWN]}, INCOMPLETE, "reports an error of its own (status 503)."),
    Case(27, "always-at-once", {"page 0": [DOWN]}, FAILED, "reports an error of its own (status 503)."),
    Case(28, "the-same-page", {"page 1": [page(*full(0))]},
         INCOMPLETE, "same devices as page 0 and as page 1."),
    Case(29, "a-hole", {"page 1": [page(*full(1)[1:])]}, INCOMPLETE, SHORT),
    Case(29, "twice", {"page 1": [page(*full(0)[2:], *full(1))]}, OK, ""),
    Case(30, "grows", {"page 2": [page(*full(2), total=10)]}, INCOMPLETE, SHORT),
    Case(30, "shrinks-behind-a-hole",
         {"page 1": [page(*full(1)[1:], total=8)], "page 2": [page(*full(2), total=8)]},
         INCOMPLETE, SHORT),
    Case(30, "absent", {f"page {n}": [page(*full(n), total=None)] for n in range(3)}, WARNING, NO_NUMBER),
    Case(30, "negative", {f"page {n}": [page(*full(n), total=-1)] for n in range(3)}, WARNING, NO_NUMBER),
    Case(30, "digits", {f"page {n}": [page(*full(n), total="9")] for n in range(3)}, OK, ""),
    Case(31, "too-many-rows", {"page 1": [page(*[row(n) for n in range(1, 5002)])]},
         INCOMPLETE, "has 5001 rows"),
    Case(31, "a-bomb",
         {"page 0": [http(gzip.compress(b" " * (21 << 20), 1), "200 OK", "Content-Encoding: gzip")]},
         FAILED, "larger than 20 MiB"),
    Case(32, "no-end", {}, INCOMPLETE, "The UEM sent 2 pages and no end.", setup=few_pages),
    Case(33, "no-udid", with_first(Udid=None), OK, ""),
    Case(33, "no-id", with_first(Id=None), WARNING, "1 device could not be read"),
    Case(33, "neither", with_first(Id=None, Udid=""), WARNING,
         "because an unreadable row may be about them."),
    Case(33, "no-serial", with_first(SerialNumber=None), OK, ""),
    Case(34, "wrong-types", with_first(DeviceFriendlyName=["x"], Platform={}, LastSeen=7, Imei=True), OK, ""),
    Case(34, "no-object", {"page 0": [page("a row", *full(0))]}, WARNING, "so none was counted as missing."),
    Case(35, "nan", {"page 0": raw(b'"Total": 9', b'"Total": NaN')}, FAILED, NOT_JSON),
    Case(35, "nan-in-a-row", {"page 1": raw(b'"S1"', b"NaN")}, INCOMPLETE, NOT_JSON),
    Case(35, "two-lists", {"page 0": [http(TWICE)]}, FAILED, NOT_JSON),
    Case(35, "utf-16", {"page 0": [http(UTF_16)]}, FAILED, NOT_JSON),
    Case(35, "deep", {"page 0": [http(DEEP)]}, FAILED, NOT_JSON),
    Case(35, "no-list", {"page 0": [http(b'{"Total":0}')]},
         FAILED, "The answer of the server has no list of Devices."),
    Case(35, "a-list", {"page 0": [http(b"[]")]}, FAILED, "another kind of data than expected."),
    Case(35, "huge-id", {"page 0": raw(b'"Value": 1}', b'"Value": ' + b"9" * 5000 + b"}")},
         WARNING, "1 device could not be read"),
    Case(35, "byte-order-mark", {"page 0": raw(b'{"Devices"', b'\xef\xbb\xbf{"Devices"')}, OK, ""),
    Case(35, "bad-utf-8", {"page 0": raw(b"device 1", b"device \xff1")}, OK, ""),
]  # fmt: skip


@cases(*CASES)
def test_a_page(scene: Scene, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.prove(case, monkeypatch)


def test_row_27_what_comes_before_a_broken_page_is_kept_and_what_follows_is_not_read(scene: Scene) -> None:
    scene.learn()
    renamed = [[one | {"DeviceFriendlyName": "renamed"} for one in full(number)] for number in range(3)]
    scene.fleet.break_with({"page 0": [page(*renamed[0])], "page 1": [DOWN], "page 2": [page(*renamed[2])]})
    done = scene.suffer(INCOMPLETE, "(status 503)")
    assert (done.count("pages_read"), done.count("updated")) == (1, 3)


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({"kind": "server_error", "page": 2, "value": 502}, "an error of its own (status 502)"),
        ({"kind": "repeated_page"}, "The UEM sent the same devices as page 0 and as page 1."),
        ({"kind": "moving_rows"}, "Group 570 listed fewer devices than announced, twice."),
        ({"kind": "moving_rows", "value": -3}, "Group 570 listed fewer devices than announced, twice."),
        ({"kind": "lying_total", "page": 1}, "Group 570 listed fewer devices than announced, twice."),
        ({"kind": "html", "page": 1}, "A web page came instead of data (status 200"),
        (
            {"kind": "truncated", "page": 1},
            "closed the connection before its answer was complete",
        ),
        ({"kind": "dropped", "page": 1}, "closed the connection before its answer was complete"),
        ({"kind": "empty_200", "page": 1}, "with success (status 200) and nothing in it."),
        (
            {"kind": "forbidden", "page": 1},
            "The account may not do this (status 403, errorCode 403)",
        ),
    ],
)
def test_a_fault_of_the_simulated_uem(scene: Scene, tenant: Tenant, fault: dict[str, Any], says: str) -> None:
    scene.fetchers = 1
    scene.learn()
    tenant.faults.add(path="devices/search", **fault)
    scene.suffer(INCOMPLETE, says)


def test_row_33_a_known_device_whose_row_cannot_be_read_counts_as_seen(scene: Scene) -> None:
    scene.learn()
    scene.fleet.break_with(with_first(Id=None))
    before = what_is_known()
    done = scene.sync()
    check_invariants(before)
    skipped = db.session.scalars(
        select(SkippedDevice.external_id).where(SkippedDevice.run_id == done.id)
    ).all()
    assert list(skipped) == [None]
    assert scene.devices()["1"] is False


HOSTILE: list[tuple[str, Callable[[str], bool]]] = [
    ("W" * 10_000_000, lambda kept: kept == "W" * 255),
    ("kim\u202egpj.exe\x00\x1b[31m\r\nSet-Cookie: a=b", lambda kept: kept == "kimgpj.exe[31mSet-Cookie: a=b"),
    ("<script>alert(1)</script>", lambda kept: kept == "<script>alert(1)</script>"),
    ("=cmd|' /C calc'!A0", lambda kept: kept.startswith("=cmd")),
    ("\ud800 half a pair", lambda kept: "\ud800" not in kept),
]


@pytest.mark.parametrize(("name", "kept"), HOSTILE, ids=["long", "bidi", "script", "formula", "surrogate"])
def test_row_34_hostile_text_is_cut_and_cleaned_and_stored_as_text(
    scene: Scene, name: str, kept: Callable[[str], bool]
) -> None:
    scene.learn()
    scene.fleet.break_with(with_first(DeviceFriendlyName=name))
    scene.suffer(OK, "")
    mine = (Device.integration_id == scene.integration_id, Device.external_id == "1")
    stored = db.session.scalars(select(Device.name).where(*mine)).one()
    assert kept(stored), stored[:80]


def test_row_35_of_two_equal_keys_in_a_row_the_last_counts(scene: Scene) -> None:
    scene.learn()
    scene.fleet.break_with({"page 0": raw(b'"Udid": "udid-1"', b'"Udid": "no", "Udid": "udid-1"')})
    scene.suffer(OK, "")


def test_a_device_that_really_left_is_marked_missing_and_kept(scene: Scene) -> None:
    """The counterpart of all the above: a complete snapshot may say so."""
    scene.learn()
    pages = {f"page {number}": [page(*full(number), total=8)] for number in range(2)}
    scene.fleet.break_with(pages | {"page 2": [page(*full(2)[:2], total=8)], "page 3": [NOTHING]})
    before = what_is_known()
    done = scene.sync()
    assert (done.state, done.count("missing")) == (OK, 1)
    check_invariants(before, again=scene.sync)
    assert scene.devices()["9"] is True
