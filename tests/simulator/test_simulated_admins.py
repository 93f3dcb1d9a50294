"""The account's own record, and the extensive search with devices that left (facts 3.2, 5.5). Rung: pure."""

from __future__ import annotations

import pytest

from tests.simulator.caller import Caller

ADMINS = "/API/system/admins/search"
EXTENSIVE = "/API/mdm/devices/extensivesearch"


def test_the_account_finds_itself_and_its_group_with_mixed_letters(uem: Caller) -> None:
    page = uem.get(f"{ADMINS}?username={uem.credentials.username}", 2).json()
    assert page["Total"] == 1
    admin = page["admins"][0]
    assert (admin["username"], admin["LocationGroupId"]) == (uem.credentials.username, "570")
    assert {"uuid", "firstName", "LastLoginTimeStamp", "roles"} <= admin.keys()
    assert admin["organizationGroupUuid"] == uem.world.groups[570].uuid


def test_the_first_version_of_admins_has_capital_letters(uem: Caller) -> None:
    assert uem.get(ADMINS).json()["Admins"][0]["Username"] == uem.credentials.username


def test_nobody_and_past_the_end_are_204(uem: Caller) -> None:
    assert uem.get(f"{ADMINS}?username=nobody", 2).status == 204
    assert uem.get(f"{ADMINS}?page=1", 2).status == 204


def test_the_extensive_search_has_plain_ids_and_smart_groups(clean: Caller) -> None:
    page = clean.get(f"{EXTENSIVE}?organizationgroupid=571&pagesize=500").json()
    assert [row["DeviceId"] for row in page["Devices"]] == clean.world.inclusive(571)
    row = page["Devices"][0]
    assert row["DeviceUuid"] == clean.world.devices[row["DeviceId"]].uuid
    named = {group["SmartGroupId"] for group in row["SmartGroups"]}
    assert named == {
        group for group in clean.world.smart_groups if row["DeviceId"] in clean.world.members(group)
    }


def test_an_unenrolled_device_is_only_in_the_extensive_search(clean: Caller) -> None:
    clean.control("devices/remove", ids=[60005])
    gone = clean.get(f"{EXTENSIVE}?enrollmentstatus=Unenrolled").json()["Devices"]
    assert [row["DeviceId"] for row in gone] == [60005]
    assert gone[0]["UnEnrolledDate"] > "2020"
    assert 60005 not in clean.ids()
    assert clean.get(f"{EXTENSIVE}?enrollmentstatus=Enrolled").json()["Total"] == 59


@pytest.mark.parametrize(
    ("query", "total"),
    [
        ("deviceid=60002", 1),
        ("deviceid=1", 0),
        ("startdatetime=2026-12-01", 1),
        ("enddatetime=2020-01-01", 0),
        ("statuschangestarttime=2026-01-01", 0),
        ("page=1&pagesize=59", 1),
    ],
)
def test_the_extensive_search_filters(clean: Caller, query: str, total: int) -> None:
    clean.control("devices/touch", ids=[60002], at="2026-12-02T00:00:00+00:00")
    answer = clean.get(f"{EXTENSIVE}?{query}")
    assert answer.status == (200 if total else 204)
    assert (len(answer.json()["Devices"]) if total else 0) == total
