"""Decides whether to call again and how long to wait before; nothing here sleeps."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from harmony.uem.errors import RateLimited, ServerFailed, TimedOut, UemError
from harmony.uem.http.response import Answer
from harmony.uem.records import Quota

ATTEMPTS = 4
_LONGEST_BACKOFF = 60.0
# A server that asks for more patience than this ends the run; the next one starts when it said.
LONGEST_WAIT = 300.0
_DAY = 86_400.0

_PAGE_OF_429 = (
    "A web page came with status 429, not an answer of the API: the UEM allows no more calls for now, or a "
    "proxy or firewall in front of it limits them."
)
_LIMIT_OF_PROXY = "Let the proxy or firewall pass as many calls as the UEM does."


def pause(
    error: UemError,
    attempt: int,
    random: Callable[[], float],
    attempts: int = ATTEMPTS,
    longest: float = LONGEST_WAIT,
) -> float | None:
    """Return the seconds to wait before the next attempt, None to give up; `attempt` counts from 1.

    Full jitter: anything between 0 and 1, 2, 4 … up to 60 seconds.
    """
    if not error.retryable or attempt >= attempts:
        return None
    if error.asked is not None:
        return error.asked if error.asked <= longest else None
    return random() * min(_LONGEST_BACKOFF, 2.0 ** (attempt - 1))


def refused(answer: Answer, now: datetime) -> UemError | None:
    """Apply `status_error` to a whole answer."""
    return status_error(answer.status, answer.headers, now, web_page=answer.is_web_page)


def status_error(
    status: int, headers: Mapping[str, str], now: datetime, *, web_page: bool = False
) -> UemError | None:
    """Return the error for a status that may pass by itself, with the wait the server asked for.

    `web_page`: it came as one, so that a proxy in front of the server may have sent it.
    """
    if status == 429:
        return _too_many_calls(headers, now, web_page=web_page)
    if status in {408, 425}:
        return TimedOut(f"The server gave up waiting (status {status}).", asked=asked_wait(headers, now))
    if status >= 500:
        sentence = f"The server reports an error of its own (status {status})."
        if web_page:
            sentence = (
                f"A web page came with status {status}, not an answer of the API: "
                "the server fails, or a proxy or firewall in front of it does not let the call through."
            )
        return ServerFailed(sentence, asked=asked_wait(headers, now))
    return None


def _too_many_calls(headers: Mapping[str, str], now: datetime, *, web_page: bool) -> RateLimited:
    """Return the error of a 429; a web page proves nothing about the quota."""
    asked = asked_wait(headers, now) or _until_reset(headers, now)
    retry_at = now + timedelta(seconds=60.0 if asked is None else asked)
    if not web_page:
        return RateLimited("The UEM allows no more calls for now (status 429).", retry_at, asked=asked)
    refusal = RateLimited(_PAGE_OF_429, retry_at, asked=asked)
    refusal.advice = f"{_LIMIT_OF_PROXY} {RateLimited.usual_advice}"
    return refusal


def asked_wait(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds of Retry-After (number or date), at most a day; None for rubbish, zero, the past.

    X-Rate-Limit-Retry-After-Seconds is the sibling that Omnissa Horizon documents.
    """
    for name in ("Retry-After", "X-Rate-Limit-Retry-After-Seconds"):
        seconds = _seconds(headers.get(name, ""), now)
        if seconds is not None and seconds > 0:
            return min(seconds, _DAY)
    return None


def read_quota(headers: Mapping[str, str]) -> Quota | None:
    """Read the `x-ratelimit-*` headers, which describe the daily quota; reset is in epoch seconds."""
    limit, remaining = _whole(headers.get("x-ratelimit-limit")), _whole(headers.get("x-ratelimit-remaining"))
    if limit is None or remaining is None:
        return None
    return Quota(limit, remaining, _instant(headers.get("x-ratelimit-reset")))


def quota_error(quota: Quota, now: datetime) -> RateLimited | None:
    """Return the refusal to call at all while the daily quota is used up."""
    if quota.remaining > 0 or quota.reset_at is None or quota.reset_at <= now:
        return None
    until = min(quota.reset_at, now + timedelta(seconds=_DAY))
    sentence = f"The UEM's quota of {quota.limit} calls is used up until {until:%Y-%m-%d %H:%M} UTC."
    return RateLimited(sentence, until, asked=(until - now).total_seconds())


def _until_reset(headers: Mapping[str, str], now: datetime) -> float | None:
    # The reset belongs to the daily quota; with calls left, a 429 is the limit per minute.
    if _whole(headers.get("x-ratelimit-remaining")) not in {None, 0}:
        return None
    reset = _instant(headers.get("x-ratelimit-reset"))
    if reset is None or reset <= now:
        return None
    return min((reset - now).total_seconds(), _DAY)


def _seconds(text: str, now: datetime) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return seconds_until(text, now)
    return seconds if math.isfinite(seconds) else None


def seconds_until(text: str, now: datetime) -> float | None:
    """Return the seconds from `now` until an HTTP date, negative for the past; None for rubbish."""
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    aware = date if date.tzinfo else date.replace(tzinfo=UTC)
    return (aware - now).total_seconds()


def _whole(text: str | None) -> int | None:
    stripped = (text or "").strip()
    return int(stripped) if stripped.isascii() and stripped.isdigit() and len(stripped) < 16 else None


def _instant(text: str | None) -> datetime | None:
    seconds = _whole(text)
    try:
        return datetime.fromtimestamp(seconds, UTC) if seconds else None
    except (ValueError, OverflowError, OSError):
        return None
