"""The bench's own arithmetic and its stopwatch on the write lock (rungs: pure, file SQLite)."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import text

from harmony.clock import monotonic
from harmony.db import db, write
from tests.bench import history
from tests.bench.commits import Commits
from tests.bench.machine import Machine, busy_share, name
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


def test_bounds_are_judged_only_on_a_machine_that_does_nothing_else() -> None:
    quiet = Machine("a", (4.0, 4.2, 4.1), 0.02)
    assert (quiet.r, quiet.doubt) == (4.1, "")
    assert Machine("a", (4.0, 4.2, 4.1), 0.4).doubt == "others used 40% of the machine, more than 10%"
    assert "R differed by 49%" in Machine("a", (4.0, 6.0, 4.1), 0.02).doubt
    shown = table([Result("sync.first", 2.0, 1.0)], "somebody else works here")
    assert "MISSED" not in shown
    assert "No verdict: somebody else works here." in shown


def test_a_value_is_compared_with_one_of_the_same_machine_size_and_quiet_only(tmp_path: Path) -> None:
    file, here = tmp_path / "history.jsonl", Machine("a", (4.0,), 0.0)
    runs = [
        (here, 100, 1.0), (Machine("a", (4.0,), 0.5), 100, 2.0), (Machine("b", (4.0,), 0.0), 100, 3.0),
        (here, 50, 4.0),
    ]  # fmt: skip
    assert history.before(file, here, 100) == {}
    for machine, devices, value in runs:
        history.append(file, machine, devices, [Result("sync.first", value)])
    assert history.before(file, here, 100) == {"sync.first": 1.0}
    assert len(file.read_text().splitlines()) == 4
    assert "1.000" in table([Result("sync.first", 0.9)], before={"sync.first": 1.0})


def test_a_machine_is_named_by_what_differs_and_what_it_is_cannot_be_read_from_it() -> None:
    first, other = name({"id": "secret", "cores": "2"}), name({"id": "secret", "cores": "4"})
    assert first != other
    assert "secret" not in first
    assert len(first) == 12


def test_what_others_use_is_everything_but_idle_time() -> None:
    assert busy_share([0] * 8, [10, 0, 10, 70, 10, 0, 0, 0]) == 0.2
    assert busy_share([5] * 8, [5] * 8) == 0.0
