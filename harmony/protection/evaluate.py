"""PURE: evaluate a device under a policy: its status, what the dashboard concludes of it, all its risks.

Facts hold neither ids nor times, so that devices with the same facts are evaluated once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from harmony.models.policy import PolicyRecord
from harmony.models.states import Action, DeviceStatus
from harmony.protection.catalogue import is_about_app
from harmony.protection.risk import Rating, device_risk, finding_rating, is_older, platform_of

OS_OUTDATED, CLIENT_OUTDATED, DEVICE_SILENT = "OS_OUTDATED", "CLIENT_OUTDATED", "DEVICE_SILENT"
# What is concluded from versions and times; "Blocked app" follows the apps and is concluded with them.
_CONCLUDED = frozenset({OS_OUTDATED, CLIENT_OUTDATED, DEVICE_SILENT})

# A registered Protect app: platform, OS version, client version as it reports them.
Protector = tuple[str, str, str]
# An open finding: profile ("" when concluded), code, subject, risk.
_FindingFacts = tuple[str, str, str, int]

# Versions are the devices' own words, hence the bound.
_is_older = lru_cache(maxsize=4096)(is_older)


class Rules(NamedTuple):
    """The policy, and the app exceptions by platform and identifier, that give findings their risk."""

    policy: PolicyRecord
    exceptions: Mapping[tuple[str, str], Action]

    def risk(self, platform: str, code: str, subject: str) -> int:
        """Return the risk of a finding."""
        return int(self.rating(platform, code, subject).risk)

    def rating(self, platform: str, code: str, subject: str) -> Rating:
        """Rate a finding; an exception counts for all findings about its app."""
        action = None
        if self.exceptions and subject and is_about_app(code):
            action = self.exceptions.get((platform, subject))
        return finding_rating(code, action, self.policy.risks, self.policy.silent_risk)


class ProtectionFacts(NamedTuple):
    """The stored facts of a device that ever registered; `platform` and `os_version` as the UEM lists them.

    `silent`, `inactive`: its last contact is older than the bounds; None when that cannot be judged.
    """

    status: str
    risk: int
    silent: bool | None
    inactive: bool | None
    platform: str
    os_version: str
    protectors: tuple[Protector, ...] = ()
    findings: tuple[_FindingFacts, ...] = ()


class StatusRule(StrEnum):
    """The rule that gives a device its status; the first that applies, in this order."""

    NO_APP = "no_app"
    NOT_JUDGED = "not_judged"
    SILENT = "silent"
    IN_CONTACT = "in_contact"


class Evaluation(NamedTuple):
    """Status and risk of a device under the policy, and the findings to write for them.

    `opened` are codes and their risks; `closed` and `rated` name findings by their place in the facts.
    """

    status: str
    risk: int
    opened: tuple[tuple[str, int], ...] = ()
    closed: tuple[int, ...] = ()
    rated: tuple[tuple[int, int], ...] = ()

    def differs(self, facts: ProtectionFacts) -> bool:
        """Return True if anything has to be written."""
        found = bool(self.opened or self.closed or self.rated)
        return found or (self.status, self.risk) != (facts.status, facts.risk)


def bounds(policy: PolicyRecord, now: datetime) -> tuple[datetime | None, datetime]:
    """Return the times before which a last contact makes a device silent, inactive; None: never silent."""
    silent = now - timedelta(days=policy.silent_days) if policy.silent_days else None
    return silent, now - timedelta(days=policy.inactive_days)


def evaluate(facts: ProtectionFacts, rules: Rules) -> Evaluation:
    """Evaluate a device from what is stored of it."""
    concluded = {finding[1]: place for place, finding in enumerate(facts.findings) if _is_concluded(finding)}
    wanted = _conclusions(facts, rules.policy, was_silent=DEVICE_SILENT in concluded)
    closed = tuple(place for code, place in concluded.items() if code not in wanted)
    system = system_of(facts)
    risks = {
        place: rules.risk(system, code, subject)
        for place, (_profile, code, subject, _risk) in enumerate(facts.findings)
        if place not in closed
    }
    opened = tuple((code, rules.risk(system, code, "")) for code in sorted(wanted - concluded.keys()))
    return Evaluation(
        status=status_under(facts)[0],
        risk=int(device_risk([*risks.values(), *(risk for _code, risk in opened)])),
        opened=opened,
        closed=closed,
        rated=tuple((place, risk) for place, risk in risks.items() if risk != facts.findings[place][3]),
    )


def _conclusions(facts: ProtectionFacts, policy: PolicyRecord, *, was_silent: bool) -> frozenset[str]:
    """Return the codes of what the dashboard concludes; nothing while no Protect app is registered."""
    silent = was_silent if facts.silent is None else facts.silent and bool(facts.protectors)
    versions = frozenset(outdated(facts.platform, facts.os_version, facts.protectors, policy))
    return versions | {DEVICE_SILENT} if silent else versions


def outdated(
    platform: str, os_version: str, protectors: Iterable[Protector], policy: PolicyRecord
) -> dict[str, str]:
    """Return which versions are below the minimum, in words; Protect's OS version counts before the UEM's.

    >>> outdated("Android", "13", [("android", "", "4.2")], PolicyRecord(minimum_os={"android": "14"}))
    {'OS_OUTDATED': '13 is below 14'}
    """
    found: dict[str, str] = {}
    for reported_platform, own_os_version, client_version in protectors:
        system = platform_of(reported_platform) or platform_of(platform)
        for code, version, minimum in (
            (OS_OUTDATED, own_os_version or os_version, policy.minimum_os.get(system, "")),
            (CLIENT_OUTDATED, client_version, policy.minimum_client.get(system, "")),
        ):
            if _is_older(version, minimum):
                found.setdefault(code, f"{version} is below {minimum}")
    return found


def reason(code: str, facts: ProtectionFacts, policy: PolicyRecord) -> str:
    """Say why the dashboard concludes this of the device."""
    if code == DEVICE_SILENT:
        return no_contact(policy.silent_days)
    return outdated(facts.platform, facts.os_version, facts.protectors, policy).get(code, "")


def no_contact(days: int) -> str:
    """Say that a device was not in contact for longer."""
    return f"No contact for more than {days} {'day' if days == 1 else 'days'}."


def _is_concluded(finding: _FindingFacts) -> bool:
    profile, code, _subject, _risk = finding
    return not profile and code in _CONCLUDED


def system_of(facts: ProtectionFacts) -> str:
    """Return ios, android or "": what Protect says of itself counts before the UEM."""
    platforms = (*(platform for platform, _os, _client in facts.protectors), facts.platform)
    return next((system for system in map(platform_of, platforms) if system), "")


def status_under(facts: ProtectionFacts) -> tuple[str, StatusRule]:
    """Return Active or Inactive for what is registered, and why; registering itself is not judged here."""
    if not facts.protectors or facts.status == DeviceStatus.PROVISIONED:
        return facts.status, StatusRule.NO_APP
    if facts.inactive is None:
        return facts.status, StatusRule.NOT_JUDGED
    if facts.inactive:
        return DeviceStatus.INACTIVE.value, StatusRule.SILENT
    return DeviceStatus.ACTIVE.value, StatusRule.IN_CONTACT
