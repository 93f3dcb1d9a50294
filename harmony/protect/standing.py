"""PURE: where a device stands under a policy: its status, what the dashboard concludes, all the risks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from harmony.models.policy import PolicyRecord
from harmony.models.states import Action, DeviceStatus, Risk
from harmony.protect.factors import Vector, factor_of
from harmony.protect.risk import device_risk, finding_risk, platform_of
from harmony.protect.risk import is_older as decide_older
from harmony.protect.risk import status as status_of

OS_OUTDATED, CLIENT_OUTDATED, DEVICE_SILENT = "OS_OUTDATED", "CLIENT_OUTDATED", "DEVICE_SILENT"
# What is concluded from versions and times; "Blocked app" follows the apps and is concluded with them.
CONCLUDED = frozenset({OS_OUTDATED, CLIENT_OUTDATED, DEVICE_SILENT})
# By platform and identifier, what an administrator decided of an app.
Exceptions = Mapping[tuple[str, str], Action]

# Versions are the devices' own words, hence the bound.
is_older = lru_cache(maxsize=4096)(decide_older)


class Protector(NamedTuple):
    """A Protect app that is registered on a profile of the device."""

    platform: str
    os_version: str
    client_version: str


class Open(NamedTuple):
    """An open finding; `profile` is "" when it was concluded."""

    id: int
    profile: str
    code: str
    subject: str
    risk: int


@dataclass(frozen=True, slots=True)
class Known:
    """What is stored of a device that ever registered; `platform` and `os_version` as the UEM tells them."""

    device_id: int
    integration_id: int
    status: str
    risk: int
    last_contact: datetime | None
    platform: str
    os_version: str
    protectors: tuple[Protector, ...] = ()
    findings: tuple[Open, ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the device stands, and what has to be written for that; `opened` are codes and their risks."""

    status: str
    risk: int
    opened: tuple[tuple[str, int], ...] = ()
    closed: tuple[Open, ...] = ()
    rated: tuple[tuple[Open, int], ...] = ()


def standing(
    device: Known, policy: PolicyRecord, exceptions: Exceptions, now: datetime, *, judged: bool
) -> Standing:
    """Decide it anew from what is stored; `judged`: whether silence may be judged at all now."""
    concluded = {finding.code: finding for finding in device.findings if _is_ours(finding)}
    wanted = conclusions(device, policy, now) if judged else _but_silence(device, policy, concluded)
    closed = tuple(finding for code, finding in concluded.items() if code not in wanted)
    kept = [finding for finding in device.findings if finding not in closed]
    risks = [rated_risk(finding.code, finding.subject, device, policy, exceptions) for finding in kept]
    opened = tuple(
        (code, int(finding_risk(code, None, policy.risks, policy.silent_risk)))
        for code in sorted(wanted - concluded.keys())
    )
    return Standing(
        status=_status(device, policy, now) if judged else device.status,
        risk=int(device_risk([*risks, *(level for _code, level in opened)])),
        opened=opened,
        closed=closed,
        rated=tuple((one, level) for one, level in zip(kept, risks, strict=True) if one.risk != level),
    )


def conclusions(device: Known, policy: PolicyRecord, now: datetime) -> frozenset[str]:
    """The codes of what the dashboard concludes of the device; nothing while no Protect app is registered."""
    silent = {DEVICE_SILENT} if device.protectors and _is_silent(device, policy, now) else set()
    return outdated(device.platform, device.os_version, device.protectors, policy) | silent


def outdated(
    platform: str, os_version: str, protectors: tuple[Protector, ...], policy: PolicyRecord
) -> frozenset[str]:
    """Which versions are below the minimum. Protect's word on the OS counts before that of the UEM."""
    found = set()
    for one in protectors if policy.minimum_os or policy.minimum_client else ():
        system = platform_of(one.platform) or platform_of(platform)
        if is_older(one.os_version or os_version, policy.minimum_os.get(system, "")):
            found.add(OS_OUTDATED)
        if is_older(one.client_version, policy.minimum_client.get(system, "")):
            found.add(CLIENT_OUTDATED)
    return frozenset(found)


def rated_risk(code: str, subject: str, device: Known, policy: PolicyRecord, exceptions: Exceptions) -> Risk:
    """The risk of one finding; an exception speaks for the findings of its app, whichever version it is."""
    action = None
    if exceptions and subject and factor_of(code).vector is Vector.APPLICATION:
        action = exceptions.get((_system(device), subject))
    return finding_risk(code, action, policy.risks, policy.silent_risk)


def _system(device: Known) -> str:
    told = (*(one.platform for one in device.protectors), device.platform)
    return next((system for system in map(platform_of, told) if system), "")


def _is_ours(finding: Open) -> bool:
    return not finding.profile and finding.code in CONCLUDED


def _but_silence(device: Known, policy: PolicyRecord, concluded: Mapping[str, Open]) -> frozenset[str]:
    versions = outdated(device.platform, device.os_version, device.protectors, policy)
    return versions | (concluded.keys() & {DEVICE_SILENT})


def _is_silent(device: Known, policy: PolicyRecord, now: datetime) -> bool:
    if not policy.silent_days or device.last_contact is None:
        return False
    return now - device.last_contact > timedelta(days=policy.silent_days)


def _status(device: Known, policy: PolicyRecord, now: datetime) -> str:
    """Only what is registered can be active or inactive; registering is not ours to judge."""
    if device.status == DeviceStatus.PROVISIONED or not device.protectors:
        return device.status
    return status_of(device.last_contact, policy.inactive_days, now)
