"""A sample of a loop leaves no value out, and a soak leaves no combination out (rung: pure)."""

from __future__ import annotations

import random
from itertools import product

import pytest

from tests.durability.death import Point
from tests.durability.loop import spread
from tests.sampling import SEED, combinations, sample, seed

LETTERS, NUMBERS, SIGNS = "abcdefg", range(5), "+-"


@pytest.fixture(autouse=True)
def _no_soak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SEED, raising=False)


def test_a_sample_of_combinations_has_every_value_once() -> None:
    columns = list(zip(*combinations(LETTERS, NUMBERS, SIGNS), strict=True))
    assert [set(column) for column in columns] == [set(LETTERS), set(NUMBERS), set(SIGNS)]
    assert len(columns[0]) == len(LETTERS)


def test_each_further_pass_pairs_them_otherwise() -> None:
    chosen = combinations(LETTERS, NUMBERS, times=3)
    assert len(set(chosen)) == 3 * len(LETTERS)


def test_a_soak_has_every_combination_its_own_sizes_and_its_own_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (sample(3, 300), seed(1)) == (3, 1)
    monkeypatch.setenv(SEED, "77")
    assert combinations(LETTERS, NUMBERS, SIGNS) == list(product(LETTERS, NUMBERS, SIGNS))
    assert (sample(3, 300), seed(1)) == (300, 77)


def test_a_few_kills_meet_every_kind_of_point() -> None:
    points = [(day, Point("statement", at)) for day in range(10) for at in range(100)]
    points += [(3, Point("before", step="guard")), (4, Point("after", step="guard")), (5, Point("page", 1))]
    chosen = spread(points, random.Random(1))  # noqa: S311 - repeatable
    assert {(point.how, point.step) for _, point in chosen[:4]} == {
        ("statement", ""), ("before", "guard"), ("after", "guard"), ("page", ""),
    }  # fmt: skip
    assert sorted(map(str, chosen)) == sorted(map(str, points))
