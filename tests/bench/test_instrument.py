"""The bench's own arithmetic and its stopwatch on the write lock (rungs: pure, file SQLite)."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import text

from harmony.clock import monotonic
from harmony.db import db, write
from tests.bench.commits import Commits
from tests.bench.results import Result, percentile, table
from tests.bench.yardstick import COLUMNS, upsert_statement

HELD_SECONDS = 0.05


def hold() -> None:
    """Keep the lock for a while."""
    until = monotonic() + HELD_SECONDS
    while monotonic() < until:
        pass


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        ([5.0], 99, 5.0),
        ([3.0, 1.0, 2.0], 50, 2.0),
        (list(range(1, 101)), 99, 99),
        (list(range(1, 31)), 99, 30),
        (list(range(1, 201)), 99, 198),
    ],
)
def test_a_percentile_is_a_value_that_was_measured(
    values: list[float], percent: float, expected: float
) -> None:
    assert percentile(values, percent) == expected


def test_a_bound_turned_around_is_missed_from_below() -> None:
    kept = Result("peers.x", 10.0, 10.0, at_least=True)
    missed = Result("peers.y", 9.99, 10.0, at_least=True)
    assert (kept.ok, missed.ok) == (True, False)
    assert "1 of 2 missed: peers.y" in table([kept, missed])


def test_a_commit_counts_from_the_lock_to_its_end(context: Flask) -> None:
    commits = Commits(db.engine)
    with write() as session:
        session.execute(text("UPDATE job SET fence = fence"))
        hold()
    with write():
        pass
    assert commits.told()["commits"] == 2
    assert commits.told()["longest_commit_ms"] >= HELD_SECONDS * 1000


def test_reading_and_rolling_back_are_no_commits(context: Flask) -> None:
    commits = Commits(db.engine)
    db.session.execute(text("SELECT 1"))
    db.session.commit()
    with pytest.raises(ZeroDivisionError), write():
        raise ZeroDivisionError
    assert commits.told()["commits"] == 0
    with write():
        pass
    assert commits.told()["commits"] == 1


def test_the_yardstick_fills_the_columns_of_today() -> None:
    assert all(
        f"{name}=excluded.{name}" in upsert_statement() for name in COLUMNS[2:] if name != "created_at"
    )
