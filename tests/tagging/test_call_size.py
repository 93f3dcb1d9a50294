"""Calls that are declined as a whole are halved, and their size is learned. Rungs: pure, H."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harmony.tagging.call_size import HOPELESS, CallSize
from harmony.tagging.plan import Batch, Target
from tests.sampling import sample


def batch(*numbers: int) -> Batch:
    """A call for these devices."""
    return Batch("risk:high", True, tuple(Target(number, str(number)) for number in numbers))


def pushed(size: CallSize, count: int, limit: int, spoilers: set[int]) -> tuple[set[int], int]:
    """Push so many devices to a UEM with this limit; the devices it took, and how many calls that cost."""
    left, taken, calls = deque(size.pieces(batch(*range(count)))), set[int](), 0
    while left and not size.is_hopeless:
        call, *rest = size.pieces(left.popleft())
        left.extendleft(reversed(rest))
        calls += 1
        numbers = {target.device_id for target in call.targets}
        if len(numbers) > limit or numbers & spoilers:
            left.extendleft(reversed(size.decline(call)))
        else:
            taken |= numbers
            size.accept()
    return taken, calls


@pytest.mark.parametrize("limit", [1, 2, 7, 100, 250, 499, 500])
def test_every_limit_is_found_and_learned(limit: int) -> None:
    size = CallSize()
    taken, calls = pushed(size, 500, limit, set())
    assert taken == set(range(500))
    assert (size.learned or 500) <= limit
    assert (size.learned or 500) * 2 + 1 >= limit, "not smaller than halving makes it"
    assert calls <= 9 + 2 * -(-500 // limit) + 1


@given(st.sets(st.integers(0, 499), min_size=1, max_size=3))
@settings(max_examples=sample(30, 1000))
def test_a_poisonous_device_costs_a_few_calls_and_no_other_device(spoilers: set[int]) -> None:
    size = CallSize()
    taken, calls = pushed(size, 500, 500, spoilers)
    assert taken == set(range(500)) - spoilers
    assert {target.device_id for _, _, target in size.spoilers} == spoilers
    assert size.learned is None, "it was no matter of size"
    assert calls <= 25 * len(spoilers)


@given(st.integers(1, 40), st.integers(1, 40), st.sets(st.integers(0, 39), max_size=4))
def test_whatever_the_limit_and_the_poison_everybody_else_is_served(
    count: int, limit: int, spoilers: set[int]
) -> None:
    taken, _ = pushed(CallSize(), count, limit, spoilers)
    assert taken == set(range(count)) - spoilers


def test_a_uem_that_declines_everything_is_not_asked_for_ever() -> None:
    size = CallSize()
    taken, calls = pushed(size, 500, 0, set())
    assert (taken, size.is_hopeless, size.learned) == (set(), True, None)
    assert calls <= 9 + 2 * HOPELESS


def test_a_limit_of_an_earlier_run_is_kept_to() -> None:
    size = CallSize(100)
    assert pushed(size, 500, 100, set()) == (set(range(500)), 5)
    assert size.learned is None
