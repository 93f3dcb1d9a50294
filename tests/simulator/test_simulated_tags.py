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


def test_a_search_filters_by_the_type_of_tag(uem: Caller) -> None:
    uem.post("/API/mdm/tags/addtag", {"TagName": "For content", "TagType": 2, "LocationGroupId": 570})
    found = uem.get(SEARCH + "&tagtype=2").json()["Tags"]
    assert [tag["TagName"] for tag in found] == ["For content"]
    assert uem.get(SEARCH + "&tagtype=1").json()["Total"] == 3


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


ALREADY = "Tag is already associated with the device"
NOT_ON = "Tag is not associated with the device"


def faults(answer: Answer) -> list[tuple[Any, str, Any]]:
    found = answer.json()["Faults"]["Fault"]
    return [(fault.get("ErrorCode"), fault["ItemValue"], fault.get("Message")) for fault in found]


def test_a_tag_that_is_there_already_is_a_fault_of_that_item(uem: Caller) -> None:
    uem.post("/API/mdm/tags/10001/adddevices", bulk("60003"))
    answer = uem.post("/API/mdm/tags/10001/adddevices", bulk("60003", "60005"))
    assert (answer.status, answer.json()["AcceptedItems"], answer.json()["FailedItems"]) == (200, 1, 1)
    assert faults(answer) == [(400, "60003", ALREADY)]


def test_a_tag_that_is_not_there_is_a_fault_of_that_item(uem: Caller) -> None:
    uem.post("/API/mdm/tags/10001/adddevices", bulk("60003"))
    answer = uem.post("/API/mdm/tags/10001/removedevices", bulk("60003", "60004"))
    assert faults(answer) == [(400, "60004", NOT_ON)]
    assert 60003 not in uem.world.tags[10001].devices


@pytest.mark.parametrize(
    ("code", "wording", "seen"),
    [
        ("404", "plain", (404, "60003", ALREADY)),
        ("409", "full_stop", (409, "60003", ALREADY + ".")),
        ("7032", "capitals", (7032, "60003", ALREADY.upper())),
        ("0", "padded", (0, "60003", f"  {ALREADY} \r\n")),
        ("none", "none", (None, "60003", None)),
        ("400", "other", (400, "60003", "Nothing to change for this device")),
    ],
)
def test_the_fault_has_the_code_and_wording_of_its_switches(
    uem: Caller, code: str, wording: str, seen: tuple[Any, ...]
) -> None:
    uem.control("switches", bulk_again_code=code, bulk_again_message=wording)
    uem.post("/API/mdm/tags/10001/adddevices", bulk("60003"))
    answer = uem.post("/API/mdm/tags/10001/adddevices", bulk("60003", "60005"))
    assert faults(answer) == [seen]


def test_when_all_items_are_so_already_nothing_is_accepted_or_it_is_404(uem: Caller) -> None:
    uem.post("/API/mdm/tags/10001/adddevices", bulk("60003", "60005"))
    answer = uem.post("/API/mdm/tags/10001/adddevices", bulk("60003", "60005"))
    assert (answer.status, answer.json()["AcceptedItems"], answer.json()["FailedItems"]) == (200, 0, 2)
    uem.control("switches", bulk_all_again="404")
    assert uem.post("/API/mdm/tags/10001/adddevices", bulk("60003", "60005")).status == 404


def test_a_second_time_is_accepted_when_switched(uem: Caller) -> None:
    uem.control("switches", bulk_again="accepted")
    for _ in range(2):
        answer = uem.post("/API/mdm/tags/10001/adddevices", bulk("60003", "60004"))
        assert answer.json() == {"TotalItems": 2, "AcceptedItems": 2, "FailedItems": 0}


def test_names_are_compared_without_case_unless_switched(uem: Caller) -> None:
    add(uem, "MTD - High Risk")
    assert add(uem, "mtd - HIGH risk").status == 400
    uem.control("switches", tag_name_case="kept")
    assert add(uem, "mtd - HIGH risk").status == 200


def test_a_name_is_cut_at_fifty_characters_and_then_compared(uem: Caller) -> None:
    long = "Harmony " + "x" * 60
    assert add(uem, long).status == 200
    found = uem.get(SEARCH + "&name=Harmony").json()["Tags"]
    assert [tag["TagName"] for tag in found] == [long[:50]]
    assert add(uem, long[:50] + " of another meaning").status == 400
    uem.control("switches", tag_name_length="0")
    assert add(uem, long).status == 200


def test_a_device_tells_its_tags_in_either_case_of_keys(uem: Caller) -> None:
    uuid = uem.world.devices[60001].uuid
    assert [tag["name"] for tag in uem.get(f"/API/mdm/devices/{uuid}/tags").json()["tags"]] == ["VIP"]
    uem.control("switches", device_tags_shape="upper")
    found = uem.get(f"/API/mdm/devices/{uuid.upper()}/tags", version=2).json()["Tags"]
    assert [(tag["TagName"], tag["Id"]) for tag in found] == [("VIP", {"Value": 10001})]


def test_tags_of_an_unknown_device_and_of_what_is_no_guid(uem: Caller) -> None:
    unknown = uem.get("/API/mdm/devices/00000000-0000-4000-a000-000000000000/tags")
    assert (unknown.status, unknown.json()["errorCode"]) == (404, 5061)
    assert uem.get("/API/mdm/devices/60001/tags").content_type == "text/html; charset=utf-8"


def test_more_items_than_the_limit_are_refused(uem: Caller) -> None:
    assert uem.post("/API/mdm/tags/10001/adddevices", bulk(*range(501))).status == 400


def test_the_limit_of_a_call_can_be_lower(uem: Caller) -> None:
    uem.control("switches", bulk_limit=20)
    assert uem.post("/API/mdm/tags/10001/adddevices", bulk(*range(60001, 60022))).status == 400
    assert uem.post("/API/mdm/tags/10001/adddevices", bulk(*range(60001, 60021))).status == 200


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
