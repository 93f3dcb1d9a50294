"""What a policy would change, device by device and in sum (rung: pure)."""

from __future__ import annotations

import doctest
from typing import Any

import pytest

from harmony.models.configuration import Tagging
from harmony.models.policy import PolicyRecord
from harmony.models.states import DeviceStatus, Risk
from harmony.protection.change import OpenFinding
from harmony.protection.evaluate import ProtectionFacts, Rules, evaluate
from harmony.web.policy import impact
from harmony.web.policy.impact import (
    DEVICES_SHOWN,
    PolicyEffect,
    PolicyImpact,
    RatedDevice,
    TagMove,
    policy_effect,
)

ROOTED = OpenFinding(7, "device", "ROOTED", "", 3)


def anew(
    *findings: OpenFinding, record: PolicyRecord | None = None, is_tagged: bool = True, **facts: Any
) -> PolicyEffect:
    """An active device with these findings, rated under the record."""
    stored = tuple(finding[1:] for finding in findings)
    risk = max((finding.risk for finding in findings), default=0)
    known = ProtectionFacts(
        "active", risk, False, False, "Android", "13", (("android", "13", "4.2"),), stored
    )
    known = known._replace(**facts)
    evaluation = evaluate(known, Rules(record or PolicyRecord(), {}))
    return policy_effect(known, evaluation, Tagging() if is_tagged else None)


def counted(*effects: PolicyEffect) -> PolicyImpact:
    found = PolicyImpact()
    for effect in effects:
        found.add(RatedDevice(5, "Pixel", 1, True), effect)
    return found


def test_the_example_in_the_words_holds() -> None:
    assert doctest.testmod(impact).failed == 0


def test_a_device_that_stays_as_it_is_is_counted_and_not_listed() -> None:
    found = counted(anew(ROOTED))
    assert (found.rated, found.changed, found.first, found.tags) == (1, 0, [], {})


def test_another_risk_moves_its_tag_and_leaves_that_of_the_threat_factor() -> None:
    found = counted(anew(ROOTED, record=PolicyRecord(risks={"ROOTED": 1})))
    assert found.risks == {(Risk.HIGH, Risk.LOW): 1}
    assert found.tags == {TagMove(1, "risk:high", False): 1, TagMove(1, "risk:low", True): 1}
    assert not found.statuses


def test_a_status_that_changes_moves_its_tag_and_a_conclusion_brings_its_own() -> None:
    found = counted(anew(inactive=True, silent=True))
    assert found.statuses == {(DeviceStatus.ACTIVE, DeviceStatus.INACTIVE): 1}
    assert found.tags == {
        TagMove(1, "status:active", False): 1,
        TagMove(1, "status:inactive", True): 1,
        TagMove(1, "factor:DEVICE_SILENT", True): 1,
    }


def test_a_tag_of_a_threat_factor_moves_although_risk_and_status_stay() -> None:
    too_old = OpenFinding(8, "", "OS_OUTDATED", "", 2)
    found = counted(anew(ROOTED, too_old), anew(ROOTED, record=PolicyRecord(minimum_os={"android": "14"})))
    assert found.changed == 0
    assert found.tags == {
        TagMove(1, "factor:OS_OUTDATED", False): 1, TagMove(1, "factor:OS_OUTDATED", True): 1,
    }  # fmt: skip


def test_what_the_uem_has_no_id_for_moves_no_tag() -> None:
    found = counted(anew(ROOTED, record=PolicyRecord(risks={"ROOTED": 1}), is_tagged=False))
    assert (found.changed, found.tags) == (1, {})


def test_only_the_first_devices_are_kept_however_many_change() -> None:
    one = anew(ROOTED, record=PolicyRecord(risks={"ROOTED": 1}))
    found = counted(*[one] * 80)
    assert (found.changed, len(found.first)) == (80, DEVICES_SHOWN)


@pytest.mark.parametrize(
    ("rated", "changed", "percent", "asks"),
    [
        (100, 5, 5, False),
        (100, 6, 5, True),
        (1000, 51, 5, True),
        (10, 0, 0, False),
        (10, 1, 0, True),
        (10, 10, 100, False),
        (0, 0, 5, False),
    ],
)
def test_more_than_the_share_asks_for_a_confirmation(
    rated: int, changed: int, percent: int, asks: bool
) -> None:
    assert PolicyImpact(rated=rated, changed=changed).needs_confirmation(percent) is asks


def test_a_share_of_nearly_all_is_not_rounded_to_all() -> None:
    assert PolicyImpact(rated=10_000, changed=9_999).percent == "99.9"
    assert PolicyImpact(rated=3, changed=3).percent == "100"
    assert PolicyImpact().percent == "0"
