"""Organization groups and smart groups, as facts 3 and 4 tell of them."""

from __future__ import annotations

from tests.simulator.caller import Caller

SEARCH = "/API/system/groups/search"
SMART = "/API/mdm/smartgroups"


def test_the_first_version_wraps_ids_and_counts_in_digit_strings(uem: Caller) -> None:
    page = uem.get(SEARCH).json()
    assert page["Total"] == len(page["LocationGroups"]) == 19
    top = page["LocationGroups"][0]
    assert (top["Id"], top["Devices"]) == ({"Value": 570}, str(len(uem.world.direct(570))))
    assert "Uuid" not in top


def test_the_second_version_has_plain_ids_and_http_links(uem: Caller) -> None:
    page = uem.get(SEARCH + "?page=1&pagesize=5", version=2).json()
    assert [group["Id"] for group in page["OrganizationGroups"]] == [575, 576, 577, 578, 579]
    links = {link["Rel"]: link["Href"] for link in page["AdditionalInfo"]["Links"]}
    assert set(links) == {"self", "prev", "next"}
    assert links["self"].startswith("http://localhost/API/system/groups/search?")


def test_past_the_end_one_version_says_204_and_the_other_an_empty_array(uem: Caller) -> None:
    assert uem.get(SEARCH + "?page=9").status == 204
    answer = uem.get(SEARCH + "?page=9", version=2)
    assert (answer.status, answer.json()["OrganizationGroups"]) == (200, [])


def test_the_search_filters_by_part_of_the_name_and_by_exact_group_id(uem: Caller) -> None:
    named = uem.get(SEARCH + "?name=sales").json()["LocationGroups"]
    assert [group["Name"] for group in named] == ["Sales", "Sales North", "Sales South", "Field Sales"]
    assert len(uem.get(SEARCH + "?groupid=sales").json()["LocationGroups"]) == 1


def test_counts_include_children_when_switched(uem: Caller) -> None:
    uem.control("switches", group_counts="inclusive")
    assert uem.get(SEARCH).json()["LocationGroups"][0]["Devices"] == "60"


def test_children_is_a_bare_array_with_the_group_itself(uem: Caller) -> None:
    answer = uem.get("/API/system/groups/571/children", version=2)
    tree = answer.json()
    assert [group["LgLevel"] for group in tree] == [0, 1, 1, 1]
    assert {group["ParentLocationGroup"]["Id"]["Value"] for group in tree[1:]} == {571}
    assert answer.headers["x-api-version"] == "v1"
    assert answer.headers["api-supported-versions"] == "1"


def test_the_top_group_names_a_parent_that_no_call_shows(uem: Caller) -> None:
    parent = uem.get("/API/system/groups/570/children").json()[0]["ParentLocationGroup"]
    assert parent["Id"]["Value"] not in uem.world.groups
    assert uem.get(f"/API/system/groups/{parent['Id']['Value']}").status == 400
    assert uem.get(f"/API/system/groups/{parent['Uuid']}", version=2).status == 400


def test_a_tree_of_a_group_below_names_the_group_above_it(uem: Caller) -> None:
    assert uem.get("/API/system/groups/572/children").json()[0]["ParentLocationGroup"] == {
        "Id": {"Value": 571},
        "Uuid": uem.world.groups[571].uuid,
    }


def test_only_a_tree_tells_levels(uem: Caller) -> None:
    found = uem.get(SEARCH, version=2).json()["OrganizationGroups"]
    assert {group["LgLevel"] for group in found} == {0}
    assert uem.get("/API/system/groups/572").json()["LgLevel"] == 0
    assert {group["LgLevel"] for group in uem.get("/API/system/groups/570/children").json()} == {0, 1, 2}


def test_the_link_back_comes_before_the_link_to_itself(uem: Caller) -> None:
    page = uem.get(SEARCH + "?page=1&pagesize=5", version=2).json()
    assert [link["Rel"] for link in page["AdditionalInfo"]["Links"]] == ["prev", "self", "next"]


def test_the_tags_of_a_group_have_scalar_ids_and_no_filter(uem: Caller) -> None:
    found = uem.get("/API/system/groups/570/tags?name=VIP").json()["Tags"]
    assert [(tag["TagName"], tag["Id"]) for tag in found] == [
        ("VIP", 10001),
        ("Kiosk", 10002),
        ("Lost & <i>Found</i>", 10003),
    ]
    assert uem.get("/API/system/groups/571/tags").json() == {"Tags": []}
    assert uem.get("/API/system/groups/1/tags").status == 400


def test_one_group_by_number_and_by_uuid_in_the_second_version(uem: Caller) -> None:
    uuid = uem.world.groups[571].uuid
    assert uem.get("/API/system/groups/571").json()["Id"] == {"Value": 571}
    assert uem.get(f"/API/system/groups/{uuid}", version=2).json()["Id"] == 571
    assert uem.get(f"/API/system/groups/{uuid}").status == 400


def test_smart_groups_mix_int_and_string_ids(uem: Caller) -> None:
    page = uem.get(SMART + "/search").json()
    pilot = page["SmartGroups"][0]
    assert (pilot["SmartGroupID"], pilot["ManagedByOrganizationGroupId"]) == (4211, "570")
    assert pilot["Devices"] == len(uem.world.members(4211))
    assert uem.get(SMART + "/search?page=1").status == 204


def test_smart_groups_are_filtered_by_when_they_changed(uem: Caller) -> None:
    uem.control("groups/empty", smart_group=4212)
    changed = uem.get(SMART + "/search?modifiedfrom=2026-06-01").json()["SmartGroups"]
    assert [group["SmartGroupID"] for group in changed] == [4212]
    assert uem.get(SMART + "/search?modifiedtill=2026-06-01").json()["Total"] == 5


def test_a_smart_group_page_size_is_honoured_and_total_is_constant(uem: Caller) -> None:
    page = uem.get(SMART + "/search?page=1&pagesize=4").json()
    assert (len(page["SmartGroups"]), page["PageSize"], page["Total"]) == (2, 4, 6)


def test_a_smart_group_tells_its_rule_with_string_ids(uem: Caller) -> None:
    rule = uem.get(SMART + "/4211").json()
    assert {group["Id"] for group in rule["OrganizationGroups"]} == {"572", "576", "580"}
    assert rule["CpuArchitectures"] == []


def test_an_unknown_smart_group_gives_400_with_code_6(uem: Caller) -> None:
    for path in ("/999", "/999/devices"):
        answer = uem.get(SMART + path)
        assert (answer.status, answer.json()["errorCode"]) == (400, 6)


def test_members_have_scalar_ids_on_one_page(uem: Caller) -> None:
    members = uem.get(SMART + "/4213/devices?page=7&pagesize=1").json()["Devices"]
    assert [member["Id"] for member in members] == uem.world.members(4213)


def test_members_come_in_pages_with_wrapped_ids_when_switched(uem: Caller) -> None:
    uem.control("switches", smartgroup_devices_paging="paged", smartgroup_devices_id="value")
    members = uem.get(SMART + "/4213/devices?page=1&pagesize=2").json()["Devices"]
    assert [member["Id"]["Value"] for member in members] == uem.world.members(4213)[2:4]


def test_an_empty_smart_group_answers_as_switched(uem: Caller) -> None:
    assert uem.get(SMART + "/4215/devices").json() == {"Devices": []}
    uem.control("switches", smartgroup_devices_empty="204")
    assert uem.get(SMART + "/4215/devices").status == 204


def test_a_deleted_group_takes_its_children_and_devices_along(uem: Caller) -> None:
    below = len(uem.world.inclusive(571))
    assert uem.control("groups/delete", group=571) == {"removed": below}
    assert len(uem.world.devices) == 60 - below
    assert uem.get("/API/mdm/devices/search?lgid=572").status == 204
    assert uem.get("/API/system/groups/572").status == 400


def test_a_deleted_smart_group_keeps_its_devices(uem: Caller) -> None:
    uem.control("groups/delete", smart_group=4211)
    assert uem.get(SMART + "/4211").json()["errorCode"] == 6
    assert len(uem.world.devices) == 60


def test_an_emptied_group_keeps_its_place_in_the_tree(uem: Caller) -> None:
    uem.control("groups/empty", group=572)
    assert uem.get("/API/system/groups/572").json()["Devices"] == "0"
    uem.control("groups/empty", smart_group=4213)
    assert uem.get(SMART + "/4213/devices").json() == {"Devices": []}
