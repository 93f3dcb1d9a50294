"""PURE: which troubles are announced now, and which are over: once for each change of the reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from harmony.messages.notices.kinds import NoticeKind

# A trouble that is away for so long is over; one that comes back sooner was never announced to be.
SETTLED_AFTER = timedelta(minutes=10)
_WEEKLY_AT_HOUR = 7


class TroubleKey(NamedTuple):
    """The kind of a trouble and what it is about: the id of an integration, or "" for the installation."""

    kind: NoticeKind
    subject: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """A trouble that exists now; `reason` stays the same while nothing changes."""

    key: TroubleKey
    reason: str
    title: str
    text: str
    href: str = ""


class Announced(NamedTuple):
    """A trouble that was announced: why, since when, and when it was first seen to be gone."""

    reason: str
    title: str
    since: datetime
    gone_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class NoticeDecision:
    """The troubles to tell, those that are over, those seen to be gone, and those that came back."""

    new: tuple[Trouble, ...] = ()
    over: tuple[TroubleKey, ...] = ()
    gone: tuple[TroubleKey, ...] = ()
    back: tuple[TroubleKey, ...] = ()


def decide(
    troubles: Iterable[Trouble], announced: Mapping[TroubleKey, Announced], now: datetime
) -> NoticeDecision:
    """Return what changed between what was announced and what is."""
    present = {trouble.key: trouble for trouble in troubles}
    absent = {key: line for key, line in announced.items() if key not in present}
    reasons = {key: line.reason for key, line in announced.items()}
    return NoticeDecision(
        new=tuple(trouble for key, trouble in present.items() if reasons.get(key) != trouble.reason),
        over=tuple(key for key, line in absent.items() if line.gone_at and _is_settled(line.gone_at, now)),
        gone=tuple(key for key, line in absent.items() if line.gone_at is None),
        back=tuple(key for key, line in announced.items() if key in present and line.gone_at is not None),
    )


def is_summary_due(last: datetime | None, now: datetime) -> bool:
    """Tell whether the weekly summary is due: on Mondays, or at the first look after one.

    >>> monday = datetime.fromisoformat("2026-11-30T07:00:00+00:00")
    >>> is_summary_due(monday - timedelta(days=7), monday), is_summary_due(monday, monday + timedelta(days=6))
    (True, False)
    """
    if last is None:
        return True
    start = now.replace(hour=_WEEKLY_AT_HOUR, minute=0, second=0, microsecond=0) - timedelta(
        days=now.weekday()
    )
    if start > now:
        start -= timedelta(days=7)
    # A time that is far ahead was written while the clock was; one by moments, by a look beside this one.
    return last < start or last - now >= SETTLED_AFTER


def _is_settled(gone_at: datetime, now: datetime) -> bool:
    # Two looks overlap: a time that is ahead by moments is the other's. One far ahead is of a wrong clock.
    return abs(now - gone_at) >= SETTLED_AFTER
