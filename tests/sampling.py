"""How much of a long loop runs: a sample with fixed seeds in `make test`, all of it in `make soak`.

A test that asks here carries the mark `soak`, by which `make soak` (tests/soak.py) finds it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import product
from typing import Any, TypeVar

SEED = "SOAK_SEED"
Size = TypeVar("Size")


def soaking() -> bool:
    """Tell whether the loops run whole."""
    return SEED in os.environ


def sample(part: Size, whole: Size) -> Size:
    """Return `part` in `make test`, `whole` in `make soak`."""
    return whole if soaking() else part


def seed(fixed: int) -> int:
    """Return the seed of a loop: `fixed`, the same for everybody, or that of this soak."""
    return int(os.environ.get(SEED, fixed))


def combinations(*axes: Iterable[Any], times: int = 1) -> list[tuple[Any, ...]]:
    """Return all combinations while soaking; else `times` passes in which each value of each axis occurs.

    Every pass pairs the values otherwise than the one before.
    """
    lists = [list(axis) for axis in axes]
    if soaking():
        return list(product(*lists))
    longest = max(map(len, lists))
    chosen = [
        tuple(values[(place + turn * order) % len(values)] for order, values in enumerate(lists))
        for turn in range(times)
        for place in range(longest)
    ]
    return [row for place, row in enumerate(chosen) if row not in chosen[:place]]
