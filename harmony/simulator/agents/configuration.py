"""Reads an app configuration as a device gets it: a file of the dashboard, look-up values replaced."""

from __future__ import annotations

import json
import plistlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree as ET
from xml.parsers.expat import ExpatError

from harmony.simulator.agents.records import Handset

_NOT_ONE = "This is no app configuration: no dictionary of iOS, no specfile, no managed configuration."


class NotAConfiguration(ValueError):
    """The file is none that the dashboard offers."""

    def __init__(self) -> None:
        super().__init__(_NOT_ONE)


def read_configuration(text: str) -> dict[str, str]:
    """Return keys and values of a file that the dashboard offers. Raises NotAConfiguration.

    >>> read_configuration("<dict><key>server</key><string>https://mtd.example.org</string></dict>")
    {'server': 'https://mtd.example.org'}
    """
    try:
        if text.lstrip().startswith("{"):
            return {line["key"]: line["valueString"] for line in json.loads(text)["managedProperty"]}
        if "<managedAppConfiguration>" in text:
            fields = ET.fromstring(text.encode()).findall("dict/string")  # noqa: S314 - the operator's own file
            return {str(field.get("keyName")): field.findtext("defaultValue/value") or "" for field in fields}
        values = plistlib.loads(f'<plist version="1.0">{text}</plist>'.encode())
    except (ValueError, KeyError, TypeError, ET.ParseError, ExpatError, plistlib.InvalidFileException):
        raise NotAConfiguration from None
    if not isinstance(values, dict):
        raise NotAConfiguration
    return {str(key): str(value) for key, value in values.items()}


def configured(handset: Handset, values: Mapping[str, str]) -> Handset:
    """Return what a Protect app knows that the UEM gave this configuration on this device.

    Raises NotAConfiguration: the token is missing.
    """
    if not values.get("token"):
        raise NotAConfiguration
    told: dict[str, Any] = {"token": values["token"], "profile": values.get("profile") or "device"}
    lookups = {"{DeviceUid}": handset.udid, "{DeviceSerialNumber}": handset.serial}
    for field, key in (("udid", "mdm_uuid"), ("serial", "serial")):
        told[field] = lookups.get(values.get(key, ""), values.get(key, ""))
    return replace(handset, **told)
