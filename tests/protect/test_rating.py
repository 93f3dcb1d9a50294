"""Rating everything anew: right, restartable, superseded (rung: shell on each database)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from harmony.db import db, write
from harmony.models import Action, AppException, DeviceStatus, Policy, PolicyRecord, Risk
from harmony.protection import policy, policy_rollout, record
from harmony.protection.record import TAG_WITHIN
from tests.builders import NOON, an_integration
from tests.protect.stored import (
    contact,
    enrolled,
    events,
    found,
    nudged,
    of,
    open_codes,
    protector,
    registered,
)

LATER = NOON + timedelta(minutes=5)


class Killed(BaseException):
    """What a kill looks like from inside."""


def a_policy(**says: object) -> None:
    version, _record = policy.in_force(db.session())
    policy.save(PolicyRecord(**says), version, "kim", NOON)  # type: ignore[arg-type]


def row() -> Policy:
    db.session.rollback()
    return db.session.scalars(select(Policy).order_by(Policy.version.desc()).limit(1)).one()


def test_every_device_gets_the_risk_of_the_new_policy(context: Flask) -> None:
    one = an_integration()
    rooted, calm = registered(one, 2)
    found(rooted, "ROOTED", 3)
    a_policy(risks={"ROOTED": 1})
    assert policy_rollout.roll_out(LATER) == 2
    assert (open_codes(rooted), of(rooted).risk) == ({"ROOTED": 1}, Risk.LOW)
    assert LATER <= of(rooted).changed_at < LATER + timedelta(minutes=1)
    assert (of(calm).risk, of(calm).changed_at) == (Risk.NONE, NOON)
    assert (row().rated, row().rated_at is not None) == (2, True)
    due = nudged(one)
    assert due is not None
    assert due - of(rooted).changed_at == TAG_WITHIN
    assert not policy_rollout.pending()


def test_an_integration_without_a_change_is_not_tagged_again(context: Flask) -> None:
    one, other = an_integration(), an_integration(name="Other")
    (changed,), _same = registered(one), registered(other)
    found(changed, "ROOTED", 3)
    a_policy(risks={"ROOTED": 1})
    policy_rollout.roll_out(LATER)
    assert (nudged(one) is not None, nudged(other)) == (True, None)


def test_outdated_systems_and_clients_are_found_and_cleared_with_the_minimum(context: Flask) -> None:
    (device,) = registered(an_integration(), os_version="13", client_version="3.9")
    a_policy(minimum_os={"android": "14"}, minimum_client={"android": "4"}, risks={"CLIENT_OUTDATED": 1})
    policy_rollout.roll_out(LATER)
    assert (open_codes(device), of(device).risk) == ({"OS_OUTDATED": 2, "CLIENT_OUTDATED": 1}, Risk.MEDIUM)
    a_policy(minimum_client={"android": "4"}, risks={"CLIENT_OUTDATED": 1})
    policy_rollout.roll_out(LATER)
    assert (open_codes(device), of(device).risk) == ({"CLIENT_OUTDATED": 1}, Risk.LOW)
    a_policy()
    policy_rollout.roll_out(LATER)
    assert (open_codes(device), of(device).risk) == ({}, Risk.NONE)
    assert events(device) == [
        ("detected", "CLIENT_OUTDATED"),
        ("detected", "OS_OUTDATED"),
        ("ended", "OS_OUTDATED"),
        ("ended", "CLIENT_OUTDATED"),
    ]


def test_the_word_of_the_uem_counts_where_protect_says_nothing(context: Flask) -> None:
    (device,) = registered(an_integration(), device={"platform": "Apple", "os_version": "16.7"}, platform="")
    a_policy(minimum_os={"ios": "17", "android": "99"})
    policy_rollout.roll_out(LATER)
    assert open_codes(device) == {"OS_OUTDATED": 2}


def test_a_device_that_never_registered_is_left_alone(context: Flask) -> None:
    one = an_integration()
    (device,) = enrolled(one, os_version="1")
    a_policy(minimum_os={"android": "14"})
    assert policy_rollout.roll_out(LATER) == 0
    assert (open_codes(device), nudged(one), policy_rollout.pending()) == ({}, None, False)


def test_exceptions_of_apps_are_part_of_it(context: Flask) -> None:
    (device,) = registered(an_integration())
    found(device, "HACKING_TOOL", 2, subject="com.x")
    with write() as session:
        session.add(
            AppException(
                platform="android", identifier="com.x", action=Action.NO_RISK, reason="", by="kim", at=NOON
            )
        )
    a_policy(risks={"HACKING_TOOL": 3})
    policy_rollout.roll_out(LATER)
    assert open_codes(device) == {"HACKING_TOOL": 0}


def test_fewer_days_make_devices_inactive_and_more_days_active_again(context: Flask) -> None:
    (device,) = registered(an_integration(), contact=LATER - timedelta(days=5))
    a_policy(inactive_days=4, silent_days=0)
    policy_rollout.roll_out(LATER)
    assert of(device).status == DeviceStatus.INACTIVE
    a_policy(inactive_days=6, silent_days=0)
    policy_rollout.roll_out(LATER)
    assert of(device).status == DeviceStatus.ACTIVE
    assert events(device) == [("inactive", ""), ("active", "")]


@pytest.mark.parametrize("statement", ["UPSERT_PROTECTION", "INSERT_FINDING", "UPDATE_FINDING_RISK"])
def test_a_kill_in_the_middle_loses_nothing_and_repeats_nothing(
    context: Flask, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    one = an_integration()
    ids = registered(one, 7, os_version="13")
    for id_ in ids:
        found(id_, "ROOTED", 3)
    a_policy(minimum_os={"android": "14"}, risks={"ROOTED": 1})
    monkeypatch.setattr(policy_rollout, "BATCH", 3)
    whole, calls = record.bulk.execute_many, []

    def dying(session, sql, rows):  # type: ignore[no-untyped-def]
        whole(session, sql, rows)
        calls.append(sql)
        if calls.count(getattr(record, statement)) == 2:
            raise Killed

    monkeypatch.setattr(record.bulk, "execute_many", dying)
    with pytest.raises(Killed):
        policy_rollout.roll_out(LATER)
    assert (row().rated, row().rated_up_to, policy_rollout.pending()) == (3, ids[2], True)
    assert [of(id_).risk for id_ in ids] == [2] * 3 + [0] * 4
    monkeypatch.setattr(record.bulk, "execute_many", whole)
    assert policy_rollout.roll_out(LATER) == 4
    assert (row().rated, row().to_rate, policy_rollout.pending()) == (7, 7, False)
    assert all(open_codes(id_) == {"ROOTED": 1, "OS_OUTDATED": 2} for id_ in ids)
    assert events() == [("policy_changed", "")] + [("detected", "OS_OUTDATED")] * 7


def test_a_newer_policy_takes_over_from_the_beginning(context: Flask) -> None:
    ids = registered(an_integration(), 4)
    for id_ in ids:
        found(id_, "ROOTED", 3)
    a_policy(risks={"ROOTED": 1})
    assert policy_rollout.roll_out_range(LATER, 3) == 3
    a_policy(risks={"ROOTED": 2})
    assert policy_rollout.roll_out(LATER) == 4
    assert [of(id_).risk for id_ in ids] == [2] * 4
    first, second = db.session.scalars(select(Policy).order_by(Policy.version)).all()
    assert (first.rated, first.rated_at, second.rated, second.rated_at is not None) == (3, None, 4, True)


def test_a_stop_is_heard_between_two_ranges(context: Flask) -> None:
    registered(an_integration(), 4)
    a_policy(inactive_days=9)
    assert policy_rollout.roll_out(LATER, lambda: True) == 0
    assert policy_rollout.pending()


def test_rating_again_writes_nothing(context: Flask) -> None:
    (device,) = registered(an_integration())
    found(device, "ROOTED", 3)
    a_policy(inactive_days=9)
    policy_rollout.roll_out(LATER)
    changed_at = of(device).changed_at
    with write() as session:
        row = session.scalars(select(Policy)).one()
        row.rated_at, row.rated_up_to = None, 0
    assert policy_rollout.roll_out(LATER + timedelta(days=1)) == 1
    assert of(device).changed_at == changed_at


def test_what_checks_in_during_the_rating_keeps_its_contact(context: Flask) -> None:
    (device,) = registered(an_integration())
    a_policy(inactive_days=9)
    contact(device, LATER)
    protector(device, profile="work")
    policy_rollout.roll_out(LATER)
    assert of(device).last_contact_at == LATER
