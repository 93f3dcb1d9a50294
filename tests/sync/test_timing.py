"""When to sync again (rung: pure): a table of examples, and what holds for every clock."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harmony.jobs import schedule as jobs_schedule
from harmony.jobs.schedule import Times
from tests.builders import NOON

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
LEASE = timedelta(seconds=90)

ids = st.integers(1, 10**6)
intervals = st.integers(1, 144).map(lambda tens: timedelta(minutes=10 * tens))
# Clocks jump by more than a year, both ways.
moments = st.timedeltas(timedelta(days=-400), timedelta(days=400)).map(lambda jump: NOON + jump)


@given(ids, intervals, moments, moments)
def test_the_next_point_is_ahead_and_at_most_one_interval_away_whatever_the_clock_did(
    integration_id: int, every: timedelta, started: datetime, now: datetime
) -> None:
    point = jobs_schedule.next_point(integration_id, every, started, now)
    assert now < point <= now + every


@given(ids, intervals, moments, st.floats(0, 0.999))
def test_a_run_on_the_grid_is_followed_by_one_an_interval_later(
    integration_id: int, every: timedelta, now: datetime, length: float
) -> None:
    on_grid = jobs_schedule.next_point(integration_id, every, now - every, now)
    following = jobs_schedule.next_point(integration_id, every, on_grid, on_grid + every * length)
    assert following - on_grid == every


@given(ids, intervals, moments)
def test_a_start_off_the_grid_is_soon_back_on_it_and_no_two_runs_come_close_together(
    integration_id: int, every: timedelta, first: datetime
) -> None:
    starts = [first]
    for _ in range(3):
        due = jobs_schedule.next_point(integration_id, every, starts[-1], starts[-1] + timedelta(seconds=1))
        starts.append(due)
    gaps = [after - before for before, after in pairwise(starts)]
    assert all(every / 3 <= gap <= every + timedelta(seconds=1) for gap in gaps)
    assert gaps[-1] == every


@given(ids, intervals, moments, st.integers(2, 50))
def test_ticks_that_passed_during_a_long_run_are_skipped(
    integration_id: int, every: timedelta, started: datetime, intervals_long: int
) -> None:
    now = started + every * intervals_long
    assert jobs_schedule.next_point(integration_id, every, started, now) <= now + every


@pytest.mark.parametrize("count", [2, 5, 20, 100])
@pytest.mark.parametrize("every", [10 * MINUTE, HOUR, 24 * HOUR])
def test_integrations_of_one_interval_start_apart(count: int, every: timedelta) -> None:
    offsets = sorted(jobs_schedule.offset(id_, every) for id_ in range(1, count + 1))
    assert all(timedelta(0) <= one < every for one in offsets)
    gaps = [after - before for before, after in pairwise(offsets)]
    # A perfect spread would leave every / count between two of them.
    assert min(gaps) > every / count / 3


def test_the_offset_of_an_integration_never_changes() -> None:
    assert jobs_schedule.offset(7, HOUR) == jobs_schedule.offset(7, HOUR) == timedelta(seconds=1174)


@given(st.integers(0, 1000), intervals)
def test_quarantine_only_ever_waits_longer_up_to_a_day(failures: int, every: timedelta) -> None:
    now, more = jobs_schedule.rest(failures, every), jobs_schedule.rest(failures + 1, every)
    assert now <= more <= timedelta(hours=24)
    assert (now == timedelta(0)) == (failures < 5)


def test_quarantine_doubles_from_the_fifth_failure_on() -> None:
    hours = [jobs_schedule.rest(failures, HOUR) / HOUR for failures in range(3, 11)]
    assert hours == [0, 0, 2, 4, 8, 16, 24, 24]


@pytest.mark.parametrize(
    ("rest", "not_before", "expected"),
    [
        (timedelta(0), None, NOON + HOUR),
        (timedelta(0), NOON + timedelta(minutes=30), NOON + HOUR),
        (timedelta(0), NOON + 5 * HOUR, NOON + 5 * HOUR),
        (timedelta(0), NOON + 400 * 24 * HOUR, NOON + 24 * HOUR),
        (4 * HOUR, None, NOON + 4 * HOUR),
        (4 * HOUR, NOON + 6 * HOUR, NOON + 6 * HOUR),
    ],
)
def test_quota_and_quarantine_put_a_sync_off(
    rest: timedelta, not_before: datetime | None, expected: datetime
) -> None:
    assert jobs_schedule.next_sync(NOON + HOUR, rest, not_before, NOON) == expected


SOON = NOON + jobs_schedule.DELTA_EVERY


@pytest.mark.parametrize(
    ("wanted", "next_sync_at", "quota", "not_before", "expected"),
    [
        (True, NOON + HOUR, None, None, SOON),
        (True, NOON + HOUR, (200, 1000), None, SOON),
        (True, NOON + HOUR, (199, 1000), None, None),
        (True, NOON + HOUR, (0, 0), None, SOON),
        (False, NOON + HOUR, None, None, None),
        (True, SOON, None, None, None),
        (True, SOON + timedelta(seconds=1), None, None, SOON),
        (True, None, None, None, None),
        (True, NOON + HOUR, None, NOON + 5 * MINUTE, SOON),
        (True, NOON + HOUR, None, NOON + 11 * MINUTE, None),
    ],
)
def test_a_delta_comes_in_ten_minutes_unless_something_speaks_against_it(
    wanted: bool,
    next_sync_at: datetime | None,
    quota: tuple[int, int] | None,
    not_before: datetime | None,
    expected: datetime | None,
) -> None:
    assert jobs_schedule.next_delta(wanted, next_sync_at, quota, not_before, NOON) == expected


@given(moments, moments, moments, st.sampled_from([HOUR, 24 * HOUR]))
def test_after_a_clock_jump_nothing_waits_longer_than_it_may(
    sync: datetime, delta: datetime, lease: datetime, longest: timedelta
) -> None:
    planned = NOON + 10 * MINUTE
    times = Times(sync, delta, lease)
    mended = jobs_schedule.mended(times, planned, longest, LEASE, NOON)
    assert mended.next_sync_at is not None
    assert mended.next_delta_at is not None
    assert mended.lease_until is not None
    assert mended.next_sync_at <= NOON + longest
    assert mended.next_delta_at <= SOON
    assert mended.lease_until <= NOON + LEASE
    # What is plausible stays, and mending twice is mending once.
    assert mended.next_sync_at in {sync, planned}
    assert (sync > NOON + longest) == (mended.next_sync_at != sync)
    assert jobs_schedule.mended(mended, planned, longest, LEASE, NOON) == mended


def test_what_is_not_planned_stays_unplanned() -> None:
    nothing = Times(None, None, None)
    assert jobs_schedule.mended(nothing, NOON, HOUR, LEASE, NOON) == nothing
