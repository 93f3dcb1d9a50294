"""PURE: where a device stands under a policy: its status, what the dashboard concludes, all the risks.

Facts hold neither ids nor times, so that devices of the same facts are decided on once.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from harmony.models.policy import PolicyRecord
from harmony.models.states import Action, DeviceStatus
from harmony.protect.factors import Vector, factor_of
from harmony.protect.risk import device_risk, finding_risk, is_older, platform_of

OS_OUTDATED, CLIENT_OUTDATED, DEVICE_SILENT = "OS_OUTDATED", "CLIENT_OUTDATED", "DEVICE_SILENT"
# What is concluded from versions and times; "Blocked app" follows the apps and is concluded with them.
CONCLUDED = frozenset({OS_OUTDATED, CLIENT_OUTDATED, DEVICE_SILENT})

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
    wanted = conclusions(facts, policy, was_silent=DEVICE_SILENT in concluded)
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


def conclusions(facts: Facts, policy: PolicyRecord, *, was_silent: bool) -> frozenset[str]:
    """The codes of what the dashboard concludes of the device; nothing while no Protect app is registered."""
    silent = was_silent if facts.silent is None else facts.silent and bool(facts.protectors)
    versions = outdated(facts.platform, facts.os_version, facts.protectors, policy)
    return versions | {DEVICE_SILENT} if silent else versions


def outdated(
    platform: str, os_version: str, protectors: tuple[Protector, ...], policy: PolicyRecord
) -> frozenset[str]:
    """Which versions are below the minimum. Protect's word on the OS counts before that of the UEM."""
    found = set()
    for told, own_os_version, client_version in protectors:
        system = platform_of(told) or platform_of(platform)
        if _is_older(own_os_version or os_version, policy.minimum_os.get(system, "")):
            found.add(OS_OUTDATED)
        if _is_older(client_version, policy.minimum_client.get(system, "")):
            found.add(CLIENT_OUTDATED)
    return frozenset(found)


def _is_concluded(found: Found) -> bool:
    profile, code, _subject, _risk = found
    return not profile and code in CONCLUDED


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
