"""The app configuration: what UEMs read of it is what the dashboard meant (rung: pure)."""

from __future__ import annotations

import base64
import json
import plistlib
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harmony.models import Profile
from harmony.setup.app_configuration import (
    UEMS,
    AppSetting,
    DashboardValues,
    android_restrictions,
    ios_dictionary,
    settings_for,
    specfile,
)

VALUES = DashboardValues("https://mtd.example.org", "hmtoken_EXAMPLE")
# XML has no control characters; a token, an address or a PEM never holds one.
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn", "Co")), min_size=1)
CHOSEN = st.builds(DashboardValues, server=TEXT, token=TEXT, ca=TEXT, email=st.booleans())


def configured(values: DashboardValues = VALUES, uem: str = "ws1") -> list[AppSetting]:
    return settings_for(values, uem, Profile.DEVICE, {})


def as_pairs(settings: list[AppSetting]) -> dict[str, str]:
    return {setting.name: setting.value for setting in settings}


@given(CHOSEN, st.sampled_from(sorted(UEMS)))
def test_a_plist_reader_finds_every_value_of_the_ios_dictionary(values: DashboardValues, uem: str) -> None:
    settings = configured(values, uem)
    document = f'<plist version="1.0">{ios_dictionary(settings)}</plist>'
    assert plistlib.loads(document.encode()) == as_pairs(settings)


@given(CHOSEN)
def test_an_xml_reader_finds_every_default_of_the_specfile(values: DashboardValues) -> None:
    settings = configured(values)
    root = ET.fromstring(specfile(settings, "com.example.protect").encode())  # noqa: S314 - our own text
    fields = root.findall("dict/string")
    found = {field.get("keyName"): field.findtext("defaultValue/value") for field in fields}
    assert found == as_pairs(settings)
    assert root.findtext("bundleId") == "com.example.protect"


@given(CHOSEN)
def test_the_managed_configuration_carries_every_value_as_text(values: DashboardValues) -> None:
    settings = configured(values)
    document = json.loads(android_restrictions(settings, "com.example.protect"))
    assert document["productId"] == "app:com.example.protect"
    found = {line["key"]: line["valueString"] for line in document["managedProperty"]}
    assert found == as_pairs(settings)


@pytest.mark.parametrize("uem", UEMS)
def test_every_uem_has_a_look_up_value_for_the_device(uem: str) -> None:
    pairs = as_pairs(configured(uem=uem))
    assert pairs["mdm_uuid"]
    assert pairs["uem"] == uem
    assert "email" not in pairs, "personal data that is not imported is not asked for"


def test_keys_have_the_names_that_were_chosen_and_a_profile_stands_only_where_there_are_two() -> None:
    settings = settings_for(VALUES, "ws1", Profile.WORK, {"mdm_uuid": "device_id"})
    pairs = as_pairs(settings)
    assert pairs["device_id"] == "{DeviceUid}"
    assert pairs["profile"] == "work"
    assert "profile" not in as_pairs(configured())


def test_the_authority_is_one_line_of_base64() -> None:
    pem = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"
    value = as_pairs(configured(DashboardValues("https://a.test", "t", ca=pem)))["ca"]
    assert "\n" not in value
    assert base64.b64decode(value).decode() == pem
