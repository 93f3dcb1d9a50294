"""Exceptions that end: pure (Hypothesis), then on both databases (rung: shell)."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as some
from sqlalchemy import select

from harmony.apps import exceptions as app_exceptions
from harmony.apps.exceptions import Decision, carry_out, decide
from harmony.audit import SCHEDULE
from harmony.clock import now
from harmony.db import db
from harmony.models import Action, App, AppDecision, AppException, PolicyRecord, Risk, RiskOverride
from harmony.protection import expiry, policy, policy_rollout
from harmony.protection.policy import Grounds, in_force, save
from tests.builders import NOON, an_integration
from tests.database import on_both
from tests.protect.stored import found, open_codes, registered
from tests.protect.stored_apps import MAPS, list_apps, risk_of, some_devices

database = on_both
# The worker's own steps ask the clock: a day that is not over while the tests run.
LAST_DAY = expiry.today(now()) + timedelta(days=1)
AFTER = datetime.combine(LAST_DAY + timedelta(days=1), time(), UTC)
DAYS = some.dates(date(2020, 1, 1), date(2040, 1, 1))
TIMES = some.datetimes(timezones=some.just(UTC))
OVERRIDES = some.dictionaries(some.sampled_from(["ROOTED", "PHISHING", "X"]), some.none() | DAYS)


def record_of(ends: dict[str, date | None]) -> PolicyRecord:
    lines = {code: RiskOverride(owner="kim", at=NOON, reason="r", ends_on=day) for code, day in ends.items()}
    return PolicyRecord(risks=dict.fromkeys(ends, 1), overrides=lines)


@given(DAYS, TIMES)
def test_an_exception_counts_up_to_the_last_moment_of_its_last_day(day: date, at: datetime) -> None:
    end = datetime.combine(day + timedelta(days=1), time(), UTC)
    assert expiry.counts(day, at) == (at < end)
    near = at >= end - timedelta(days=expiry.REMINDER_DAYS)
    assert expiry.ends_soon(day, at) == (at < end and near)


@given(OVERRIDES, TIMES)
def test_what_ended_leaves_nothing_and_what_counts_stays_as_it_was(
    ends: dict[str, date | None], at: datetime
) -> None:
    record = record_of(ends)
    left = expiry.without(record, expiry.ended(record, at))
    assert left.risks.keys() == left.overrides.keys() == {c for c, d in ends.items() if expiry.counts(d, at)}
    assert expiry.ended(left, at) == []


@given(OVERRIDES, OVERRIDES)
def test_only_risks_that_are_new_or_changed_get_new_grounds(
    before: dict[str, date | None], after: dict[str, date | None]
) -> None:
    new = RiskOverride(owner="lee", at=NOON, reason="new")
    owners = {
        code: line.owner
        for code, line in expiry.with_grounds(record_of(after), record_of(before), new).overrides.items()
    }
    assert owners == {code: "kim" if code in before else "lee" for code in after}


@pytest.fixture
def device(context: Flask) -> int:
    (device,) = some_devices(an_integration(), 1)
    list_apps(device, MAPS)
    return device


def block(ends_on: date | None) -> None:
    app = db.session.scalars(select(App).where(App.identifier == MAPS.identifier)).first()
    assert app
    decide(app, Decision(Action.BLOCK, "For the fair", "kim", NOON, ends_on))
    carry_out()


def test_an_app_exception_that_ended_is_lifted_and_its_devices_follow(device: int) -> None:
    block(LAST_DAY)
    assert risk_of(device) == Risk.HIGH
    assert app_exceptions.end_expired(AFTER - timedelta(seconds=1)) == 0
    assert app_exceptions.end_expired(AFTER) == 1
    carry_out()
    assert risk_of(device) == Risk.NONE
    assert db.session.scalars(select(AppException)).all() == []
    newest = db.session.scalars(select(AppDecision).order_by(AppDecision.id.desc())).first()
    assert newest is not None
    assert (newest.by, newest.reason) == (SCHEDULE, f"Ended on {LAST_DAY:%d %b %Y}.")


def test_an_exception_without_an_end_stays(device: int) -> None:
    block(None)
    assert app_exceptions.end_expired(AFTER + timedelta(days=9999)) == 0


def test_after_its_end_it_does_not_count_even_before_the_worker_lifts_it(context: Flask) -> None:
    (device,) = registered(an_integration())
    found(device, "HACKING_TOOL", 0, subject=MAPS.identifier)
    with db.session.begin_nested():
        row = AppException(platform="android", identifier=MAPS.identifier, action=Action.NO_RISK, reason="r")
        row.by, row.at, row.ends_on = "kim", NOON, LAST_DAY
        db.session.add(row)
    db.session.commit()
    save(PolicyRecord(inactive_days=90, silent_days=0), 0, "kim", NOON)
    policy_rollout.roll_out(AFTER - timedelta(seconds=1))
    assert open_codes(device) == {"HACKING_TOOL": 0}
    save(PolicyRecord(inactive_days=89, silent_days=0), 1, "kim", NOON)
    policy_rollout.roll_out(AFTER)
    assert open_codes(device) != {"HACKING_TOOL": 0}


def test_a_changed_risk_that_ended_is_the_catalogues_again_in_a_version_of_its_own(context: Flask) -> None:
    (device,) = registered(an_integration())
    found(device, "ROOTED", 3)
    save(PolicyRecord(risks={"ROOTED": 1}, inactive_days=90), 0, "kim", NOON, Grounds("Test", LAST_DAY))
    policy_rollout.roll_out(NOON)
    assert open_codes(device)["ROOTED"] == Risk.LOW
    policy.end_expired(AFTER - timedelta(seconds=1))
    assert in_force(db.session())[0] == 1
    policy.end_expired(AFTER)
    assert in_force(db.session()) == (2, PolicyRecord(inactive_days=90))
    policy_rollout.roll_out(AFTER)
    assert open_codes(device)["ROOTED"] == Risk.HIGH


def test_the_version_that_ends_one_override_keeps_the_grounds_of_the_others(context: Flask) -> None:
    save(PolicyRecord(risks={"ROOTED": 1}), 0, "kim", NOON, Grounds("Test", LAST_DAY))
    save(PolicyRecord(risks={"ROOTED": 1, "PHISHING": 0}), 1, "lee", NOON, Grounds("Training"))
    policy.end_expired(AFTER)
    left = in_force(db.session())[1].overrides
    assert {code: (line.owner, line.reason) for code, line in left.items()} == {
        "PHISHING": ("lee", "Training")
    }
