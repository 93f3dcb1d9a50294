"""Where a device stands (rung: pure)."""

from __future__ import annotations

import doctest
import sys
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest

from harmony.models.policy import PolicyRecord
from harmony.models.states import Action, Risk
from harmony.protection import catalogue, policy_differences, risk
from harmony.protection.evaluate import (
    Evaluation,
    ProtectionFacts,
    Protector,
    Rules,
    StatusRule,
    bounds,
    evaluate,
    status_under,
)
from harmony.protection.policy_differences import normal
from harmony.protection.risk import RatingRule
from tests.builders import NOON

ANDROID = ("android", "15", "4.2")
DEVICE = ProtectionFacts("active", 0, False, False, "Android", "15", (ANDROID,))
POLICY = PolicyRecord(minimum_os={"android": "14", "ios": "17"}, minimum_client={"android": "4.1"})


def after(facts: ProtectionFacts = DEVICE, policy: PolicyRecord = POLICY) -> Evaluation:
    return evaluate(facts, Rules(policy, {}))


def codes(facts: ProtectionFacts, policy: PolicyRecord = POLICY) -> list[str]:
    return [code for code, _risk in after(facts, policy).opened]


@pytest.mark.parametrize(
    "module",
    [policy_differences, catalogue, risk, sys.modules[evaluate.__module__]],
    ids=lambda module: module.__name__,
)
def test_the_examples_in_the_words_hold(module: ModuleType) -> None:
    failed, tried = doctest.testmod(module)
    assert (failed, tried > 0) == (0, True)


def test_the_bounds_of_silence_lie_whole_days_back_and_zero_days_mean_never() -> None:
    assert bounds(PolicyRecord(), NOON) == (NOON - timedelta(days=3), NOON - timedelta(days=7))
    assert bounds(PolicyRecord(silent_days=0), NOON)[0] is None


@pytest.mark.parametrize(
    ("silent", "inactive", "status", "opened"),
    [
        (False, False, "active", []),
        (True, False, "active", ["DEVICE_SILENT"]),
        (True, True, "inactive", ["DEVICE_SILENT"]),
        (False, True, "inactive", []),
        (None, None, "active", []),
    ],
)
def test_silence_is_a_finding_first_and_a_status_later(
    silent: bool | None, inactive: bool | None, status: str, opened: list[str]
) -> None:
    evaluation = after(DEVICE._replace(silent=silent, inactive=inactive))
    assert (evaluation.status, [code for code, _risk in evaluation.opened]) == (status, opened)


def test_a_silent_device_has_the_risk_the_policy_gives_it() -> None:
    evaluation = after(DEVICE._replace(silent=True), PolicyRecord(silent_risk=2))
    assert (evaluation.opened, evaluation.risk) == ((("DEVICE_SILENT", 2),), Risk.MEDIUM)


def test_while_silence_cannot_be_judged_status_and_silence_stay_as_they_are() -> None:
    silent = DEVICE._replace(status="inactive", findings=(("", "DEVICE_SILENT", "", 0),))
    assert after(silent) == Evaluation("active", 0, closed=(0,))
    assert after(silent._replace(silent=None, inactive=None)) == Evaluation("inactive", 0)


@pytest.mark.parametrize(
    ("uem", "protector", "expected"),
    [
        (("Android", "13"), ANDROID, []),
        (("Android", "15"), ("android", "13", "4.2"), ["OS_OUTDATED"]),
        (("Android", "13"), ("android", "", ""), ["OS_OUTDATED"]),
        (("Apple", "16.7"), ("", "", "1"), ["OS_OUTDATED"]),
        (("Android", "15"), ("android", "15", "4.0.9"), ["CLIENT_OUTDATED"]),
        (("Android", "15"), ("android", "beta", "4.1.0.0"), []),
        (("WinRT", "1"), ("", "1", "1"), []),
    ],
)
def test_a_version_below_the_minimum_is_found(
    uem: tuple[str, str], protector: Protector, expected: list[str]
) -> None:
    assert codes(DEVICE._replace(platform=uem[0], os_version=uem[1], protectors=(protector,))) == expected


def test_one_old_app_of_two_profiles_is_enough() -> None:
    assert codes(DEVICE._replace(protectors=(ANDROID, ("android", "15", "3")))) == ["CLIENT_OUTDATED"]


def test_a_device_without_a_registered_app_is_only_freed_of_what_was_concluded() -> None:
    old = ("", "OS_OUTDATED", "", 2)
    gone = DEVICE._replace(os_version="1", silent=True, inactive=True, protectors=(), findings=(old,))
    assert after(gone) == Evaluation("active", 0, closed=(0,))
    assert after(DEVICE._replace(status="provisioned")).status == "provisioned"


def test_what_a_device_reports_under_the_name_of_a_conclusion_is_not_taken_for_one() -> None:
    claimed = DEVICE._replace(findings=(("device", "OS_OUTDATED", "", 0),))
    assert after(claimed).closed == ()


def test_the_device_is_as_risky_as_its_riskiest_finding_under_the_new_policy() -> None:
    findings = (("device", "ROOTED", "", 3), ("device", "BACKUP_TOOL", "app", 1))
    evaluation = after(DEVICE._replace(risk=3, findings=findings), PolicyRecord(risks={"ROOTED": 0}))
    assert evaluation.risk == Risk.LOW
    assert evaluation.rated == ((0, 0),)


def test_an_exception_speaks_for_its_app_on_its_platform_and_for_nothing_else() -> None:
    exceptions = {("android", "com.x"): Action.NO_RISK, ("ios", "com.y"): Action.NO_RISK}
    findings = (
        ("device", "HACKING_TOOL", "com.x", 2),
        ("device", "HACKING_TOOL", "com.y", 2),
        ("device", "PHISHING", "com.x", 3),
        ("device", "MALICIOUS_APP", "com.x", 3),
    )
    evaluation = evaluate(DEVICE._replace(findings=findings), Rules(PolicyRecord(), exceptions))
    assert evaluation.rated == ((0, 0),)


@pytest.mark.parametrize(
    ("code", "subject", "rule", "risk_given"),
    [
        ("MALICIOUS_APP", "com.bad", RatingRule.FIXED, Risk.HIGH),
        ("DEVICE_SILENT", "", RatingRule.SILENT, Risk.LOW),
        ("HACKING_TOOL", "com.tool", RatingRule.EXCEPTION, Risk.LOW),
        ("ROOTED", "", RatingRule.POLICY, Risk.MEDIUM),
        ("PHISHING", "", RatingRule.CATALOGUE, Risk.HIGH),
        ("JUICE_JACKING", "", RatingRule.UNKNOWN, Risk.MEDIUM),
    ],
)
def test_a_rating_names_the_rule_that_gave_it(
    code: str, subject: str, rule: RatingRule, risk_given: Risk
) -> None:
    exceptions = {("android", "com.tool"): Action.LOW, ("android", "com.bad"): Action.NO_RISK}
    rules = Rules(PolicyRecord(risks={"ROOTED": 2}, silent_risk=1), exceptions)
    assert rules.rating("android", code, subject) == (risk_given, rule)


@pytest.mark.parametrize(
    ("changes", "status", "rule"),
    [
        ({}, "active", StatusRule.IN_CONTACT),
        ({"inactive": True}, "inactive", StatusRule.SILENT),
        ({"inactive": None, "status": "inactive"}, "inactive", StatusRule.NOT_JUDGED),
        ({"protectors": (), "inactive": True}, "active", StatusRule.NO_APP),
        ({"status": "provisioned"}, "provisioned", StatusRule.NO_APP),
    ],
)
def test_a_status_names_the_rule_that_gave_it(changes: dict[str, Any], status: str, rule: StatusRule) -> None:
    facts = DEVICE._replace(**changes)
    assert status_under(facts) == (status, rule)
    assert after(facts).status == status


def test_what_stands_right_asks_for_no_write() -> None:
    findings = (("device", "ROOTED", "", 3), ("", "DEVICE_SILENT", "", 0))
    facts = ProtectionFacts("inactive", 3, True, True, "Android", "15", (ANDROID,), findings)
    assert after(facts) == Evaluation("inactive", 3)


def test_a_policy_keeps_only_what_it_says_beyond_the_defaults() -> None:
    said = PolicyRecord(
        risks={"ROOTED": 3, "MALICIOUS_APP": 0, "DEVICE_SILENT": 3, "PHISHING": 1, "NEW": 0},
        minimum_os={"ios": "", "android": "14", "windows": "11"},
    )
    kept = normal(said)
    assert (kept.risks, kept.minimum_os) == ({"NEW": 0, "PHISHING": 1}, {"android": "14"})
