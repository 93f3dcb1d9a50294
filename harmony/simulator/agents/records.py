"""What a simulated Protect app is and says: its handset, the report it sends, the standing it is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

IOS, ANDROID = "ios", "android"
CLIENT_VERSION = "4.2.1"


@dataclass(frozen=True, slots=True)
class Handset:
    """Where one Protect app runs, and what it may register with: a one-time code, or the dashboard token.

    `profile` is device, personal or work. An old `device_key` is given when it registers again.
    """

    udid: str
    platform: str
    profile: str = "device"
    model: str = ""
    os_version: str = ""
    serial: str = ""
    token: str = field(default="", repr=False)
    code: str = field(default="", repr=False)
    device_key: str = field(default="", repr=False)


class Threat(NamedTuple):
    """One open finding: the code of its threat factor, and the app, network or address meant."""

    code: str
    subject: str = ""


class InstalledApp(NamedTuple):
    """One app of an Android device."""

    identifier: str
    version: str
    name: str


class Report(NamedTuple):
    """What a check-in tells; `apps` is None where the UEM lists them, or where nothing changed."""

    threats: tuple[Threat, ...] = ()
    os_version: str = ""
    client_version: str = CLIENT_VERSION
    apps: tuple[InstalledApp, ...] | None = None


class Standing(NamedTuple):
    """What the dashboard makes of the device: status, risk, and when it wants to hear from it again."""

    status: str
    risk: str
    check_in_seconds: int


def standing_of(answer: dict[str, Any]) -> Standing:
    """The standing in an answer of `register` or `check-in`."""
    return Standing(str(answer["status"]), str(answer["risk"]), int(answer["check_in_seconds"]))
