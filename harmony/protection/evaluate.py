"""PURE: where a device stands under a policy: its status, what the dashboard concludes, all the risks.

Facts hold neither ids nor times, so that devices of the same facts are decided on once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from harmony.models.policy import PolicyRecord
from harmony.models.states import Action, DeviceStatus
from harmony.protection.catalogue import Vector, factor_of
from harmony.protection.risk import device_risk, finding_risk, is_older, platform_of

OS_OUTDATED, CLIENT_OUTDATED, DEVICE_SILENT = "OS_OUTDATED", "CLIENT_OUTDATED", "DEVICE_SILENT"
# What is concluded from versions and times; "Blocked app" follows the apps and is concluded with them.
_CONCLUDED = frozenset({OS_OUTDATED, CLIENT_OUTDATED, DEVICE_SILENT})

# By platform and identifier, what an administrator decided of an app.
Exceptions = Mapping[tuple[str, str], Action]
# A registered Protect app: platform, OS version, client version as it tells them.
Protector = tuple[str, str, str]
# An open finding: profile ("" when concluded), code, subject, risk.
Found = tuple[str, str, str, int]

# Versions are the devices' own words, hence the bound.
_is_older = lru_cache(maxsize=4096)(is_older)


class Facts(NamedTuple):
    """What is stored of a device that ever registered; `platform` and `os_version` as the UEM tells them.

    `silent` and `inactive`: whether its last contact lies beyond the bounds; None when that cannot be judged.
    """

    status: str
    risk: int
    silent: bool | None
    inactive: bool | None
    platform: str
    os_version: str
    protectors: tuple[Protector, ...] = ()
    findings: tuple[Found, ...] = ()


class Standing(NamedTuple):
    """Where the device stands, and what has to be written for that.

    `opened` are codes and their risks; `closed` and `rated` name findings by their place in the facts.
    """

    status: str
    risk: int
    opened: tuple[tuple[str, int], ...] = ()
    closed: tuple[int, ...] = ()
    rated: tuple[tuple[int, int], ...] = ()


def bounds(policy: PolicyRecord, now: datetime) -> tuple[datetime | None, datetime]:
    """A device last heard before these is silent, inactive; None: none is ever silent."""
    silent = now - timedelta(days=policy.silent_days) if policy.silent_days else None
    return silent, now - timedelta(days=policy.inactive_days)


def standing(facts: Facts, policy: PolicyRecord, exceptions: Exceptions) -> Standing:
    """Decide it anew from what is stored."""
    concluded = {found[1]: place for place, found in enumerate(facts.findings) if _is_concluded(found)}
    wanted = _conclusions(facts, policy, was_silent=DEVICE_SILENT in concluded)
    closed = tuple(place for code, place in concluded.items() if code not in wanted)
    risks = {
        place: _risk(found, facts, policy, exceptions)
        for place, found in enumerate(facts.findings)
        if place not in closed
    }
    opened = tuple(
        (code, int(finding_risk(code, None, policy.risks, policy.silent_risk)))
        for code in sorted(wanted - concluded.keys())
    )
    return Standing(
        status=_status(facts),
        risk=int(device_risk([*risks.values(), *(level for _code, level in opened)])),
        opened=opened,
        closed=closed,
        rated=tuple((place, level) for place, level in risks.items() if level != facts.findings[place][3]),
    )


def _conclusions(facts: Facts, policy: PolicyRecord, *, was_silent: bool) -> frozenset[str]:
    """The codes of what the dashboard concludes of the device; nothing while no Protect app is registered."""
    silent = was_silent if facts.silent is None else facts.silent and bool(facts.protectors)
    versions = frozenset(outdated(facts.platform, facts.os_version, facts.protectors, policy))
    return versions | {DEVICE_SILENT} if silent else versions


def outdated(
    platform: str, os_version: str, protectors: Iterable[Protector], policy: PolicyRecord
) -> dict[str, str]:
    """Which versions are below the minimum, in words. Protect's word on the OS counts before the UEM's.

    >>> outdated("Android", "13", [("android", "", "4.2")], PolicyRecord(minimum_os={"android": "14"}))
    {'OS_OUTDATED': '13 is below 14'}
    """
    found: dict[str, str] = {}
    for told, own_os_version, client_version in protectors:
        system = platform_of(told) or platform_of(platform)
        for code, version, minimum in (
            (OS_OUTDATED, own_os_version or os_version, policy.minimum_os.get(system, "")),
            (CLIENT_OUTDATED, client_version, policy.minimum_client.get(system, "")),
        ):
            if _is_older(version, minimum):
                found.setdefault(code, f"{version} is below {minimum}")
    return found


def reason(code: str, facts: Facts, policy: PolicyRecord) -> str:
    """Why the dashboard concludes this of the device, in words."""
    if code == DEVICE_SILENT:
        return no_contact(policy.silent_days)
    return outdated(facts.platform, facts.os_version, facts.protectors, policy).get(code, "")


def no_contact(days: int) -> str:
    """What is said of a device that was not heard for longer."""
    return f"No contact for more than {days} {'day' if days == 1 else 'days'}."


def _is_concluded(found: Found) -> bool:
    profile, code, _subject, _risk = found
    return not profile and code in _CONCLUDED


def _risk(found: Found, facts: Facts, policy: PolicyRecord, exceptions: Exceptions) -> int:
    """An exception speaks for the findings of its app, whichever version it is."""
    _profile, code, subject, _before = found
    action = None
    if exceptions and subject and factor_of(code).vector is Vector.APPLICATION:
        action = exceptions.get((_system(facts), subject))
    return int(finding_risk(code, action, policy.risks, policy.silent_risk))


def _system(facts: Facts) -> str:
    told = (*(platform for platform, _os, _client in facts.protectors), facts.platform)
    return next((system for system in map(platform_of, told) if system), "")


def _status(facts: Facts) -> str:
    """Only what is registered can be active or inactive; registering is not ours to judge."""
    if facts.inactive is None or not facts.protectors or facts.status == DeviceStatus.PROVISIONED:
        return facts.status
    return DeviceStatus.INACTIVE.value if facts.inactive else DeviceStatus.ACTIVE.value
