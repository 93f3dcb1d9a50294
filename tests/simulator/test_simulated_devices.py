"""Device search and single devices, as facts 5 and 11 tell of them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulator.caller import Caller

SEARCH = "/API/mdm/devices/search"


def test_the_pages_together_hold_every_device_once(uem: Caller) -> None:
    pages = [uem.get(f"{SEARCH}?page={page}&pagesize=25").json() for page in range(3)]
    assert [len(page["Devices"]) for page in pages] == [25, 25, 10]
    assert {page["Total"] for page in pages} == {60}
    assert len({device["Uuid"] for page in pages for device in page["Devices"]}) == 60


def test_it_answers_204_past_the_last_page(uem: Caller) -> None:
    answer = uem.get(f"{SEARCH}?page=3&pagesize=25", version=2)
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["x-api-version"] == "v2"


def test_it_cuts_the_page_size_at_500_without_a_word() -> None:
    page = Caller(600).get(f"{SEARCH}?pagesize=5000").json()
    assert (len(page["Devices"]), page["PageSize"], page["Total"]) == (500, 500, 600)


@pytest.mark.parametrize("query", ["page=-1", "page=x", "pagesize=many", "lgid=top"])
def test_a_number_that_is_none_gives_422(uem: Caller, query: str) -> None:
    assert uem.get(f"{SEARCH}?{query}").status == 422


def test_a_group_brings_the_devices_of_its_children(uem: Caller) -> None:
    assert uem.ids(f"{SEARCH}?lgid=571") == uem.world.inclusive(571) != uem.world.direct(571)


def test_a_group_brings_only_its_own_devices_when_switched() -> None:
    clean = Caller(300, quirks=False)
    clean.control("switches", lgid_inclusive="no")
    assert clean.ids(f"{SEARCH}?lgid=571") == clean.world.direct(571)


@pytest.mark.parametrize(("position", "status"), [("204", 204), ("400", 400), ("403", 403)])
def test_an_unknown_group_answers_as_switched(uem: Caller, position: str, status: int) -> None:
    uem.control("switches", unknown_lgid=position)
    assert uem.get(f"{SEARCH}?lgid=99999").status == status


@pytest.mark.parametrize(
    ("name", "value", "key"), [("platform", "apple", "Platform"), ("ownership", "E", "Ownership")]
)
def test_filters_compare_without_case(clean: Caller, name: str, value: str, key: str) -> None:
    found = clean.get(f"{SEARCH}?{name}={value}").json()["Devices"]
    assert {device[key].lower() for device in found} == {value.lower()}


def test_the_user_filter_finds_all_devices_of_a_user(clean: Caller) -> None:
    user = clean.world.devices[60001].user
    found = clean.get(f"{SEARCH}?user={user.upper()}").json()["Devices"]
    assert {device["UserName"] for device in found} == {user}


@pytest.mark.parametrize(
    "text", ["2026/12/01", "2026-12-01 00:00:00.000", "12/01/2026", "12-01-2026T00:00:00"]
)
def test_seensince_takes_every_documented_form(clean: Caller, text: str) -> None:
    clean.control("devices/touch", ids=[60002], at="2026-12-01T00:00:01+00:00")
    assert clean.ids(f"{SEARCH}?seensince={text}") == [60002]


def test_seensince_refuses_what_is_no_date(uem: Caller) -> None:
    assert uem.get(f"{SEARCH}?seensince=yesterday").status == 400


def test_the_model_filter_finds_a_model_and_breaks_on_parentheses(clean: Caller) -> None:
    found = clean.get(f"{SEARCH}?model=google pixel 8").json()["Devices"]
    assert {device["Model"] for device in found} == {"Google Pixel 8"}
    assert clean.get(f"{SEARCH}?model=iPhone 15 (128 GB Black)").status == 204


@pytest.mark.parametrize(
    ("version", "query", "seen"),
    [
        (1, "compliantstatus=NonCompliant", "NonCompliant"),
        (1, "compliantstatus=true", "Compliant"),
        (2, "compliance_status=noncompliant", "NonCompliant"),
        (3, "compliance_status=NonCompliant", "NonCompliant"),
    ],
)
def test_the_compliance_filter_has_its_name_in_each_version(version: int, query: str, seen: str) -> None:
    clean = Caller(300, quirks=False)
    found = clean.get(f"{SEARCH}?{query}", version).json()["Devices"]
    assert {device["ComplianceStatus"] for device in found} == {seen}


def test_a_name_of_another_version_means_nothing(clean: Caller) -> None:
    assert clean.get(f"{SEARCH}?compliance_status=NonCompliant", 1).json()["Total"] == 60
    assert clean.get(f"{SEARCH}?platform=Apple&lgid=572", 3).json()["Total"] == 60


def test_the_last_seen_filter_is_a_lower_bound(clean: Caller) -> None:
    clean.control("devices/touch", ids=[60002], at="2026-12-01T00:00:01+00:00")
    assert clean.ids(f"{SEARCH}?lastseen=2026-12-01") == [60002]
    assert clean.get(f"{SEARCH}?last_seen=2026-12-01", 3).json()["Total"] == 1


def test_the_third_version_names_group_platform_and_page_otherwise(clean: Caller) -> None:
    group = clean.world.groups[571]
    answer = clean.get(
        f"{SEARCH}?organization_group_uuid={group.uuid.upper()}&device_type=Android&page_size=2"
        "&order_by=last_seen&sort_order=DESC",
        3,
    )
    page = answer.json()
    assert answer.headers["x-api-version"] == "v3"
    assert (len(page["Devices"]), page["PageSize"]) == (2, 2)
    assert {device["Platform"] for device in page["Devices"]} == {"Android"}
    assert {device["Id"]["Value"] for device in page["Devices"]} <= set(clean.world.inclusive(571))
    seen = [device["LastSeen"] for device in page["Devices"]]
    assert seen == sorted(seen, reverse=True)
    assert clean.get(f"{SEARCH}?organization_group_uuid=nobody", 3).status == 204


def test_model_udid_and_user_have_the_recorded_forms(clean: Caller) -> None:
    devices = clean.get(SEARCH).json()["Devices"]
    android = next(device for device in devices if device["Platform"] == "Android")
    assert len(android["Udid"]) == 42
    assert android["AssetNumber"] == android["Udid"]
    assert android["ModelId"] == {"Id": {"Value": 5}, "Name": android["Model"]}
    first, last = android["UserName"].split(".")
    assert android["UserId"]["Name"] == f"{first.capitalize()} {last.capitalize()}"


def test_it_sorts_by_last_seen_both_ways(clean: Caller) -> None:
    up, down = (clean.ids(f"{SEARCH}?orderby=lastseen&sortorder={order}") for order in ("ASC", "DESC"))
    assert up == down[::-1]
    seen = [clean.world.devices[ident].last_seen for ident in up]
    assert seen == sorted(seen)


def test_new_devices_come_last_in_the_order_of_ids(clean: Caller) -> None:
    added = clean.control("devices/add", count=2, group=572)["ids"]
    assert clean.ids(f"{SEARCH}?orderby=deviceid&sortorder=ASC")[-2:] == added


def test_a_device_by_number_has_more_keys_than_the_search_object(clean: Caller) -> None:
    device = clean.get("/api/mdm/devices/60001").json()
    listed = clean.get(SEARCH).json()["Devices"][0]
    assert device["Id"] == {"Value": 60001}
    assert device == device | listed
    assert {"DeviceCapacity", "DeviceNetworkInfo", "ComplianceSummary"} <= device.keys()
    assert "DeviceCapacity" not in listed


@pytest.mark.parametrize(
    ("word", "key"),
    [
        ("Udid", "Udid"),
        ("SERIALNUMBER", "SerialNumber"),
        ("macaddress", "MacAddress"),
        ("ImeiNumber", "Imei"),
    ],
)
def test_a_device_is_found_by_another_identifier_without_case(clean: Caller, word: str, key: str) -> None:
    wanted = next(device for device in clean.world.devices.values() if device.json()[key])
    value = wanted.json()[key].upper()
    found = clean.get(f"/API/mdm/devices?searchby={word}&id={value}").json()
    assert found["Id"] == {"Value": wanted.id}


def test_a_device_is_found_by_its_number_and_by_the_path_of_its_udid(clean: Caller) -> None:
    by_number = clean.get("/API/mdm/devices?searchby=DeviceId&id=60007").json()
    assert clean.get(f"/API/mdm/devices/udid/{by_number['Udid']}").json() == by_number
    assert by_number["Id"] == {"Value": 60007}


def test_an_identifier_that_is_nobodys_is_404_and_an_unknown_word_422(clean: Caller) -> None:
    assert clean.get("/API/mdm/devices?searchby=Udid&id=nobody").json()["errorCode"] == 5061
    assert clean.get("/API/mdm/devices?searchby=Shoe&id=42").status == 422
    assert clean.get("/API/mdm/devices?searchby=Udid").status == 422


def test_a_device_by_uuid_has_camel_case_and_its_own_enums(clean: Caller) -> None:
    known = clean.world.devices[60001]
    device = clean.get(f"/API/mdm/devices/{known.uuid.upper()}", version=2).json()
    assert device["uuid"] == known.uuid
    assert device["enrollmentInfo"]["enrollmentStatus"] == "ENROLLED"
    assert device["enrollmentInfo"]["lastSeenTimestamp"].endswith("Z")


def test_an_unknown_uuid_gives_404_with_5061(uem: Caller) -> None:
    answer = uem.get("/API/mdm/devices/00000000-0000-4000-a000-000000000000", version=2)
    assert (answer.status, answer.json()["errorCode"]) == (404, 5061)


def test_an_id_that_is_no_guid_gives_the_html_page(uem: Caller) -> None:
    answer = uem.get("/API/mdm/devices/60001", version=2)
    assert (answer.status, answer.content_type) == (404, "text/html; charset=utf-8")
    assert b"The resource cannot be found." in answer.body


def test_the_bulk_delete_is_a_trap_that_deletes_nothing(uem: Caller) -> None:
    uem.post("/API/mdm/devices/bulk", {"BulkValues": {"Value": ["60001"]}})
    state = uem.send("GET", "/control/state").json()
    assert (state["traps"], state["devices"]) == (1, 60)


def test_apps_are_the_same_each_time_and_204_where_there_are_none(uem: Caller) -> None:
    first = uem.get("/API/mdm/devices/60001/apps").json()
    assert first == uem.get("/API/mdm/devices/60001/apps").json()
    assert isinstance(first["DeviceApps"][0]["Size"], int)
    without = next(ident for ident in uem.world.devices if ident % 17 == 0)
    assert uem.get(f"/API/mdm/devices/{without}/apps").status == 204
    uem.control("switches", device_apps_types="string", device_apps_empty="absent")
    assert "DeviceApps" not in uem.get(f"/API/mdm/devices/{without}/apps").json()
    assert isinstance(uem.get("/API/mdm/devices/60001/apps").json()["DeviceApps"][0]["Size"], str)


def apps_of(uem: Caller, ident: int) -> dict[str, str]:
    answer = uem.get(f"/API/mdm/devices/{ident}/apps")
    rows = answer.json()["DeviceApps"] if answer.status == 200 else []
    return {row["ApplicationIdentifier"]: row["Version"] for row in rows if row["Status"] == 2}


def test_apps_that_are_only_assigned_are_listed_with_another_status_unless_switched(uem: Caller) -> None:
    def mail() -> dict[str, Any] | None:
        rows = uem.get("/API/mdm/devices/60001/apps").json()["DeviceApps"]
        return next((row for row in rows if row["ApplicationIdentifier"] == "com.example.mail"), None)

    uem.control("apps/remove", ids=[60001], identifier="com.example.mail")
    assigned = mail()
    assert assigned
    assert (assigned["Status"], assigned["IsManaged"]) == (1, True)
    uem.control("switches", device_apps_types="string")
    assigned = mail()
    assert assigned
    assert (assigned["Status"], assigned["Type"]) == ("NotInstalled", "Public")
    uem.control("switches", device_apps_assigned="left_out")
    assert mail() is None


def test_an_app_is_installed_updated_and_removed_and_the_device_is_seen_with_it(uem: Caller) -> None:
    before, seen = apps_of(uem, 60001), uem.world.devices[60001].last_seen
    uem.control("apps/install", ids=[60001], identifier="org.test.torch", version="1.0")
    assert apps_of(uem, 60001) == before | {"org.test.torch": "1.0"}
    assert uem.world.devices[60001].last_seen > seen
    uem.control("apps/install", ids=[60001], identifier="org.test.torch", version="2.0")
    assert apps_of(uem, 60001)["org.test.torch"] == "2.0"
    assert uem.control("apps/remove", ids=[60001], identifier="org.test.torch") == {"removed": 1}
    assert apps_of(uem, 60001) == before
    assert "org.test.torch" not in apps_of(uem, 60002)


def test_a_fleet_shares_its_apps_and_few_versions_of_them(uem: Caller) -> None:
    versions: dict[str, set[str]] = {}
    for ident in uem.world.devices:
        for identifier, version in apps_of(uem, ident).items():
            versions.setdefault(identifier, set()).add(version)
    assert len(versions) == 20
    assert all(len(found) <= 2 for found in versions.values())
