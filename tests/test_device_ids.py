"""One form for every spelling of a UDID, none for a placeholder (rungs pure, H)."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harmony.device_ids import LONGEST_KEY, is_placeholder, serial_key, udid_key

GUID = "3f2504e0-4f89-11d3-9a0c-0305e82c3301"
IOS = "00008020-001C2D3E4F50002E"
ANDROID = "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567ab"


@pytest.mark.parametrize(
    "spelling",
    [
        GUID, GUID.upper(), GUID.replace("-", ""), f"{{{GUID}}}", f"({GUID})", f"  {GUID}\r\n",
        f"urn:uuid:{GUID}",
        f'"{GUID}"', GUID.replace("-", " "), GUID.replace("-", "\u2011"), GUID.replace("-", "\u2013"),
        f"\u00a0{GUID}\u200b", f"\ufeff{GUID}", "\u2060".join(GUID), GUID.replace("3", "\uff13"),
        f"{GUID}\ud800",
        f"{{{{{GUID}}}}}", GUID.replace("-", "\u2212"),
    ],
)  # fmt: skip
def test_every_spelling_of_a_guid_is_one_device(spelling: str) -> None:
    assert udid_key(spelling) == GUID.replace("-", "")


@pytest.mark.parametrize("udid", [IOS, ANDROID, "f" * 31 + "e", "UDID-1", "Ünï-7", "0" * 39 + "1"])
def test_dash_and_case_never_make_a_second_device(udid: str) -> None:
    spellings = {udid, udid.replace("-", ""), udid.lower(), udid.upper()}
    assert len({udid_key(spelling) for spelling in spellings}) == 1
    assert not is_placeholder(udid)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "\u200b", "-", "{}", "{ }", "System.Byte[]", "system.string", "[B@1a2b3c",
        "[object Object]",
        "0", "0" * 32, "0" * 40, "00000000-0000-0000-0000-000000000000",
        "{00000000-0000-0000-0000-000000000000}",
        "ffffffff-ffff-ffff-ffff-ffffffffffff", "XXXXXXXX", "{DeviceUid}", "{deviceuid}", "$UDID",
        "${DeviceID}",
        "$DEVICE_UDID$", "%udid%", "{{deviceid}}", "<udid>", "ws1-{DeviceUid}", "null", "NULL", "(null)",
        "None",
        "N/A", "n.a.", "unknown", "Unknown", "UNDEFINED", "Not Available", "not-available", "?", "...",
        "DeviceUid",
        "9774d56d682e549c", "02:00:00:00:00:00", "{DeviceU\u200bid}", "\uff5bDeviceUid\uff5d",
    ],
)  # fmt: skip
def test_a_placeholder_identifies_nobody(text: str) -> None:
    assert udid_key(text) == ""
    assert is_placeholder(text)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("R58M123ABC", "r58m123abc"), (" r58m 123abc\u00a0", "r58m123abc"), ("C02-XY", "c02-xy"),
        ("unknown", ""), ("0123456789ABCDEF", ""), ("Default string", ""), ("00000000", ""),
        ("{DeviceSerialNumber}", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_serial_numbers_are_judged_likewise(text: str, key: str) -> None:
    assert serial_key(text) == key


@given(st.text(max_size=300))
def test_a_key_is_short_and_its_own_key(text: str) -> None:
    key = udid_key(text)
    assert len(key) <= LONGEST_KEY
    assert udid_key(key) in {key, ""}  # cut at 128 characters, the rest may be a word


@given(st.uuids())
def test_no_random_guid_is_a_placeholder_and_all_differ_as_they_did(guid: UUID) -> None:
    if len(set(guid.hex)) > 1:
        assert udid_key(str(guid)) == udid_key(f"{{{guid}}}".upper()) == guid.hex
