"""Who is inactive, silent or outdated, once each, never flapping (rung: shell on each database)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from harmony.db import db, write
from harmony.models import Device, DeviceStatus, Event, PolicyRecord, Registration, Risk
from harmony.protection import outage_grace, policy
from harmony.protection.sweep import sweep
from tests.builders import NOON, an_integration
from tests.protect.stored import contact, events, nudged, of, open_codes, registered

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def beats(begin: datetime, length: timedelta, every: timedelta = 15 * MINUTE) -> Iterator[datetime]:
    """The worker sweeps from then on, so long."""
    moment = begin
    while moment <= begin + length:
        sweep(moment)
        yield moment
        moment += every


def listening(begin: datetime, length: timedelta) -> datetime:
    """The worker sweeps without a gap; when it did last."""
    return list(beats(begin, length))[-1]


def swept(until: datetime) -> None:
    """As if the worker had swept without a gap until then."""
    with write() as session:
        outage_grace.end(session, until)


def a_policy(**says: object) -> None:
    policy.save(PolicyRecord(**says), policy.in_force(db.session())[0], "kim", NOON)  # type: ignore[arg-type]


def test_a_silent_device_becomes_a_finding_and_then_inactive_with_one_event_each(context: Flask) -> None:
    one = an_integration()
    quiet, talking = registered(one, 2)
    a_policy(silent_risk=2)
    for days in (2.9, 3, 3.01, 3.1, 6.9, 7, 7.01, 7.1, 30):
        swept(NOON + days * DAY - MINUTE)
        contact(talking, NOON + days * DAY)
        sweep(NOON + days * DAY)
        silent, inactive = days > 3, days > 7
        assert (open_codes(quiet), of(quiet).risk) == (({"DEVICE_SILENT": 2}, 2) if silent else ({}, 0))
        assert of(quiet).status == (DeviceStatus.INACTIVE if inactive else DeviceStatus.ACTIVE)
    assert events(quiet) == [("detected", "DEVICE_SILENT"), ("inactive", "")]
    assert (events(talking), open_codes(talking)) == ([], {})
    assert nudged(one) is not None


def test_a_device_that_is_heard_again_is_silent_no_more(context: Flask) -> None:
    (device,) = registered(an_integration())
    sweep(NOON + 8 * DAY)
    assert (of(device).status, open_codes(device)) == (DeviceStatus.INACTIVE, {"DEVICE_SILENT": 0})
    contact(device, NOON + 8 * DAY + MINUTE)
    sweep(NOON + 8 * DAY + 2 * MINUTE)
    assert open_codes(device) == {}
    assert events(device) == [("detected", "DEVICE_SILENT"), ("inactive", ""), ("ended", "DEVICE_SILENT")]


def test_an_outage_is_not_the_silence_of_the_devices(context: Flask) -> None:
    ids = registered(an_integration(), 3)
    sweep(NOON + MINUTE)
    back = NOON + 9 * DAY
    listening(back, outage_grace.LISTENED - 15 * MINUTE)
    assert {of(id_).status for id_ in ids} == {DeviceStatus.ACTIVE}
    for id_ in ids[:2]:
        contact(id_, back + 15 * MINUTE)
    listening(back + outage_grace.LISTENED, 5 * MINUTE)
    assert [of(id_).status for id_ in ids] == ["active", "active", "inactive"]
    assert [len(events(id_)) for id_ in ids] == [0, 0, 2]


@pytest.mark.parametrize("days", [30, -30])
def test_a_jump_of_the_clock_and_back_changes_no_device(context: Flask, days: int) -> None:
    ids = registered(an_integration(), 3)
    moment = listening(NOON, 10 * MINUTE)
    listening(moment + days * DAY, 20 * MINUTE)
    listening(moment + 5 * MINUTE, 60 * MINUTE)
    assert {(of(id_).status, of(id_).risk) for id_ in ids} == {("active", 0)}
    assert db.session.scalar(select(func.count()).select_from(Event)) == 0


def test_a_clock_that_jumps_for_good_flips_no_device_twice(context: Flask) -> None:
    heard, quiet = registered(an_integration(), 2)
    moment = listening(NOON, 10 * MINUTE) + 30 * DAY
    for now in beats(moment, 90 * MINUTE):
        contact(heard, now)
    assert (events(heard), of(heard).status) == ([], "active")
    assert events(quiet) == [("detected", "DEVICE_SILENT"), ("inactive", "")]


def test_a_deleted_device_is_left_as_it_is_and_one_that_never_registered_has_nothing(context: Flask) -> None:
    (device,) = registered(an_integration())
    with write() as session:
        session.execute(update(Device).values(deleted_at=NOON))
    assert sweep(NOON + 30 * DAY) == 0
    assert (of(device).status, events(device)) == ("active", [])


def test_a_new_version_told_by_either_side_is_followed_in_the_next_sweep(context: Flask) -> None:
    (device,) = registered(an_integration(), os_version="15")
    a_policy(minimum_os={"android": "15"})
    sweep(NOON)
    with write() as session:
        session.execute(update(Registration).values(os_version="14", last_contact_at=NOON + MINUTE))
    sweep(NOON + MINUTE)
    assert (open_codes(device), of(device).risk) == ({"OS_OUTDATED": 2}, Risk.MEDIUM)
    with write() as session:
        session.execute(update(Registration).values(os_version=""))
        session.execute(update(Device).values(os_version="15.1", updated_at=NOON + 2 * MINUTE))
    sweep(NOON + 2 * MINUTE)
    assert (open_codes(device), of(device).risk) == ({}, Risk.NONE)
    assert events(device) == [("detected", "OS_OUTDATED"), ("ended", "OS_OUTDATED")]


def test_what_was_concluded_of_an_app_that_unregistered_ends(context: Flask) -> None:
    (device,) = registered(an_integration(), os_version="13")
    a_policy(minimum_os={"android": "15"})
    sweep(NOON)
    with write() as session:
        session.execute(update(Registration).values(ended_at=NOON))
    sweep(NOON + MINUTE)
    assert open_codes(device) == {}


def test_a_sweep_that_was_cut_off_is_caught_up_with(context: Flask) -> None:
    ids = registered(an_integration(), 2, os_version="13")
    sweep(NOON)
    a_policy(minimum_os={"android": "15"})
    contact(ids[0], NOON + MINUTE)
    assert sweep(NOON + MINUTE, lambda: True) == 0
    assert open_codes(ids[0]) == {}
    sweep(NOON + 9 * MINUTE)
    assert open_codes(ids[0]) == {"OS_OUTDATED": 2}


def test_a_sweep_over_what_stands_right_writes_nothing_to_a_device(context: Flask) -> None:
    (device,) = registered(an_integration())
    sweep(NOON + 8 * DAY)
    changed_at = of(device).changed_at
    assert [sweep(NOON + 8 * DAY + n * MINUTE) for n in range(1, 4)] == [0, 0, 0]
    assert of(device).changed_at == changed_at
