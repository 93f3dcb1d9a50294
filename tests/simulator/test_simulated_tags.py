"""Tags: search, create, put on, take off, read back, as facts 6 tells of them."""

from __future__ import annotations

from typing import Any

import pytest

from harmony.simulator.answers import Answer
from tests.simulator.caller import Caller

SEARCH = "/API/mdm/tags/search?organizationgroupid=570"


def bulk(*values: Any) -> dict[str, Any]:
    return {"BulkValues": {"Value": list(values)}}


def add(uem: Caller, name: str = "MTD - High Risk", group: Any = 570) -> Answer:
    tag = {"TagAvatar": name, "TagName": name, "TagType": 1, "LocationGroupId": group}
    return uem.post("/API/mdm/tags/addtag", tag)


def test_a_new_tag_is_found_by_part_of_its_name(uem: Caller) -> None:
    ident = add(uem).json()["Value"]
    found = uem.get(SEARCH + "&name=high").json()["Tags"]
    assert [(tag["TagName"], tag["Id"]) for tag in found] == [("MTD - High Risk", {"Value": ident})]


def test_a_search_without_a_match_answers_as_switched(uem: Caller) -> None:
    assert uem.get(SEARCH + "&name=nothing").json()["Tags"] == []
    uem.control("switches", tags_search_empty="204")
    assert uem.get(SEARCH + "&name=nothing").status == 204


def test_a_search_needs_the_group(uem: Caller) -> None:
    assert uem.get("/API/mdm/tags/search").status == 400


def test_a_duplicate_is_refused_or_made_as_switched(uem: Caller) -> None:
    first = add(uem).json()["Value"]
    assert add(uem).status == 400
    uem.control("switches", addtag_duplicate="second_tag", addtag_status=201)
    second = add(uem)
    assert (second.status, second.json()) == (201, {"Value": first + 1})


@pytest.mark.parametrize("group", [1, "x", None])
def test_a_tag_needs_a_group_that_exists(uem: Caller, group: Any) -> None:
    assert add(uem, group=group).status == 400


def test_strings_and_ints_are_both_ids(uem: Caller) -> None:
    answer = uem.post("/API/mdm/tags/10001/adddevices", bulk("60003", 60004))
    assert answer.json() == {"TotalItems": 2, "AcceptedItems": 2, "FailedItems": 0}
    assert {60003, 60004} <= set(uem.world.tags[10001].devices)


def test_one_failed_item_is_named_in_a_200(uem: Caller) -> None:
    answer = uem.post("/API/mdm/tags/10001/adddevices", bulk("60003", "1"))
    assert answer.status == 200
    assert answer.json()["Faults"]["Fault"] == [
        {"ErrorCode": 404, "ItemValue": "1", "Message": "Device Not Found"}
    ]


def test_when_all_items_fail_it_answers_as_switched(uem: Caller) -> None:
    answer = uem.post("/API/mdm/tags/10001/adddevices", bulk("1", "x"))
    assert (answer.status, answer.json()["errorCode"]) == (404, 404)
    uem.control("switches", bulk_all_fail="200")
    assert uem.post("/API/mdm/tags/10001/adddevices", bulk("1", "x")).json()["FailedItems"] == 2


def test_a_second_time_is_accepted_or_a_fault_as_switched(uem: Caller) -> None:
    for _ in range(2):
        answer = uem.post("/API/mdm/tags/10001/adddevices", bulk("60003", "60004"))
        assert answer.json()["AcceptedItems"] == 2
    uem.control("switches", bulk_again="fault")
    answer = uem.post("/API/mdm/tags/10001/adddevices", bulk("60003", "60005"))
    assert answer.json()["FailedItems"] == 1


def test_more_items_than_the_limit_are_refused(uem: Caller) -> None:
    assert uem.post("/API/mdm/tags/10001/adddevices", bulk(*range(501))).status == 400


@pytest.mark.parametrize("body", [None, [], {}, {"BulkValues": {"Value": []}}, {"BulkValues": "x"}])
def test_a_body_without_values_is_refused(uem: Caller, body: Any) -> None:
    assert uem.post("/API/mdm/tags/10001/removedevices", body).status == 400


def test_an_unknown_tag_gives_404(uem: Caller) -> None:
    assert uem.post("/API/mdm/tags/5/adddevices", bulk("60001")).status == 404


def test_reading_back_uses_a_singular_key_and_plain_ids(uem: Caller) -> None:
    ident = add(uem).json()["Value"]
    assert uem.get(f"/API/mdm/tags/{ident}/devices").json() == {"Device": []}
    uem.post(f"/API/mdm/tags/{ident}/adddevices", bulk("60003", "60004"))
    uem.post(f"/API/mdm/tags/{ident}/removedevices", bulk("60003"))
    found = uem.get(f"/API/mdm/tags/{ident}/devices").json()["Device"]
    assert [device["DeviceId"] for device in found] == [60004]


def test_reading_back_nothing_is_204_when_switched(uem: Caller) -> None:
    uem.control("switches", tag_devices_empty="204")
    ident = add(uem).json()["Value"]
    assert uem.get(f"/API/mdm/tags/{ident}/devices").status == 204


def test_the_control_port_shows_which_tags_a_device_carries(uem: Caller) -> None:
    uem.post("/API/mdm/tags/10002/adddevices", bulk("60030"))
    found = uem.send("GET", "/control/devices?search=60030").json()["devices"]
    assert found[0]["tags"] == ["Kiosk"]
