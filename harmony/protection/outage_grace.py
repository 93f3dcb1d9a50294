"""Suppress silence detection for 30 minutes after an outage of the dashboard or a jump of the clock."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from harmony.models import Sweep

_ROW = 1
# The worker sweeps every minute; when that long nobody did, devices could not be heard or the clock jumped.
_GAP = timedelta(minutes=15)
# Two check-ins: whoever is still there has been heard by then.
LISTENED = timedelta(minutes=30)


def begin(session: Session, now: datetime) -> datetime | None:
    """Begin a sweep, inside the caller's `write()`; return when the last one began, None before the first."""
    row = session.get(Sweep, _ROW)
    if row is None:
        return None
    if _is_gap(row, now):
        row.gap_at = now
    return row.at


def end(session: Session, began: datetime) -> None:
    """Record that a sweep that began then has seen everything; until then the next looks as far back."""
    row = session.get(Sweep, _ROW)
    if row is None:
        session.add(Sweep(id=_ROW, at=began))
    else:
        row.at = began


def may_judge_silence(session: Session, now: datetime) -> bool:
    """Return False in a gap and until LISTENED after its end: devices could not make contact."""
    row = session.get(Sweep, _ROW)
    if row is None:
        return True
    return not _is_gap(row, now) and (row.gap_at is None or now - row.gap_at >= LISTENED)


def _is_gap(row: Sweep, now: datetime) -> bool:
    return abs(now - row.at) > _GAP
