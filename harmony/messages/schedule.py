"""PURE: when a message is tried again, when it is given up, and how many may leave in an hour."""

from __future__ import annotations

from datetime import datetime, timedelta

from harmony.mail.envelope import DeliveryError

# After each try that failed. They add up to a day: what has not left by then is given up.
WAITS = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 39, 60, 120, 240, 480, 480))
# A living worker is done with one message long before this; only a dead one lets it end.
LEASE = timedelta(minutes=5)
HOUR = timedelta(hours=1)
# A round of delivery begins no message later, so that a slow server keeps no thread of the worker for long.
ROUND_SECONDS = 20.0
BREAK = timedelta(seconds=5)


def retry_at(error: DeliveryError, attempts: int, now: datetime) -> datetime | None:
    """Return when to try again after the failure of the try number `attempts`; None: given up.

    A fault of the channel can be mended, so that its messages wait; what the server says of one message for
    good ends that one.
    """
    if (error.permanent and not error.of_channel) or attempts > len(WAITS):
        return None
    return now + WAITS[max(attempts, 1) - 1]


def allowance(per_hour: int, left_lately: int) -> int:
    """Return how many more may leave now; `left_lately` left within an hour or are leaving.

    >>> allowance(100, 97), allowance(100, 130)
    (3, 0)
    """
    return max(0, per_hour - left_lately)
