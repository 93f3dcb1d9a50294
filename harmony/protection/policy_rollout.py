"""Rates every device anew under a new version of the policy, in the worker: range after range of their ids.

How far it came stands in the version's own row, in the same write as the range: a kill loses nothing, two
workers share the ranges, and a newer version starts from the beginning while the older is left as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from harmony.clock import monotonic
from harmony.db import db, write
from harmony.db.bulk import checkpoint
from harmony.models import Policy, Protection
from harmony.protection.policy import record_of
from harmony.protection.reevaluate import BATCH, follow

Stop = Callable[[], bool]


def never() -> bool:
    """Nobody asks for a stop."""
    return False


def pending() -> bool:
    """Whether the newest version of the policy has not rated every device yet."""
    newest = db.session.execute(select(Policy.rated_at).order_by(Policy.version.desc()).limit(1)).first()
    return newest is not None and newest.rated_at is None


def rate_all(now: datetime, should_stop: Stop = never) -> int:
    """Go on with the rating to its end; how many devices it rated. Nothing when no rating is pending.

    `should_stop` is asked between two ranges. The time goes on from `now` while it works, so that what it
    changes last does not look older than what others changed meanwhile.
    """
    started, rated = monotonic(), 0
    while not should_stop():
        count = rate_range(now + timedelta(seconds=monotonic() - started), BATCH)
        if not count:
            break
        rated += count
        checkpoint()
    return rated


def rate_range(now: datetime, size: int) -> int:
    """The next range in one write; how many devices it had. 0: there is nothing left to rate."""
    with write() as session:
        newest = session.scalar(select(Policy).order_by(Policy.version.desc()).limit(1))
        if newest is None or newest.rated_at is not None:
            return 0
        ids = _following(session, newest.rated_up_to, size)
        follow(session, ids, record_of(newest.values), now)
        newest.rated += len(ids)
        newest.rated_up_to = ids[-1] if ids else newest.rated_up_to
        if len(ids) < size:
            newest.rated_at = now
        return len(ids)


def _following(session: Session, after: int, size: int) -> Sequence[int]:
    following = select(Protection.device_id).where(Protection.device_id > after)
    return session.scalars(following.order_by(Protection.device_id).limit(size)).all()
