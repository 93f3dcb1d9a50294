"""Stored times are judged from both sides (rung C): one of a clock that was ahead does not count for ever."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from harmony import clock
from harmony.clock import within
from harmony.jobs.quota import DAY, Spent, share
from harmony.models import Verification
from harmony.models.configuration import SERVER
from harmony.tagging.managed_tags import CHECK_EVERY, OurTag
from tests.builders import NOON

SECOND = timedelta(seconds=1)


def is_fresh(at: datetime) -> bool:
    tag = OurTag("risk:High", "CHKP_Risk_High", "7", "570", at, None, "")
    return not tag.is_due(NOON)


def is_under_way(at: datetime) -> bool:
    row = Verification(integration_id=1, subject=SERVER, started_at=at, finished_at=None)
    return row.under_way(NOON)


def is_spent(at: datetime) -> bool:
    return share(None, 20, [Spent(at, 7)], NOON).used == 7


@pytest.mark.parametrize(
    ("counts", "span"),
    [
        (lambda at: within(at, timedelta(hours=1), NOON), timedelta(hours=1)),
        (is_fresh, CHECK_EVERY),
        (is_under_way, timedelta(minutes=2)),
        (is_spent, DAY),
    ],
)
def test_a_time_counts_as_far_ahead_as_it_does_behind(
    counts: Callable[[datetime], bool], span: timedelta
) -> None:
    for side in (1, -1):
        assert counts(NOON + side * (span - SECOND))
        assert not counts(NOON + side * span)
        assert not counts(NOON + side * timedelta(days=400))


def test_the_clock_of_a_database_counts_whatever_this_machine_says(monkeypatch: pytest.MonkeyPatch) -> None:
    clock.follow_machine()  # a test on PostgreSQL in this process may have begun it
    up = timedelta(days=1)
    monkeypatch.setattr(clock, "uptime", lambda: up)
    monkeypatch.setattr(clock._DatabaseClock, "steady_zero", NOON)
    try:
        clock.follow_database(NOON, up - SECOND, up + SECOND)
        assert clock.now() == clock.steady() == NOON
        clock.follow_database(NOON + SECOND / 2, up - SECOND, up + SECOND)
        assert clock.now() == NOON, "a slow answer does not tell so exactly"
        clock.follow_database(NOON + 10 * SECOND, up - SECOND, up)
        assert clock.now() == NOON + 10 * SECOND
        assert clock.steady() == NOON, "no clock that is set moves it"
        up += SECOND
        assert clock.now() == NOON + 11 * SECOND
    finally:
        clock.follow_machine()
