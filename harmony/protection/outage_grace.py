"""Whether anybody listened: after an outage or a jump of the clock no device is called silent for a while."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from harmony.models import Sweep

ROW = 1
# The worker sweeps every minute; when that long nobody did, devices could not be heard or the clock jumped.
_GAP = timedelta(minutes=15)
# Two check-ins: whoever is still there has been heard by then.
LISTENED = timedelta(minutes=30)


def begin(session: Session, now: datetime) -> datetime | None:
    """A sweep begins, inside the caller's `write()`; when the last one did, None before the first."""
    row = session.get(Sweep, ROW)
    if row is None:
        return None
    if _is_gap(row, now):
        row.gap_at = now
    return row.at


def end(session: Session, began: datetime) -> None:
    """A sweep that began then has seen everything; until one has, the next looks as far back again."""
    row = session.get(Sweep, ROW)
    if row is None:
        session.add(Sweep(id=ROW, at=began))
    else:
        row.at = began


def may_judge_silence(session: Session, now: datetime) -> bool:
    """Whether a device that was not heard is silent: not in a gap, nor until LISTENED after its end."""
    row = session.get(Sweep, ROW)
    if row is None:
        return True
    return not _is_gap(row, now) and (row.gap_at is None or now - row.gap_at >= LISTENED)


def _is_gap(row: Sweep, now: datetime) -> bool:
    return abs(now - row.at) > _GAP
