"""Decoding what the UEM sends, with every oddity that is known and many that are not. Rung H, no network."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harmony.uem.errors import MalformedAnswer, NotTheApi, TooLarge
from harmony.uem.http.response import Answer
from harmony.uem.records import DevicePage, GroupKind
from harmony.uem.workspace_one import readers
from harmony.uem.workspace_one.rows import clean, count, flag, instant, plain_id
from harmony.uem.workspace_one.wire import loose_json, typed_devices

ROW: dict[str, Any] = {
    "EasIds": {},
    "Udid": "0123456789abcdef0123456789abcdef",
    "SerialNumber": "R58EXAMPLE",
    "Imei": "",
    "DeviceFriendlyName": "kim Android 10",
    "LocationGroupId": {"Id": {"Value": 571}, "Name": "Sales", "Uuid": "u"},
    "LocationGroupName": "Sales",
    "UserName": "kim",
    "UserEmailAddress": "kim@example.com",
    "Ownership": "E",
    "PlatformId": {"Id": {"Value": 5}, "Name": "Android"},
    "Platform": "Android",
    "Model": "samsung SM-A505FN",
    "OperatingSystem": "10.0.0",
    "PhoneNumber": "+4930",
    "LastSeen": "2020-10-16T15:08:03.387",
    "EnrollmentStatus": "Enrolled",
    "ComplianceStatus": "Compliant",
    "CompromisedStatus": False,
    "LastEnrolledOn": "0001-01-01T00:00:00.000",
    "Id": {"Value": 66523},
    "Uuid": "12345678-0000",
}


def answer(value: Any, status: int = 200) -> Answer:
    return Answer(status, {}, value if isinstance(value, bytes) else json.dumps(value).encode())


def page(*rows: Any, **more: Any) -> DevicePage:
    found = readers.read_device_page(answer({"Devices": list(rows), "Total": len(rows), **more}), 0)
    assert found is not None
    return found


def test_a_recorded_row_becomes_a_device() -> None:
    (device,) = page(ROW).devices
    assert device.external_id == "66523"
    assert device.udid == ROW["Udid"]
    assert (device.group_id, device.group_name) == ("571", "Sales")
    assert device.last_seen == datetime(2020, 10, 16, 15, 8, 3, 387000, tzinfo=UTC)
    assert device.enrolled_at is None
    assert device.compromised is False
    assert device.os_version == "10.0.0"


def test_personal_fields_are_not_in_the_repr() -> None:
    text = repr(page(ROW))
    assert not any(secret in text for secret in ("kim", "+4930", "R58EXAMPLE"))


@pytest.mark.parametrize(
    "form", [{"Value": 571}, 571, "571", " 571 ", "0571", {"Value": "571"}, {"Id": {"Value": 571}}]
)
def test_an_id_is_the_same_in_each_of_its_forms(form: Any) -> None:
    (device,) = page({**ROW, "Id": form}).devices
    assert device.external_id == "571"


@pytest.mark.parametrize(
    "form", [None, 0, -5, "", "x", "5.0", 5.0, True, [], {}, {"Value": None}, {"Value": {}}, 10**30]
)
def test_a_row_without_a_readable_id_is_skipped_and_the_page_stays(form: Any) -> None:
    found = page({**ROW, "Id": form}, ROW)
    assert len(found.devices) == 1
    assert [row.external_id for row in found.skipped] == [None]


@pytest.mark.parametrize("udid", [None, "", "  ", "\x00\x01", [], {}, True])
def test_a_row_without_udid_is_a_device_that_its_id_tells(udid: Any) -> None:
    found = page({**ROW, "Udid": udid}, {**ROW, "Id": 2})
    first = found.devices[0]
    assert (first.external_id, first.udid) == ("66523", "")
    assert (len(found.devices), found.skipped) == (2, ())


def test_a_group_without_a_readable_id_is_told_by_its_uuid() -> None:
    (device,) = page({**ROW, "LocationGroupId": {"Name": "Sales", "Uuid": "AB-1"}}).devices
    assert (device.group_id, device.group_uuid) == ("", "AB-1")


def test_a_row_with_nothing_but_id_and_udid_is_a_device() -> None:
    (device,) = page({"Id": 1, "Udid": "AbC"}).devices
    assert device.udid == "AbC"
    assert device.compromised is None
    assert device.serial == device.name == device.group_id == ""


@pytest.mark.parametrize("wrong", [None, 5, 5.5, True, [], ["x"], {}, {"a": "b"}, "x" * 10_000_000])
@pytest.mark.parametrize(
    "key", ["DeviceFriendlyName", "LocationGroupId", "LastSeen", "CompromisedStatus", "Imei"]
)
def test_a_value_of_the_wrong_type_costs_no_device(key: str, wrong: Any) -> None:
    (device,) = page({**ROW, key: wrong}).devices
    assert device.external_id == "66523"
    assert len(device.name) <= 255


@pytest.mark.parametrize("row", [None, 5, "x", [], [ROW]])
def test_a_row_that_is_no_object_is_skipped(row: Any) -> None:
    found = page(row, ROW)
    assert len(found.devices) == len(found.skipped) == 1


def test_keys_in_another_case_are_read_too() -> None:
    (device,) = page({key.lower(): value for key, value in ROW.items()}).devices
    assert device.name == "kim Android 10"


def test_text_cannot_disguise_a_line() -> None:
    (device,) = page({**ROW, "DeviceFriendlyName": "a\x00b\n\u202ec\ud800d<script>"}).devices
    assert device.name == "abcd<script>"
    device.name.encode()


@pytest.mark.parametrize("total", ["7", 7, " 7"])
def test_a_total_may_be_digits(total: Any) -> None:
    assert page(ROW, Total=total).total == 7


@pytest.mark.parametrize("total", [None, -1, "many", [], {}, 1.5, True])
def test_a_total_that_is_no_count_is_unknown(total: Any) -> None:
    assert page(ROW, Total=total).total is None


@pytest.mark.parametrize("value", [{"Devices": []}, {"Devices": [], "Total": 9}])
def test_an_empty_list_is_the_end(value: Any) -> None:
    assert readers.read_device_page(answer(value), 3) is None


def test_204_is_the_end_and_is_not_parsed() -> None:
    assert readers.read_device_page(answer(b"", 204), 3) is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{}",
        b"[]",
        b"null",
        b'{"Devices":null}',
        b'{"Devices":{}}',
        b'{"Total":0}',
        b'{"errorCode":1005}',
        b'{"Devices":[{"Id":1,"Udid":"a"},',
        b'{"Devices":[{"Id":1,"Udid":"a"}]',
        b'{"Devices":[{"Id":NaN,"Udid":"a"}]}',
        b'{"Devices":[],"Devices":[{"Id":1,"Udid":"a"}]}',
        b'{"Devices":[{"Id":1,"Id":2,"Udid":5}]}',
        '{"Devices":[]}'.encode("utf-16"),
        b'{"Devices":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        b"[" * 100_000,
        b"\xff\xfe\x00",
    ],
)
def test_a_broken_page_is_an_error_and_never_an_empty_page(body: bytes) -> None:
    with pytest.raises(MalformedAnswer):
        readers.read_device_page(answer(body), 0)


def test_a_byte_order_mark_and_a_bad_byte_cost_nothing_else() -> None:
    body = b"\xef\xbb\xbf" + json.dumps({"Devices": [ROW, {**ROW, "Id": 2}]}).encode().replace(
        b"kim A", b"k\xffm A"
    )
    found = readers.read_device_page(answer(body), 0)
    assert found is not None
    assert [device.name for device in found.devices] == ["k\ufffdm Android 10"] * 2


def test_a_number_of_any_length_costs_one_row() -> None:
    body = b'{"Devices":[{"Id":' + b"9" * 5000 + b',"Udid":"a"},{"Id":2,"Udid":"b"}]}'
    found = readers.read_device_page(answer(body), 0)
    assert found is not None
    assert [device.external_id for device in found.devices] == ["2"]


def test_a_page_of_absurd_length_is_refused() -> None:
    with pytest.raises(TooLarge):
        readers.read_device_page(answer({"Devices": [{"Id": 1, "Udid": "a"}] * 5001}), 0)


def test_the_fast_way_reads_a_clean_page() -> None:
    assert typed_devices(json.dumps({"Devices": [ROW] * 3}).encode()) is not None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sorted(ROW)), JSON), JSON)
def test_no_row_breaks_its_page(changes: dict[str, Any], total: Any) -> None:
    found = page({**ROW, **changes}, {**ROW, "Id": 2}, Total=total)
    assert found.devices[-1].external_id == "2"
    assert len(found.devices) + len(found.skipped) == 2
    for device in found.devices:
        text = "".join(value for value in (device.name, device.udid, device.group_name, device.email))
        text.encode()
        assert "\x00" not in text


@given(st.dictionaries(st.sampled_from(sorted(ROW)), st.text() | st.none()))
def test_the_fast_and_the_slow_way_read_the_same(changes: dict[str, Any]) -> None:
    value = {"Devices": [{**ROW, **changes}], "Total": 1}
    fast = readers.read_device_page(answer(msgspec.json.encode(value)), 0)
    assert fast is not None
    # A second row of another kind sends the page row by row, a Total of another kind to the forgiving reader.
    assert page({**ROW, **changes}, None).devices == fast.devices
    assert page({**ROW, **changes}, Total=[]).devices == fast.devices


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_reader(body: bytes) -> None:
    try:
        loose_json(body)
    except MalformedAnswer:
        return


def test_groups_are_read_in_both_versions() -> None:
    v2 = {
        "OrganizationGroups": [
            {"Id": 1112, "Name": "Acme", "LocationGroupType": "Customer", "LgLevel": 0, "Devices": "0"}
        ]
    }
    v1 = {
        "LocationGroups": [
            {"Id": {"Value": 570}, "Name": "Acme", "LocationGroupType": "Customer", "Devices": "13"}
        ]
    }
    (first,) = readers.read_groups(answer(v2))
    (second,) = readers.read_groups(answer(v1))
    assert (first.external_id, first.devices, first.kind) == ("1112", 0, GroupKind.ORGANIZATION)
    assert (second.external_id, second.devices, second.type) == ("570", 13, "Customer")


def test_the_tree_gives_parents() -> None:
    tree = [
        {"Id": {"Value": 570}, "Name": "Acme", "LgLevel": 0},
        {"Id": {"Value": 571}, "Name": "Sales", "ParentLocationGroup": {"Id": {"Value": 570}, "Uuid": "u"}},
        None,
        {"Name": "no id"},
    ]
    assert [(g.external_id, g.parent_id) for g in readers.read_tree(answer(tree))] == [
        ("570", None),
        ("571", "570"),
    ]


def test_smart_groups_carry_their_managing_group() -> None:
    row = {"Name": "MTD pilot", "SmartGroupID": 4211, "ManagedByOrganizationGroupId": "570", "Devices": 11}
    (group,) = readers.read_smart_groups(answer({"SmartGroups": [row]}))
    assert (group.external_id, group.organization_group_id, group.devices) == ("4211", "570", 11)
    assert group.kind is GroupKind.SMART


@pytest.mark.parametrize(
    "read",
    [
        readers.read_groups,
        readers.read_smart_groups,
        readers.read_members,
        readers.read_tree,
    ],
)
def test_every_list_takes_204_for_none_and_an_object_without_list_for_an_error(read: Any) -> None:
    assert read(answer(b"", 204)) == []
    with pytest.raises(MalformedAnswer):
        read(answer({"Total": 0}))


def test_json_of_something_else_is_not_the_api() -> None:
    with pytest.raises(NotTheApi):
        readers.read_system_info(answer({"status": "up"}))


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2020-10-16T15:08:03", datetime(2020, 10, 16, 15, 8, 3, tzinfo=UTC)),
        ("2020-10-16T15:08:03Z", datetime(2020, 10, 16, 15, 8, 3, tzinfo=UTC)),
        ("2020-10-16T15:08:03+02:00", datetime(2020, 10, 16, 13, 8, 3, tzinfo=UTC)),
        ("2020-10-16", datetime(2020, 10, 16, tzinfo=UTC)),
        ("2000-01-03T00:00:00Z", datetime(2000, 1, 3, tzinfo=UTC)),
        ("0001-01-01T00:00:00.000", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("1601-01-01T00:00:00", None),
        ("1753-01-01", None),
        ("1899-12-30T00:00:00", None),
        ("1900-01-01T00:00:00-11:00", None),
        ("1969-12-31T16:00:00-08:00", None),
        ("1970-01-01T00:00:00.000Z", None),
        ("1970-01-01T05:30:00+05:30", None),
        ("1980-01-06T00:00:00", None),
        ("2000-01-01T00:00:00-12:00", None),
        ("2079-06-06T23:59:00", None),
        ("9999-12-31T23:59:59", None),
        ("9999-12-31T23:59:59.9999999Z", None),
        ("9999-12-31T23:59:59-12:00", None),
        ("9999-12-31", None),
        ("6/7/2019 12:12:16 AM", None),
        ("", None),
        (None, None),
    ],
)
def test_times_are_aware_or_unknown(text: str | None, moment: datetime | None) -> None:
    assert instant(text) == moment


@given(st.text())
def test_clean_text_is_short_and_can_be_stored(text: str) -> None:
    cleaned = clean(text)
    assert len(cleaned) <= 255
    cleaned.encode()
    assert clean(cleaned) == cleaned


@given(JSON)
def test_ids_counts_and_flags_take_anything(value: Any) -> None:
    assert plain_id(value if isinstance(value, int | float | str) else None) is None or isinstance(
        value, int | str
    )
    found = count(value)
    assert found is None or found >= 0
    assert flag(value) in {True, False, None}
