"""Versions of the policy (rung: shell on each database)."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import select

from harmony.db import db
from harmony.models import AuditEntry, Event, Policy, PolicyRecord, RiskOverride, Verb
from harmony.protection import policy, policy_rollout, record
from harmony.protection.expiry import with_grounds
from harmony.protection.policy import Grounds, SavedMeanwhile, in_force, save
from tests.builders import NOON, an_integration
from tests.protect.stored import registered


def test_before_anything_is_saved_the_defaults_are_in_force(context: Flask) -> None:
    assert in_force(db.session()) == (0, PolicyRecord())
    assert not policy_rollout.pending()


def test_a_saved_policy_is_in_force_written_down_and_waits_for_the_rating(context: Flask) -> None:
    registered(an_integration(), 3)
    record = PolicyRecord(risks={"ROOTED": 2}, inactive_days=9, minimum_os={"ios": "17"})
    assert save(record, 0, "kim", NOON, Grounds("A test")) == 1
    grounds = RiskOverride(owner="kim", at=NOON, reason="A test")
    assert in_force(db.session()) == (1, with_grounds(record, PolicyRecord(), grounds))
    row = db.session.scalars(select(Policy)).one()
    assert (row.by, row.at, row.to_rate, row.rated, row.rated_at) == ("kim", NOON, 3, 0, None)
    what = "Version 1: Days until Inactive, Minimum OS version, iOS, Rooted"
    entry = db.session.scalars(select(AuditEntry)).one()
    assert (entry.who, entry.what, entry.detail) == ("kim", "Changed the policy", what)
    event = db.session.scalars(select(Event)).one()
    assert (event.verb, event.detail, event.device_id) == (Verb.POLICY_CHANGED, what, None)
    assert policy_rollout.pending()


def test_of_two_who_looked_at_the_same_version_one_is_told(context: Flask) -> None:
    save(PolicyRecord(inactive_days=9), 0, "kim", NOON)
    with pytest.raises(SavedMeanwhile):
        save(PolicyRecord(inactive_days=10), 0, "lee", NOON)
    assert in_force(db.session())[1].inactive_days == 9


def test_saving_what_is_in_force_makes_no_version(context: Flask) -> None:
    save(PolicyRecord(inactive_days=9), 0, "kim", NOON)
    assert save(PolicyRecord(inactive_days=9, risks={"ROOTED": 3}), 1, "lee", NOON) == 1
    assert len(db.session.scalars(select(Event)).all()) == 1


def test_each_version_is_kept_with_what_it_changed(context: Flask) -> None:
    save(PolicyRecord(inactive_days=9), 0, "kim", NOON)
    save(PolicyRecord(), 1, "lee", NOON)
    said = policy.version_with_changes(2)
    assert said is not None
    assert said[0].by == "lee"
    assert [(one.label, one.before, one.after) for one in said[1]] == [("Days until Inactive", "9", "7")]
    first = policy.version_with_changes(1)
    assert first is not None
    assert [(one.before, one.after) for one in first[1]] == [("7", "9")]
    assert policy.version_with_changes(3) is None


def test_an_event_of_a_policy_that_changed_everything_fits_its_line(context: Flask) -> None:
    from harmony.protection.catalogue import CATALOGUE

    save(
        PolicyRecord(risks={code: (factor.risk + 1) % 4 for code, factor in CATALOGUE.items()}),
        0,
        "kim",
        NOON,
    )
    assert len(db.session.scalars(select(Event)).one().detail) == record.LONGEST_DETAIL
