"""When to call again and how long to wait. Pure tables, a fake clock, no rung."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from harmony.uem.errors import Forbidden, RateLimited, ServerFailed, TimedOut
from harmony.uem.http.rate_limit import LeakyBucket, SlidingWindow
from harmony.uem.http.retry import asked_wait, pause, quota_error, read_quota, status_error
from harmony.uem.records import Quota

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def later(seconds: float) -> str:
    return format_datetime(NOON + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        (later(30), 30.0),
        (later(-30), None),
        ("0", None),
        ("-5", None),
        ("1000000000", 86_400.0),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        ("", None),
        ("Tue, 99 Nov 2026 12:00:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_rubbish_is_ignored(value: str, seconds: float | None) -> None:
    assert asked_wait({"Retry-After": value}, NOON) == seconds
    assert asked_wait({"X-Rate-Limit-Retry-After-Seconds": value}, NOON) == seconds


def test_the_back_off_is_anything_up_to_a_doubling_bound() -> None:
    error = ServerFailed("x")
    assert [pause(error, n, lambda: 1.0, attempts=99) for n in (1, 2, 3, 7, 8, 50)] == [1, 2, 4, 60, 60, 60]
    assert pause(error, 3, lambda: 0.25) == 1.0


def test_it_gives_up_after_four_attempts_and_at_once_when_it_is_no_use() -> None:
    assert pause(TimedOut("x"), 4, lambda: 1.0) is None
    assert pause(Forbidden("x"), 1, lambda: 1.0) is None


@pytest.mark.parametrize(("asked", "wait"), [(7.0, 7.0), (300.0, 300.0), (301.0, None)])
def test_it_waits_as_asked_but_no_longer_than_five_minutes(asked: float, wait: float | None) -> None:
    assert pause(ServerFailed("x", asked=asked), 1, lambda: 1.0) == wait


def limited(**headers: str) -> RateLimited:
    error = status_error(429, {name.replace("_", "-"): value for name, value in headers.items()}, NOON)
    assert isinstance(error, RateLimited)
    return error


RESET = str(int((NOON + timedelta(hours=3)).timestamp()))


def test_a_used_up_quota_waits_for_the_reset() -> None:
    error = limited(**{"x-ratelimit-remaining": "0", "x-ratelimit-reset": RESET})
    assert error.retry_at == NOON + timedelta(hours=3)
    assert pause(error, 1, lambda: 1.0) is None


def test_the_reset_is_at_most_a_day_away() -> None:
    error = limited(**{"x-ratelimit-remaining": "0", "x-ratelimit-reset": "99999999999"})
    assert error.retry_at == NOON + timedelta(days=1)


def test_a_minute_limit_with_quota_left_backs_off_by_itself() -> None:
    error = limited(**{"x-ratelimit-remaining": "9000", "x-ratelimit-reset": RESET})
    assert error.asked is None
    assert error.retry_at == NOON + timedelta(minutes=1)


def test_retry_after_comes_before_the_reset() -> None:
    error = limited(**{"Retry-After": "9", "x-ratelimit-remaining": "0", "x-ratelimit-reset": RESET})
    assert error.asked == 9.0


def test_a_web_page_with_429_names_both_who_may_limit_the_calls_and_is_waited_for_alike() -> None:
    headers = {"Retry-After": "9"}
    page, plain = status_error(429, headers, NOON, web_page=True), limited(**headers)
    assert isinstance(page, RateLimited)
    assert (page.asked, page.retry_at) == (plain.asked, plain.retry_at) == (9.0, NOON + timedelta(seconds=9))
    assert pause(page, 1, lambda: 1.0) == 9.0
    assert "A web page came" not in plain.sentence
    assert "the UEM allows no more calls for now" in page.sentence
    assert "a proxy or firewall in front of it limits them" in page.sentence
    assert "proxy or firewall" in page.advice
    assert RateLimited.usual_advice in page.advice


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_these_statuses_pass_by_themselves(status: int) -> None:
    error = status_error(status, {}, NOON)
    assert error is not None
    assert error.retryable


@pytest.mark.parametrize("status", [200, 204, 400, 401, 403, 404, 413, 422])
def test_these_statuses_are_answers(status: int) -> None:
    assert status_error(status, {}, NOON) is None


@pytest.mark.parametrize(
    "headers",
    [{}, {"x-ratelimit-limit": "5"}, {"x-ratelimit-limit": "-5", "x-ratelimit-remaining": "x"}],
)
def test_a_quota_that_is_not_told_is_unknown(headers: dict[str, str]) -> None:
    assert read_quota(headers) is None


def test_no_call_is_made_until_the_reset_of_a_used_up_quota() -> None:
    empty = Quota(100, 0, NOON + timedelta(hours=1))
    refusal = quota_error(empty, NOON)
    assert refusal is not None
    assert refusal.retry_at == NOON + timedelta(hours=1)
    assert quota_error(empty, NOON + timedelta(hours=1)) is None
    assert quota_error(Quota(100, 1, NOON + timedelta(hours=1)), NOON) is None
    assert quota_error(Quota(100, 0, None), NOON) is None


def test_the_pace_lets_so_many_calls_through_in_any_minute() -> None:
    now = 100.0
    pace = SlidingWindow(3, lambda: now)
    assert [pace.book() for _ in range(5)] == [0, 0, 0, 60, 60]
    now = 161.0
    assert [pace.book() for _ in range(2)] == [0.0, 59.0]


def test_long_work_makes_a_few_calls_at_once_and_then_one_in_each_gap() -> None:
    now = 100.0
    spread = LeakyBucket(30, 2, lambda: now)
    assert [spread.book() for _ in range(4)] == [0, 0, 2, 4]
    now = 200.0
    assert [spread.book() for _ in range(3)] == [0, 0, 2], "what was not used does not add up"
