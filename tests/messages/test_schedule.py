"""Back-off and caps (rung: pure, Hypothesis)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from harmony.mail.envelope import DeliveryError, RecipientRefused
from harmony.messages.schedule import WAITS, allowance, retry_at

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)


def test_a_message_is_tried_for_a_day() -> None:
    assert sum(WAITS, timedelta()) == timedelta(days=1)
    assert list(WAITS) == sorted(WAITS)


@given(attempts=st.integers(0, 1000))
def test_a_next_try_lies_ahead_and_the_number_of_tries_is_bounded(attempts: int) -> None:
    at = retry_at(DeliveryError("It is down."), attempts, NOON)
    assert (at is None) == (attempts > len(WAITS))
    assert at is None or NOON < at <= NOON + WAITS[-1]


@given(attempts=st.integers(1, len(WAITS)))
def test_only_what_is_said_of_one_message_for_good_ends_it_at_once(attempts: int) -> None:
    assert retry_at(RecipientRefused("No such mailbox.", permanent=True), attempts, NOON) is None
    assert retry_at(RecipientRefused("Try later.", permanent=False), attempts, NOON) is not None


@given(per_hour=st.integers(1, 10_000), left=st.lists(st.integers(0, 50), max_size=60))
def test_an_hour_never_takes_more_than_its_cap(per_hour: int, left: list[int]) -> None:
    total = 0
    for wanted in left:
        total += min(wanted, allowance(per_hour, total))
    assert total <= per_hour
