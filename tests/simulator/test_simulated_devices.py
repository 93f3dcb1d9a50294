"""Device search and single devices, as facts 5 and 11 tell of them."""

from __future__ import annotations

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


def test_it_sorts_by_last_seen_both_ways(clean: Caller) -> None:
    up, down = (clean.ids(f"{SEARCH}?orderby=lastseen&sortorder={order}") for order in ("ASC", "DESC"))
    assert up == down[::-1]
    seen = [clean.world.devices[ident].last_seen for ident in up]
    assert seen == sorted(seen)


def test_new_devices_come_last_in_the_order_of_ids(clean: Caller) -> None:
    added = clean.control("devices/add", count=2, group=572)["ids"]
    assert clean.ids(f"{SEARCH}?orderby=deviceid&sortorder=ASC")[-2:] == added


def test_a_device_by_number_is_the_search_object(clean: Caller) -> None:
    device = clean.get("/api/mdm/devices/60001").json()
    assert device["Id"] == {"Value": 60001}
    assert device == clean.get(SEARCH).json()["Devices"][0]


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
    return {row["ApplicationIdentifier"]: row["Version"] for row in rows}


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
