"""Changes become the fewest calls, the most urgent first (rung: pure, H)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harmony.tagging.outcome import SOONEST, Counts, next_due, of_push, retry_wait
from harmony.tagging.plan import PER_CALL, Target, batches, calls, in_order
from tests.builders import NOON


@given(st.integers(0, 3 * PER_CALL + 1), st.booleans())
def test_every_change_is_in_one_call_and_all_but_the_last_are_full(count: int, add: bool) -> None:
    targets = [Target(number, str(number)) for number in range(count)]
    made = list(batches("risk:high", add, targets))
    assert [target for batch in made for target in batch.targets] == targets
    assert all(len(batch.targets) == PER_CALL for batch in made[:-1])
    assert len(made) == calls({("risk:high", add): count})


def test_high_goes_first_then_the_other_risks_then_status_and_factors() -> None:
    every = ["old:7", "factor:ROOTED", "risk:none", "status:active", "risk:low", "risk:high", "risk:medium"]
    expected = [
        "risk:high",
        "risk:medium",
        "risk:low",
        "status:active",
        "factor:ROOTED",
        "old:7",
        "risk:none",
    ]
    assert in_order(every) == expected


def test_a_run_without_trouble_is_ok_and_one_with_unusable_tags_warns_and_names_them() -> None:
    assert of_push(Counts(added=3), []).state == "ok"
    warned = of_push(Counts(failed=2), ["B", "A", "D", "C"])
    assert warned.state == "warning"
    assert "A, B, C and 1 more cannot be used" in warned.reason
    assert "declined 2 tags" in warned.reason


def test_the_next_run_is_never_sooner_than_a_minute_from_now() -> None:
    assert next_due([None, NOON], NOON) == NOON + SOONEST
    assert next_due([None], NOON) is None
    assert retry_wait(0) == SOONEST
