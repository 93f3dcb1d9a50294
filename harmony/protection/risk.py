"""PURE: what findings mean: the risk of each under the policy; that of the device is the highest of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from harmony.models.states import Action, DeviceStatus, Risk, Severity
from harmony.protection.catalogue import ANDROID, IOS, factor_of

# What an exception makes of the findings of an app; a block is a finding of its own ("Blocked app").
_EXCEPTED = {Action.LOW: Risk.LOW, Action.MEDIUM: Risk.MEDIUM, Action.NO_RISK: Risk.NONE}
# What the UEM and devices call it, folded.
APPLE = ("apple", "ios", "ipados")
_NUMBERS = re.compile(r"\s*([0-9]{1,9}(?:\.[0-9]{1,9})*)(?![0-9])")
_SEVERITIES = {Risk.HIGH: Severity.CRITICAL, Risk.NONE: Severity.INFORMATION}


class RatingRule(StrEnum):
    """The rule that gives a finding its risk; the first that applies, in this order."""

    FIXED = "fixed"
    SILENT = "silent"
    EXCEPTION = "exception"
    POLICY = "policy"
    CATALOGUE = "catalogue"
    UNKNOWN = "unknown"


class Rating(NamedTuple):
    """The risk of a finding, and the rule that gives it."""

    risk: Risk
    rule: RatingRule


def finding_rating(
    code: str, action: Action | None, risks: Mapping[str, int], silent_risk: int = 0
) -> Rating:
    """Rate a finding; `risks` are those the policy changes, `action` is that of its app.

    >>> finding_rating("BACKUP_TOOL", None, {})
    Rating(risk=<Risk.LOW: 1>, rule=<RatingRule.CATALOGUE: 'catalogue'>)
    >>> finding_rating("BACKUP_TOOL", None, {"BACKUP_TOOL": 3})
    Rating(risk=<Risk.HIGH: 3>, rule=<RatingRule.POLICY: 'policy'>)
    """
    factor = factor_of(code)
    if factor.fixed:
        return Rating(factor.risk, RatingRule.FIXED)
    if code == "DEVICE_SILENT":
        return Rating(Risk(silent_risk), RatingRule.SILENT)
    if action is not None and action in _EXCEPTED:
        return Rating(_EXCEPTED[action], RatingRule.EXCEPTION)
    if code in risks:
        return Rating(Risk(risks[code]), RatingRule.POLICY)
    return Rating(factor.risk, RatingRule.CATALOGUE if factor.known else RatingRule.UNKNOWN)


def device_risk(findings: Iterable[int]) -> Risk:
    """Return the risk of a device: the highest of its open findings.

    >>> device_risk([1, 3, 0]), device_risk([])
    (<Risk.HIGH: 3>, <Risk.NONE: 0>)
    """
    return Risk(max(findings, default=Risk.NONE))


def severity(risk: Risk) -> Severity:
    """Return the severity of the event of a finding."""
    return _SEVERITIES.get(risk, Severity.WARNING)


def status(last_contact: datetime | None, inactive_days: int, now: datetime) -> DeviceStatus:
    """Return the status of a device; `last_contact` is None while no Protect app on it is registered."""
    if last_contact is None:
        return DeviceStatus.PROVISIONED
    silent = now - last_contact > timedelta(days=inactive_days)
    return DeviceStatus.INACTIVE if silent else DeviceStatus.ACTIVE


def is_older(version: str, minimum: str) -> bool:
    """Return True if a dotted version is below the minimum; not if either is missing or cannot be read.

    What follows the numbers, as in 16.5.1 (c) or 4.2.0-beta, is not compared.

    >>> is_older("9.3.5", "10"), is_older("10.0", "10"), is_older("15", ""), is_older("beta", "10")
    (True, False, False, False)
    >>> is_older("16.5.1 (c)", "17"), is_older("16.5.1 (c)", "16.5.1")
    (True, False)
    """
    have, need = _numbers(version), _numbers(minimum)
    if not have or not need:
        return False
    length = max(len(have), len(need))
    return have + [0] * (length - len(have)) < need + [0] * (length - len(need))


def platform_of(text: str) -> str:
    """Return ios, android or "", whatever the UEM or the device calls it.

    >>> platform_of("Apple"), platform_of("Android Enterprise"), platform_of("WinRT")
    ('ios', 'android', '')
    """
    folded = text.casefold()
    if folded in APPLE:
        return IOS
    return ANDROID if folded.startswith("android") else ""


def _numbers(version: str) -> list[int]:
    found = _NUMBERS.match(version)
    return [int(part) for part in found[1].split(".")] if found else []
