"""The judge of a long load (rung: pure): what grows is told from what goes up and down."""

from __future__ import annotations

import os

import pytest

from tests.load.samples import WAL, Series, of_process, table


def series(values: list[float], unit: str = "RSS MiB") -> Series:
    return Series("web", unit, [(10.0 * number, value) for number, value in enumerate(values)])


@pytest.mark.parametrize(
    ("values", "flat"),
    [
        ([100.0] * 60, True),
        ([100.0 + number for number in range(30)] + [130.0] * 30, True),  # it warms up in the first half
        ([100.0 + number / 2 for number in range(60)], False),
        ([100.0 + number % 2 * 50 for number in range(60)], True),  # up and down
        ([100.0] * 59 + [900.0], True),  # once
        ([100.0] * 30 + [100.0 + number for number in range(30)], False),
    ],
)
def test_growth_is_what_the_second_half_goes_on_to_do(values: list[float], flat: bool) -> None:
    assert series(values).is_flat is flat


def test_a_handle_more_each_minute_is_found_within_an_hour() -> None:
    assert not series([40.0 + number // 6 for number in range(360)], "handles").is_flat


def test_a_wal_may_grow_up_to_the_size_at_which_it_is_emptied() -> None:
    assert series([number / 2 for number in range(120)], WAL).is_flat
    assert not series([97.0], WAL).is_flat


def test_the_table_has_a_line_for_each_series() -> None:
    lines = table([series([1.0, 2.0, 4.0])]).splitlines()
    assert lines[-1] == "| web | RSS MiB | 1.0 | 2.0 | 4.0 | 4.0 | 2.0 |"


def test_a_process_is_measured_and_one_that_is_gone_is_not() -> None:
    found = of_process(os.getpid())
    assert found["RSS MiB"] > 1
    assert found["handles"] > 1
    assert found["threads"] >= 1
    assert of_process(2**22 + 1) == {}
