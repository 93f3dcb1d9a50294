"""PURE: the app configuration of Protect: its keys, the look-up values of each UEM, the files that UEMs take.

Every value is text: dictionaries of iOS and restrictions of Android both carry text without surprises
(facts/apps-and-config.md §1).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr

from harmony.models.states import Profile


class AppKey(StrEnum):
    """A key of the app configuration, by its name where no other was chosen."""

    SERVER = "server"
    TOKEN = "token"  # noqa: S105 - the name of a key
    MDM_UUID = "mdm_uuid"
    SERIAL = "serial"
    EMAIL = "email"
    UEM = "uem"
    PROFILE = "profile"
    CA = "ca"


MEANINGS = {
    AppKey.SERVER: "The address of this dashboard",
    AppKey.TOKEN: "The token of this integration",
    AppKey.MDM_UUID: "The UEM's id of the device, by which it is found here",
    AppKey.SERIAL: "Its serial number",
    AppKey.EMAIL: "Its user's e-mail address",
    AppKey.UEM: "Which UEM filled in the values",
    AppKey.PROFILE: "The profile that the app protects",
    AppKey.CA: "The certificate of the authority that the app trusts, as base64",
}


class UemLookups(NamedTuple):
    """The words of a UEM that stand for the values of a device; "" where it has none.

    `documented`: the spelling stands in the UEM's documentation (facts/apps-and-config.md §2).
    """

    title: str
    udid: str
    serial: str
    email: str
    documented: bool = True


UEMS = {
    "ws1": UemLookups("Workspace ONE UEM", "{DeviceUid}", "{DeviceSerialNumber}", "{EmailAddress}"),
    "intune": UemLookups("Microsoft Intune", "{{deviceid}}", "{{serialnumber}}", "{{mail}}"),
    "jamf": UemLookups("Jamf Pro", "$UDID", "$SERIALNUMBER", "$EMAIL"),
    "knox": UemLookups("Samsung Knox Manage", "${DeviceID}", "${DeviceSerialNumber}", "${Email}"),
    "ivanti": UemLookups("Ivanti (MobileIron)", "$DEVICE_UDID$", "$DEVICE_SN$", "$EMAIL$", documented=False),
    "maas360": UemLookups("IBM MaaS360", "%csn%", "", "%email%", documented=False),
}


@dataclass(frozen=True, slots=True)
class DashboardValues:
    """The dashboard's address, token and authority's PEM; `email`: e-mail addresses are imported."""

    server: str
    token: str
    ca: str = ""
    email: bool = False


class AppSetting(NamedTuple):
    """One line of the configuration: which key, its name, its value."""

    key: AppKey
    name: str
    value: str


def settings_for(
    dashboard: DashboardValues, uem: str, profile: Profile, names: Mapping[str, str]
) -> list[AppSetting]:
    """Return the configuration of a UEM; `names` are those of keys that were given another.

    >>> values = DashboardValues("https://mtd.example.org", "EXAMPLE")
    >>> [setting.value for setting in settings_for(values, "ws1", Profile.DEVICE, {})]
    ['https://mtd.example.org', 'EXAMPLE', '{DeviceUid}', '{DeviceSerialNumber}', 'ws1']
    """
    lookups = UEMS[uem]
    values = {
        AppKey.SERVER: dashboard.server,
        AppKey.TOKEN: dashboard.token,
        AppKey.MDM_UUID: lookups.udid,
        AppKey.SERIAL: lookups.serial,
        AppKey.EMAIL: lookups.email if dashboard.email else "",
        AppKey.UEM: uem,
        AppKey.PROFILE: "" if profile is Profile.DEVICE else profile.value,
        AppKey.CA: base64.b64encode(dashboard.ca.encode()).decode(),
    }
    return [AppSetting(key, names.get(key) or key.value, value) for key, value in values.items() if value]


def ios_dictionary(settings: Sequence[AppSetting]) -> str:
    """Return the `<dict>` that Workspace ONE, Intune and Jamf take for an iOS app."""
    lines = [
        f"  <key>{escape(setting.name)}</key>\n  <string>{escape(setting.value)}</string>"
        for setting in settings
    ]
    return "\n".join(["<dict>", *lines, "</dict>", ""])


def specfile(settings: Sequence[AppSetting], app_id: str) -> str:
    """Return the specfile of the AppConfig community, from which a UEM draws a form with these defaults."""
    fields = [
        f"    <string keyName={quoteattr(setting.name)}>\n"
        f"      <defaultValue>\n        <value>{escape(setting.value)}</value>\n      </defaultValue>\n"
        f"    </string>"
        for setting in settings
    ]
    head = ['<?xml version="1.0" encoding="UTF-8"?>', "<managedAppConfiguration>", "  <version>1</version>"]
    body = [f"  <bundleId>{escape(app_id)}</bundleId>", "  <dict>", *fields, "  </dict>"]
    return "\n".join([*head, *body, "</managedAppConfiguration>", ""])


def android_restrictions(settings: Sequence[AppSetting], app_id: str) -> str:
    """Return the managed configuration of Google's EMM API, as the Play store keeps it."""
    properties = [{"key": setting.name, "valueString": setting.value} for setting in settings]
    document = {
        "kind": "androidenterprise#managedConfiguration",
        "productId": f"app:{app_id}",
        "managedProperty": properties,
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
