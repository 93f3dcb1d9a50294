"""How many rows a write takes (rung: pure, Hypothesis)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harmony.sync.diff import Plan
from harmony.sync.reading.known import Known
from harmony.sync.reading.scope import Incoming
from harmony.sync.write_pace import AIM_SECONDS, FEWEST_ROWS, WritePace, pieces
from tests.builders import devices

ROWS = [Incoming(device, (), "") for device in devices(*range(1, 21))]
KNOWN = [(Known(row_id, "1", "", "", None), row) for row_id, row in enumerate(ROWS)]


def test_slow_writes_become_smaller_and_quick_ones_larger_again() -> None:
    pace = WritePace(1000)
    sizes = []
    for _ in range(20):
        pace.note(pace.rows, pace.rows * AIM_SECONDS / 600)
        sizes.append(pace.rows)
    assert sizes[-1] in range(590, 601)
    for _ in range(20):
        pace.note(pace.rows, 5.0)
    assert pace.rows == FEWEST_ROWS
    for _ in range(20):
        pace.note(pace.rows, 0.001)
    assert pace.rows == 1000


def test_a_write_of_a_few_rows_says_nothing_of_large_ones() -> None:
    pace = WritePace(1000)
    pace.note(3, 0.5)
    assert pace.rows == 500


@given(st.integers(0, 20), st.integers(0, 20), st.integers(1, 30), st.booleans())
def test_a_plan_in_pieces_is_the_same_plan(created: int, updated: int, rows: int, moved: bool) -> None:
    whole = Plan(ROWS[:created], KNOWN[:updated], placed=[5], unchanged=4)
    if moved:
        whole.detach = {"7": 7}
    parts = list(pieces(whole, rows))
    assert [row for part in parts for row in part.create] == whole.create
    assert [pair for part in parts for pair in part.update] == whole.update
    assert (parts[0].placed, parts[0].unchanged) == ([5], 4)
    assert sum(part.unchanged for part in parts) == 4
    assert all(len(part.create) + len(part.update) <= 1.5 * rows + 2 for part in parts) or moved
    assert len(parts) == 1 or not moved
