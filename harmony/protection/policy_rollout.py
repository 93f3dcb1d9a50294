"""Roll out a new version of the policy to every device, in the worker: range after range of their ids.

Its progress is stored in the version's own row, in the same write as the range: a kill loses nothing, two
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
from harmony.protection.reevaluate import BATCH, reevaluate


def pending() -> bool:
    """Return True until the newest version of the policy has reached every device."""
    newest = db.session.execute(select(Policy.rated_at).order_by(Policy.version.desc()).limit(1)).first()
    return newest is not None and newest.rated_at is None


def roll_out(now: datetime, should_stop: Callable[[], bool] = lambda: False) -> int:
    """Roll out the newest version to the end; return how many devices it reached, 0 if none is pending.

    `should_stop` is asked between two ranges. The time goes on from `now` while it works, so that what it
    changes last does not look older than what others changed meanwhile.
    """
    started, rated = monotonic(), 0
    while not should_stop():
        count = roll_out_range(now + timedelta(seconds=monotonic() - started), BATCH)
        if not count:
            break
        rated += count
        checkpoint()
    return rated


def roll_out_range(now: datetime, size: int) -> int:
    """Roll out to the next range in one write; return how many devices it had, 0 at the end."""
    with write() as session:
        newest = session.scalar(select(Policy).order_by(Policy.version.desc()).limit(1))
        if newest is None or newest.rated_at is not None:
            return 0
        ids = _following(session, newest.rated_up_to, size)
        reevaluate(session, ids, record_of(newest.values), now)
        newest.rated += len(ids)
        newest.rated_up_to = ids[-1] if ids else newest.rated_up_to
        if len(ids) < size:
            newest.rated_at = now
        return len(ids)


def _following(session: Session, after: int, size: int) -> Sequence[int]:
    following = select(Protection.device_id).where(Protection.device_id > after)
    return session.scalars(following.order_by(Protection.device_id).limit(size)).all()
