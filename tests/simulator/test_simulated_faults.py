"""Faults: what breaks, on which calls, how often, and that clearing them heals."""

from __future__ import annotations

import pytest

from harmony.simulator.faults import KINDS
from tests.simulator.caller import Caller

SEARCH = "/API/mdm/devices/search"


def statuses(uem: Caller, count: int, url: str = SEARCH) -> list[int]:
    return [uem.get(url).status for _ in range(count)]


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("unauthorized", 401),
        ("throttled", 429),
        ("server_error", 503),
        ("forbidden", 403),
        ("empty_200", 200),
    ],
)
def test_a_fault_answers_in_place_of_the_endpoint(uem: Caller, kind: str, status: int) -> None:
    uem.control("faults", kind=kind)
    answer = uem.get(SEARCH)
    assert answer.status == status
    assert b"Devices" not in answer.body


def test_it_waits_for_some_calls_and_strikes_so_many_times(uem: Caller) -> None:
    uem.control("faults", kind="unauthorized", after=2, times=1)
    assert statuses(uem, 5) == [200, 200, 401, 200, 200]


def test_a_storm_lasts_until_it_is_cleared(uem: Caller) -> None:
    ident = uem.control("faults", kind="throttled")["id"]
    assert statuses(uem, 3) == [429] * 3
    uem.control("faults/clear", id=ident)
    assert statuses(uem, 1) == [200]


def test_it_strikes_only_the_path_page_and_group_it_names(uem: Caller) -> None:
    uem.control("faults", kind="server_error", path="/devices/search", page=1, value=502)
    uem.control("faults", kind="forbidden", group=571)
    assert uem.get(SEARCH + "?pagesize=10").status == 200
    assert uem.get(SEARCH + "?pagesize=10&page=1").status == 502
    assert uem.get(SEARCH + "?lgid=571").status == 403
    assert uem.get("/API/system/groups/571/children").status == 403
    assert uem.get("/API/system/groups/572/children").status == 200


def test_a_star_stands_for_any_part_of_the_path(uem: Caller) -> None:
    uem.control("faults", kind="forbidden", path="/tags/*/devices")
    assert uem.get("/API/mdm/tags/10001/devices").status == 403
    assert uem.post("/API/mdm/tags/10001/adddevices", {"BulkValues": {"Value": ["60001"]}}).status == 200


def test_the_token_endpoint_suffers_only_when_it_is_named(uem: Caller) -> None:
    uem.control("faults", kind="html")
    uem.sign_in()
    uem.control("faults", kind="server_error", path="/connect/token")
    assert uem.send("POST", "/connect/token").status == 503


def test_html_comes_with_status_200(uem: Caller) -> None:
    uem.control("faults", kind="html")
    answer = uem.get(SEARCH)
    assert (answer.status, answer.content_type) == (200, "text/html; charset=utf-8")


def test_a_truncated_body_is_cut_in_half(uem: Caller) -> None:
    uem.control("faults", kind="truncated")
    answer = uem.get(SEARCH)
    assert answer.cut == len(answer.body) // 2


def test_a_repeated_page_is_page_0_again(uem: Caller) -> None:
    uem.control("faults", kind="repeated_page")
    assert uem.ids(SEARCH + "?pagesize=10&page=4") == uem.world.inclusive(570)[:10]


@pytest.mark.parametrize("value", [3, -3])
def test_moving_rows_leave_holes_or_duplicates(value: int) -> None:
    clean = Caller(quirks=False)
    clean.control("faults", kind="moving_rows", value=value)
    found = [ident for page in range(4) for ident in clean.ids(f"{SEARCH}?pagesize=10&page={page}")]
    expected = clean.world.inclusive(570)[:40]
    assert found != expected
    assert (len(set(found)) < len(found)) == (value < 0)


def test_a_lying_total_says_what_it_was_told(uem: Caller) -> None:
    uem.control("faults", kind="lying_total", value=0)
    assert uem.get(SEARCH).json()["Total"] == 0
    assert uem.get("/API/system/groups/search", version=2).json()["TotalResults"] == 0


def test_slowness_ends_at_once_when_the_server_stops(uem: Caller) -> None:
    uem.tenant.stopping.set()
    uem.control("faults", kind="slow", value=600_000)
    uem.control("latency", ms=600_000)
    assert uem.get(SEARCH).status == 200


def test_several_faults_strike_together(uem: Caller) -> None:
    uem.control("faults", kind="repeated_page")
    uem.control("faults", kind="lying_total", value=7)
    page = uem.get(SEARCH + "?page=9").json()
    assert (page["Page"], page["Total"]) == (0, 7)


def test_clearing_a_kind_keeps_the_others(uem: Caller) -> None:
    for kind in KINDS:
        uem.control("faults", kind=kind)
    left = uem.control("faults/clear", kind="html")["faults"]
    assert {fault["kind"] for fault in left} == set(KINDS) - {"html"}
    assert uem.control("faults/clear")["faults"] == []
