"""Where a device stands (rung: pure)."""

from __future__ import annotations

import doctest
from dataclasses import replace
from datetime import timedelta
from types import ModuleType

import pytest

from harmony.models.policy import PolicyRecord
from harmony.models.states import Action, DeviceStatus, Risk
from harmony.protect import differences, factors, risk
from harmony.protect.differences import normal
from harmony.protect.standing import Known, Open, Protector, standing
from tests.builders import NOON

DAY = timedelta(days=1)
ANDROID = Protector("android", "15", "4.2")
DEVICE = Known(1, 1, DeviceStatus.ACTIVE, 0, NOON, "Android", "15", (ANDROID,))
POLICY = PolicyRecord(minimum_os={"android": "14", "ios": "17"}, minimum_client={"android": "4.1"})


def after(days: float, device: Known = DEVICE, policy: PolicyRecord = POLICY, *, judged: bool = True):  # type: ignore[no-untyped-def]
    return standing(device, policy, {}, NOON + days * DAY, judged=judged)


def codes(device: Known, policy: PolicyRecord = POLICY) -> list[str]:
    return [code for code, _risk in after(0, device, policy).opened]


@pytest.mark.parametrize("module", [differences, factors, risk], ids=lambda module: module.__name__)
def test_the_examples_in_the_words_hold(module: ModuleType) -> None:
    failed, tried = doctest.testmod(module)
    assert (failed, tried > 0) == (0, True)


@pytest.mark.parametrize(
    ("days", "status", "opened"),
    [
        (0, "active", []),
        (3, "active", []),
        (3.01, "active", ["DEVICE_SILENT"]),
        (7, "active", ["DEVICE_SILENT"]),
        (7.01, "inactive", ["DEVICE_SILENT"]),
        (-30, "active", []),
    ],
)
def test_silence_counts_from_the_day_after_the_last_day_it_may_last(
    days: float, status: str, opened: list[str]
) -> None:
    stands = after(days)
    assert (stands.status, [code for code, _risk in stands.opened]) == (status, opened)


def test_a_silent_device_has_the_risk_the_policy_gives_it() -> None:
    stands = after(4, policy=PolicyRecord(silent_risk=2))
    assert (stands.opened, stands.risk) == ((("DEVICE_SILENT", 2),), Risk.MEDIUM)


def test_zero_silent_days_switch_that_factor_off() -> None:
    assert after(5, policy=PolicyRecord(silent_days=0)).opened == ()
    silent = replace(DEVICE, findings=(Open(7, "", "DEVICE_SILENT", "", 0),))
    assert [one.id for one in after(5, silent, PolicyRecord(silent_days=0)).closed] == [7]


def test_while_silence_cannot_be_judged_status_and_silence_stay_as_they_are() -> None:
    silent = replace(DEVICE, status="inactive", findings=(Open(7, "", "DEVICE_SILENT", "", 0),))
    assert (after(30, judged=False).status, after(30, judged=False).opened) == ("active", ())
    assert (after(0, silent, judged=False).status, after(0, silent, judged=False).closed) == ("inactive", ())
    assert (after(0, silent).status, len(after(0, silent).closed)) == ("active", 1)


@pytest.mark.parametrize(
    ("uem", "protector", "expected"),
    [
        (("Android", "13"), ANDROID, []),
        (("Android", "15"), Protector("android", "13", "4.2"), ["OS_OUTDATED"]),
        (("Android", "13"), Protector("android", "", ""), ["OS_OUTDATED"]),
        (("Apple", "16.7"), Protector("", "", "1"), ["OS_OUTDATED"]),
        (("Android", "15"), Protector("android", "15", "4.0.9"), ["CLIENT_OUTDATED"]),
        (("Android", "15"), Protector("android", "beta", "4.1.0.0"), []),
        (("WinRT", "1"), Protector("", "1", "1"), []),
    ],
)
def test_a_version_below_the_minimum_is_found(
    uem: tuple[str, str], protector: Protector, expected: list[str]
) -> None:
    assert codes(replace(DEVICE, platform=uem[0], os_version=uem[1], protectors=(protector,))) == expected


def test_one_old_app_of_two_profiles_is_enough() -> None:
    assert codes(replace(DEVICE, protectors=(ANDROID, Protector("android", "15", "3")))) == [
        "CLIENT_OUTDATED"
    ]


def test_a_device_without_a_registered_app_is_only_freed_of_what_was_concluded() -> None:
    old = Open(7, "", "OS_OUTDATED", "", 2)
    stands = after(30, replace(DEVICE, os_version="1", protectors=(), findings=(old,)))
    assert (stands.status, stands.opened, stands.closed) == ("active", (), (old,))
    provisioned = replace(DEVICE, status="provisioned", last_contact=None)
    assert after(30, provisioned).status == "provisioned"


def test_what_a_device_reports_under_the_name_of_a_conclusion_is_not_taken_for_one() -> None:
    claimed = replace(DEVICE, findings=(Open(7, "device", "OS_OUTDATED", "", 0),))
    assert after(0, claimed).closed == ()


def test_the_device_is_as_risky_as_its_riskiest_finding_under_the_new_policy() -> None:
    findings = (Open(1, "device", "ROOTED", "", 3), Open(2, "device", "BACKUP_TOOL", "app", 1))
    stands = after(0, replace(DEVICE, risk=3, findings=findings), PolicyRecord(risks={"ROOTED": 0}))
    assert stands.risk == Risk.LOW
    assert [(one.id, level) for one, level in stands.rated] == [(1, 0)]


def test_an_exception_speaks_for_its_app_on_its_platform_and_for_nothing_else() -> None:
    exceptions = {("android", "com.x"): Action.NO_RISK, ("ios", "com.y"): Action.NO_RISK}
    findings = (
        Open(1, "device", "HACKING_TOOL", "com.x", 2),
        Open(2, "device", "HACKING_TOOL", "com.y", 2),
        Open(3, "device", "PHISHING", "com.x", 3),
        Open(4, "device", "MALICIOUS_APP", "com.x", 3),
    )
    stands = standing(replace(DEVICE, findings=findings), PolicyRecord(), exceptions, NOON, judged=True)
    assert [(one.id, level) for one, level in stands.rated] == [(1, 0)]


def test_what_stands_right_asks_for_no_write() -> None:
    findings = (Open(1, "device", "ROOTED", "", 3), Open(2, "", "DEVICE_SILENT", "", 0))
    device = replace(DEVICE, status="inactive", risk=3, findings=findings)
    stands = after(9, device)
    assert (stands.opened, stands.closed, stands.rated) == ((), (), ())
    assert (stands.status, stands.risk) == (device.status, device.risk)


def test_a_policy_keeps_only_what_it_says_beyond_the_defaults() -> None:
    said = PolicyRecord(
        risks={"ROOTED": 3, "MALICIOUS_APP": 0, "DEVICE_SILENT": 3, "PHISHING": 1, "NEW": 0},
        minimum_os={"ios": "", "android": "14", "windows": "11"},
    )
    kept = normal(said)
    assert (kept.risks, kept.minimum_os) == ({"NEW": 0, "PHISHING": 1}, {"android": "14"})
