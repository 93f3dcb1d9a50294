"""What the explanation of a device says of each link of the chain (rung: pure)."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest

from harmony.models.configuration import Synchronization, Tagging
from harmony.models.policy import PolicyRecord, RiskOverride
from harmony.models.states import Absence, Action, HoldState, LinkState, Risk
from harmony.protection.change import OpenFinding
from harmony.protection.evaluate import ProtectionFacts, Rules
from harmony.web.why.absence import absence_link
from harmony.web.why.finding_chain import finding_link
from harmony.web.why.given import (
    AbsenceGiven,
    AppRuling,
    EndedSync,
    HeldBack,
    ProtectionGiven,
    SavedVersion,
    StoredTag,
    TagsGiven,
)
from harmony.web.why.protection_chain import check_in_link, policy_link, risk_link, status_link
from harmony.web.why.records import ExplainedApp
from harmony.web.why.tag_chain import tag_link
from tests.builders import NOON

DAY = timedelta(days=1)
ROOTED = OpenFinding(7, "device", "ROOTED", "", 3)
TOOL = OpenFinding(8, "device", "HACKING_TOOL", "com.tool", 2)
APP = ExplainedApp(
    profile="device", registered_at=NOON - DAY, last_check_in_at=NOON, client_version="4.2", os_version="15"
)
VERSIONS = (SavedVersion(2, NOON, "lee"), SavedVersion(1, NOON - 2 * DAY, "kim"))


def protection(
    *findings: OpenFinding,
    record: PolicyRecord | None = None,
    exceptions: dict[tuple[str, str], Action] | None = None,
    facts: dict[str, Any] | None = None,
    **changes: Any,
) -> ProtectionGiven:
    """A registered Android device in contact, with these findings, rated by version 2."""
    risk = max((finding.risk for finding in findings), default=0)
    stored = tuple(finding[1:] for finding in findings)
    known = ProtectionFacts(
        "active", risk, False, False, "Android", "15", (("android", "15", "4.2"),), stored
    )._replace(**facts or {})
    values: dict[str, Any] = {
        "apps": (APP,), "facts": known, "findings": findings,
        "opened_at": {finding.id: NOON - DAY for finding in findings},
        "rules": Rules(record or PolicyRecord(), exceptions or {}), "rulings": {}, "versions": VERSIONS,
        "reached": True, "risk": Risk(risk), "since": NOON, "last_contact_at": NOON, "events_kept_days": 365,
    }  # fmt: skip
    return ProtectionGiven(**values | changes)


NEVER: dict[str, Any] = {"apps": (), "facts": None, "risk": None, "last_contact_at": None}


def test_a_device_that_never_registered_is_explained_without_a_chain() -> None:
    given = protection()._replace(**NEVER)
    assert "nothing checks in" in check_in_link(given).conclusion
    assert "no Protect app looks at the device" in finding_link(given).conclusion
    assert policy_link(given).conclusion.endswith("as soon as Protect registers.")
    assert risk_link(given).conclusion.startswith("Not assessed")
    assert status_link(given).conclusion.startswith("Provisioned: no Protect app has ever")


@pytest.mark.parametrize(
    ("finding", "policy_says", "exceptions", "reason"),
    [
        (ROOTED, {}, {}, "Version 2 of the policy leaves Rooted at its default, High."),
        (ROOTED, {"ROOTED": 1}, {}, "Version 2 of the policy sets Rooted to Low; the default is High."),
        (OpenFinding(7, "", "DEVICE_SILENT", "", 0), {}, {}, "sets the risk of a silent device to Medium."),
        (OpenFinding(7, "device", "MALICIOUS_APP", "com.bad", 3), {}, {}, "Always High: no policy"),
        (OpenFinding(7, "device", "X1", "", 2), {}, {}, "it is not in the catalogue: Medium."),
        (TOOL, {}, {("android", "com.tool"): Action.LOW}, "An app exception makes it Low."),
    ],
)
def test_each_finding_names_the_rule_that_rates_it(
    finding: OpenFinding, policy_says: dict[str, int], exceptions: Any, reason: str
) -> None:
    record = PolicyRecord(risks=policy_says, silent_risk=2)
    (one,) = finding_link(protection(finding, record=record, exceptions=exceptions)).findings
    assert reason in one.reason
    assert one.opened_under == 1, "the version in force when it was opened"


def test_an_app_exception_names_who_decided_when_and_why() -> None:
    ruling = AppRuling(Action.LOW, "lee", NOON, "Used in the lab", date(2026, 12, 1), applied=False)
    given = protection(TOOL, exceptions={("android", "com.tool"): Action.LOW}, rulings={"com.tool": ruling})
    (one,) = finding_link(given).findings
    assert (
        "lee made an app exception on 2026-01-15 12:00 UTC, “Used in the lab”, until 2026-12-01."
        in one.reason
    )
    assert "has not reached every device yet" in one.reason
    assert one.pending == "Becomes Low: the worker has not rated it anew yet."
    blocked = OpenFinding(7, "", "BLOCKED_APP", "com.tool", 3)
    given = protection(blocked, rulings={"com.tool": ruling._replace(action=Action.BLOCK, applied=True)})
    assert "lee blocked the app" in finding_link(given).findings[0].reason


def test_a_changed_risk_names_who_changed_it_and_why() -> None:
    override = RiskOverride(owner="kim", at=NOON, reason="A lab")
    record = PolicyRecord(risks={"ROOTED": 1}, overrides={"ROOTED": override})
    (one,) = finding_link(protection(ROOTED, record=record)).findings
    assert one.reason.endswith("kim changed it on 2026-01-15 12:00 UTC, “A lab”.")


def test_the_riskiest_findings_come_first_and_give_the_risk() -> None:
    low = OpenFinding(9, "device", "USB_DEBUGGING", "", 1)
    given = protection(low, ROOTED)
    assert [one.code for one in finding_link(given).findings] == ["ROOTED", "USB_DEBUGGING"]
    assert risk_link(given).conclusion == "High: the highest risk of its open findings is that of Rooted."


def test_a_rating_that_is_under_way_is_said() -> None:
    given = protection(ROOTED, record=PolicyRecord(risks={"ROOTED": 1}), reached=False)
    assert "has not rated this device yet" in policy_link(given).conclusion
    assert risk_link(given).conclusion.endswith("It becomes Low once the worker has rated the device anew.")


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({}, "Active: in contact within 7 days, as version 2 of the policy asks."),
        ({"status": "inactive", "inactive": True}, "Inactive: no contact for more than 7 days."),
        ({"inactive": None}, "Active: it stays so for half an hour after an outage"),
        ({"status": "provisioned", "protectors": ()}, "Provisioned: no Protect app is registered."),
        ({"inactive": True}, "Active: the sweep has not seen it yet; it becomes Inactive"),
    ],
)
def test_the_status_names_its_rule(facts: dict[str, Any], said: str) -> None:
    assert status_link(protection(facts=facts)).conclusion.startswith(said)


def test_a_time_that_is_not_kept_any_more_is_said_in_words() -> None:
    link = status_link(protection(since=None))
    assert link.unknown == ("When it became Active is not known any more: events are kept for 365 days.",)


def a_tag(**changes: Any) -> StoredTag:
    tag = StoredTag(
        "risk:high", "CHKP_Risk_High", True, True, LinkState.DONE, 0, NOON, "", None, NOON + DAY, ""
    )
    return tag._replace(**changes)


def tags(*stored: StoredTag, keys: frozenset[str] = frozenset({"risk:high"}), **changes: Any) -> TagsGiven:
    return TagsGiven(Tagging(), keys, stored, "", NOON, NOON + DAY)._replace(**changes)


def test_a_tag_says_why_it_is_wanted_what_the_call_came_to_and_when_it_was_read() -> None:
    link = tag_link(tags(a_tag()))
    (one,) = link.tags
    assert (one.because, one.call, one.read_back_at) == ("The risk is High.", "Put on.", NOON + DAY)
    assert "show it on the device" in one.read_back
    assert link.conclusion == "1 tag is wanted. All of them are on the device."


@pytest.mark.parametrize(
    ("changes", "call"),
    [
        ({"state": "pending", "present": False}, "Waits to be put on."),
        ({"state": "pending", "present": False, "attempts": 1}, "A call was sent whose answer is not known"),
        ({"state": "failed", "present": False, "reason": "No such tag."}, "declined to put it on. No such"),
        ({"state": "failed", "wanted": False, "attempts": 1}, "declined to take it off. Tried once."),
        ({"state": "failed", "present": False, "attempts": 3}, "declined to put it on. Tried 3 times."),
        ({"state": "dropped", "present": False}, "does not know the device"),
        ({"state": "pending", "present": False, "problem": "Somebody else's."}, "Somebody else's."),
    ],
)
def test_a_call_that_waits_or_failed_says_so(changes: dict[str, Any], call: str) -> None:
    link = tag_link(tags(a_tag(**changes)))
    assert call in link.tags[0].call
    assert "All of them" not in link.conclusion


def test_a_tag_that_is_not_planned_or_not_wanted_any_more_is_listed_too() -> None:
    one, other = tag_link(tags(a_tag(wanted=False), keys=frozenset({"factor:ROOTED"}))).tags
    assert (one.name, one.call) == ("CHKP_TF_ROOTED", "The next push plans it.")
    assert (other.wanted, other.because) == (False, "The risk is not High, or it is not tagged.")


def test_what_is_in_the_way_of_a_push_is_said_and_none_is_foretold() -> None:
    link = tag_link(tags(a_tag(), obstacle="The integration is paused."))
    assert link.conclusion.endswith("The integration is paused.")
    assert link.next_push_at is None
    assert tag_link(tags(a_tag(), last_push_at=None)).unknown
    assert tag_link(tags(keys=frozenset())).conclusion == "No tag is wanted."


def syncs(*states: str) -> tuple[EndedSync, ...]:
    """Complete syncs, the newest first."""
    return tuple(
        EndedSync(len(states) - place, NOON - place * DAY, state, f"It was {state}.")
        for place, state in enumerate(states)
    )


def absence(**changes: Any) -> AbsenceGiven:
    """A device that two of the three syncs needed have not listed."""
    values: dict[str, Any] = {
        "missing_since": NOON - DAY, "absent_from": 9, "absent_why": Absence.PLAIN, "deleted_at": None,
        "deleted_by": "", "created_at": NOON - 9 * DAY, "is_unlisted": False, "snapshots": 10,
        "fresh_as_of": NOON, "settings": Synchronization(), "unlisted_days": 14, "syncs": syncs("ok", "ok"),
        "more": 0, "hold": None, "standstill": "", "next_sync_at": NOON + DAY, "runs_kept_days": 90,
        "deleted_kept_days": 30,
    }  # fmt: skip
    return AbsenceGiven(**values | changes)


def test_a_device_that_is_listed_has_no_absence() -> None:
    assert absence_link(absence(missing_since=None, absent_from=None)) is None


def test_a_missing_device_names_the_syncs_what_is_left_and_the_settings() -> None:
    link = absence_link(absence())
    assert link
    assert link.conclusion.startswith("2 complete syncs in a row did not list it. After 1 more complete sync")
    assert [(sync.run_id, sync.guard[:22]) for sync in link.missed_by] == [
        (2, "Sync 2 without it; due"), (1, "Sync 1 without it; due"),
    ]  # fmt: skip
    assert "The guard was not asked" in link.missed_by[0].guard
    assert link.expected_at == NOON + DAY
    assert "“Device deletion after” on the Synchronization page: 3 complete syncs." in link.setting
    assert "20 % at once" in link.setting


def test_the_expected_time_counts_the_syncs_that_are_still_needed() -> None:
    link = absence_link(absence(absent_from=10, syncs=syncs("ok")))
    assert link
    assert link.expected_at == NOON + DAY + timedelta(minutes=60)


def test_a_hold_keeps_the_device_and_its_run_says_what_the_guard_said() -> None:
    hold = HeldBack(5, HoldState.OPEN, ("30 of 100 devices would go.",), None)
    given = absence(absent_from=8, syncs=syncs("held", "ok", "ok"), hold=hold)
    link = absence_link(given)
    assert link
    assert "held until a person decides" in link.conclusion
    assert (link.hold_id, link.expected_at) == (5, None)
    assert "The guard held deletions. It was held." in link.missed_by[0].guard
    approved = absence_link(given._replace(hold=hold._replace(state=HoldState.APPROVED)))
    assert approved
    assert "was approved" in approved.conclusion
    assert approved.expected_at == NOON + DAY


def test_a_due_device_goes_with_the_next_sync_unless_no_sync_runs() -> None:
    due = absence(absent_from=8, syncs=syncs("ok", "ok", "ok"))
    link = absence_link(due)
    assert link
    assert "The next complete sync that does not list it deletes it" in link.conclusion
    still = absence_link(due._replace(standstill="The integration is paused."))
    assert still
    assert still.expected_at is None
    assert "The integration is paused." in still.conclusion


def test_syncs_that_are_not_kept_any_more_are_counted_in_words() -> None:
    link = absence_link(absence(absent_from=1, syncs=syncs("ok", "ok"), more=3))
    assert link
    assert (link.misses, len(link.missed_by), link.more) == (10, 2, 3)
    assert link.unknown == ("5 complete syncs of these are not kept any more: runs are kept for 90 days.",)


def test_a_doubt_about_the_first_miss_is_said() -> None:
    link = absence_link(absence(absent_why=Absence.EDITED))
    assert link
    assert "the sync after an edit" in link.doubt


@pytest.mark.parametrize(
    ("changes", "said", "expected"),
    [
        ({}, "It expires unless a sync lists it.", NOON + 5 * DAY),
        ({"unlisted_days": 0}, "Nothing deletes it by itself.", None),
        ({"fresh_as_of": None}, "It does not expire while no sync runs.", None),
        ({"standstill": "The integration is paused."}, "The integration is paused.", None),
    ],
)
def test_a_device_that_no_sync_listed_says_when_it_expires(
    changes: dict[str, Any], said: str, expected: datetime | None
) -> None:
    link = absence_link(absence(is_unlisted=True, missing_since=None, **changes))
    assert link
    assert (link.conclusion.endswith(said), link.expected_at) == (True, expected)


def test_a_deleted_device_says_by_whom_and_until_when_it_can_be_restored() -> None:
    link = absence_link(absence(deleted_at=NOON, deleted_by="sync"))
    assert link
    assert (link.state, link.expected_at) == ("deleted", NOON + 30 * DAY)
    assert link.conclusion.startswith("Deleted by sync.")
