"""Lies of the simulated UEM: what is said wrongly, of which rows; the world stays as it is. Rung: pure."""

from __future__ import annotations

from typing import Any

import pytest

from harmony.simulator.faults import LIES
from tests.simulator.caller import Caller

SEARCH = "/API/mdm/devices/search?pagesize=10"
TAGS = "/API/mdm/tags/search?organizationgroupid=570"
CARRIERS = "/API/mdm/tags/10001/devices"
BULK = {"BulkValues": {"Value": ["60003", "60004"]}}
Rows = list[dict[str, Any]]


def lie(uem: Caller, kind: str, path: str = "", **values: Any) -> None:
    uem.control("faults", kind=kind, path=path, **values)


def devices(uem: Caller, version: int = 2) -> Rows:
    found: Rows = uem.get(SEARCH, version).json()["Devices"]
    return found


def test_a_field_is_null_in_every_nth_row_and_the_world_keeps_it(clean: Caller) -> None:
    before = devices(clean)
    lie(clean, "null_field", field="LocationGroupId", every=3, times=1)
    after = devices(clean)
    assert [row["LocationGroupId"] is None for row in after] == [number % 3 == 0 for number in range(10)]
    assert devices(clean) == before


def test_a_field_inside_another_is_left_out_where_there_is_one(uem: Caller) -> None:
    lie(uem, "drop_field", field="LocationGroupId.Id")
    assert all("Id" not in row["LocationGroupId"] and row["LocationGroupId"]["Name"] for row in devices(uem))
    lie(uem, "drop_field", path="/tags/search", field="LocationGroupId.Id")
    assert "LocationGroupId" not in uem.get(TAGS).json()["Tags"][0]


@pytest.mark.parametrize(
    ("kind", "text", "seen"),
    [
        ("set_field", '{"Name": "Sales"}', {"Name": "Sales"}),
        ("set_field", "System.Byte[]", "System.Byte[]"),
        ("set_field", '""', ""),
        ("set_field", "", None),
        ("text_field", "", "{'Value': 60001}"),
        ("list_field", "", [{"Value": 60001}]),
    ],
)
def test_a_field_becomes_another_value(clean: Caller, kind: str, text: str, seen: Any) -> None:
    lie(clean, kind, field="Id", text=text)
    assert devices(clean)[0]["Id"] == seen


def test_rows_share_or_swap_what_identifies_them(clean: Caller) -> None:
    before = [row["Udid"] for row in devices(clean)]
    lie(clean, "shared_field", field="Udid", every=2, times=1)
    shared = [row["Udid"] for row in devices(clean)]
    assert shared[::2] == before[:1] * 5
    assert shared[1::2] == before[1::2]
    lie(clean, "swapped_field", field="Udid")
    assert [row["Udid"] for row in devices(clean)] == before[1:] + before[:1]


def test_rows_are_left_out_doubled_odd_or_invented_and_the_total_stays(clean: Caller) -> None:
    before = clean.get(SEARCH).json()
    lie(clean, "short_list", every=4, times=1)
    assert devices(clean) == [row for number, row in enumerate(before["Devices"]) if number % 4]
    lie(clean, "doubled_rows", every=5, times=1)
    assert devices(clean) == [*before["Devices"], *before["Devices"][::5]]
    lie(clean, "odd_rows", every=5, text="null", times=1)
    assert [row is None for row in devices(clean)] == [number % 5 == 0 for number in range(10)]
    lie(clean, "ghost_rows", value=2)
    page = clean.get(SEARCH).json()
    assert [row["Id"]["Value"] for row in page["Devices"][10:]] == [900_001, 900_002]
    assert page["Total"] == before["Total"]


def test_a_list_of_members_gets_ghosts_with_scalar_ids(clean: Caller) -> None:
    lie(clean, "ghost_rows", path="smartgroups")
    members = clean.get("/API/mdm/smartgroups/4213/devices").json()["Devices"]
    assert members[-1]["Id"] == 900_001
    lie(clean, "ghost_rows", path=CARRIERS)
    assert clean.get(CARRIERS).json()["Device"][-1]["DeviceId"] == 900_001


@pytest.mark.parametrize(
    ("kind", "status"),
    [("empty_list", 200), ("no_content", 204), ("not_found", 404), ("html_not_found", 404)],
)
def test_a_list_is_said_to_be_empty_or_not_there(uem: Caller, kind: str, status: int) -> None:
    lie(uem, kind, path="/tags/search", times=1)
    answer = uem.get(TAGS)
    assert answer.status == status
    assert b"VIP" not in answer.body
    assert next(tag["TagName"] for tag in uem.get(TAGS).json()["Tags"]) == "VIP"


def test_an_empty_list_counts_nothing(uem: Caller) -> None:
    lie(uem, "empty_list")
    assert uem.get(TAGS).json() == {"Tags": [], "Page": 0, "PageSize": 500, "Total": 0}
    assert uem.get("/API/system/groups/570/children").json() == []


@pytest.mark.parametrize(
    ("kind", "status", "done"),
    [("not_found", 404, False), ("done_not_found", 404, True), ("unheeded", 200, False)],
)
def test_a_write_is_carried_out_or_not_whatever_is_said(
    uem: Caller, kind: str, status: int, done: bool
) -> None:
    lie(uem, kind, path="adddevices")
    answer = uem.post("/API/mdm/tags/10001/adddevices", BULK)
    assert answer.status == status
    assert (60003 in uem.world.tags[10001].devices) is done
    if kind == "unheeded":
        assert answer.json() == {"TotalItems": 2, "AcceptedItems": 2, "FailedItems": 0}


def test_an_answer_without_a_list_is_one_row(uem: Caller) -> None:
    lie(uem, "set_field", path="addtag", field="Value", text="10001")
    tag = {"TagName": "MTD", "TagType": 1, "LocationGroupId": 570}
    assert uem.post("/API/mdm/tags/addtag", tag).json() == {"Value": 10001}
    lie(uem, "drop_field", path="adddevices", field="AcceptedItems")
    assert "AcceptedItems" not in uem.post("/API/mdm/tags/10001/adddevices", BULK).json()


@pytest.mark.parametrize("status", ["200", "201"])
@pytest.mark.parametrize(("value", "named"), [(None, 10001), (10002, 10002), (2**63, 2**63)])
def test_what_was_made_is_named_by_the_id_of_something_else(
    uem: Caller, status: str, value: int | None, named: int
) -> None:
    uem.control("switches", addtag_status=status)
    lie(uem, "other_id", path="/tags/", times=2, **({} if value is None else {"value": value}))
    tag = {"TagName": "MTD", "TagType": 1, "LocationGroupId": 570}
    assert uem.post("/API/mdm/tags/addtag", tag).json() == {"Value": named}
    made = [tag["Id"]["Value"] for tag in uem.get(TAGS).json()["Tags"] if tag["TagName"] == "MTD"]
    assert made == [max(uem.world.tags)], "it was made, and no list is changed"


def test_two_lies_are_told_over_one_answer(clean: Caller) -> None:
    lie(clean, "null_field", field="Id", every=2)
    lie(clean, "shared_field", field="Udid")
    rows = devices(clean)
    assert [row["Id"] is None for row in rows] == [True, False] * 5
    assert len({row["Udid"] for row in rows}) == 1


@pytest.mark.parametrize("status", ["401", "empty"])
def test_errors_and_empty_answers_are_not_retold(uem: Caller, status: str) -> None:
    lie(uem, "null_field", field="Tags")
    url = "/API/mdm/devices/search?page=99" if status == "empty" else "/API/mdm/smartgroups/9"
    assert uem.get(url).status == (204 if status == "empty" else 400)


@pytest.mark.parametrize("values", [{"kind": "null_field"}, {"kind": "short_list", "every": 0}])
def test_a_lie_without_what_it_needs_is_refused(uem: Caller, values: dict[str, Any]) -> None:
    assert uem.post("/control/faults", values).status == 422


def test_the_control_page_offers_every_lie_and_shows_those_in_force(uem: Caller) -> None:
    lie(uem, "set_field", field="TagName", text="<b>", path="/tags/search")
    page = uem.send("GET", "/control").body.decode()
    assert [kind for kind in LIES if f'<option value="{kind}">' not in page] == []
    assert "field=TagName every=1 text=&lt;b&gt;" in page
