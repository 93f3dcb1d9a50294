"""Claims of destinations by lease, and how batches ended: conditional updates, each in its own `write()`.

A claim that was taken over writes nothing: every update asks for its fence.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Update, and_, delete, func, or_, select, update
from sqlalchemy.orm import Session

from harmony.db import changed, db, write
from harmony.jobs import caution
from harmony.models import DeliveryOutcome, Destination, DestinationState, FeedDelivery, FeedRow
from harmony.outbound.schedule import DELIVERIES_KEPT, LEASE, LONGEST_WAIT, next_try

_LONGEST_ANSWER = 512
_CALM = {"failures": 0, "failing_since": None, "reason": ""}


@dataclass(frozen=True, slots=True)
class DestinationClaim:
    """The right to send to a destination until its lease ends; `fence` tells it from every other claim."""

    destination_id: int
    fence: int


@dataclass(frozen=True, slots=True)
class SentRange:
    """Some lines of the feed that were sent or tried: ids `first` to `last`, `records` in number.

    `next_at`: when they are to be sent once more.
    """

    first: int
    last: int
    records: int
    answer: str = ""
    next_at: datetime | None = None


def due_ids(now: datetime) -> Sequence[int]:
    """Return the destinations that something waits for and whose time has come, longest due first."""
    newest = select(func.coalesce(func.max(FeedRow.id), 0)).scalar_subquery()
    again = select(FeedDelivery.id).where(
        FeedDelivery.destination_id == Destination.id, FeedDelivery.next_at <= now
    )
    waiting = or_(Destination.cursor < newest, again.exists())
    return db.session.scalars(
        select(Destination.id).where(_claimable(now), waiting).order_by(Destination.next_at)
    ).all()


def claim(destination_id: int, now: datetime) -> DestinationClaim | None:
    """Take a destination that is active, due and free; None when it is not."""
    taken = update(Destination).where(Destination.id == destination_id, _claimable(now))
    values = {"lease_until": now + LEASE, "fence": Destination.fence + 1}
    with write() as session:
        fence = session.scalar(taken.values(values).returning(Destination.fence))
    return None if fence is None else DestinationClaim(destination_id, fence)


def advance(claimed: DestinationClaim, cursor: int, sent: SentRange | None, now: datetime) -> bool:
    """Record that everything up to `cursor` has left, and renew the lease. Return False if it was lost."""
    values = {"cursor": cursor, "lease_until": now + LEASE}
    if sent is not None:
        values |= {"success_at": now, "sent": Destination.sent + sent.records, **_CALM}
    with write() as session:
        if changed(session, _held(claimed).values(values)) != 1:
            return False
        if sent is not None:
            _record(session, claimed, sent, DeliveryOutcome.SENT, now)
    return True


def refuse(claimed: DestinationClaim, sent: SentRange, now: datetime) -> bool:
    """Let the cursor pass what the receiver does not take; it is tried again apart."""
    with write() as session:
        values = {"cursor": sent.last, "lease_until": now + LEASE}
        if changed(session, _held(claimed).values(values)) != 1:
            return False
        _record(session, claimed, sent, DeliveryOutcome.REFUSED, now)
    return True


def fail(
    claimed: DestinationClaim, sent: SentRange, now: datetime, *, asked_wait: timedelta | None = None,
    is_gone: bool = False,
) -> None:  # fmt: skip
    """Record a failure and give the destination back until its next try, or stop it."""
    with write() as session:
        row = session.scalar(select(Destination).where(*_is(claimed)))
        if row is None:
            return
        row.failures, row.reason = row.failures + 1, sent.answer[:_LONGEST_ANSWER]
        row.failing_since, row.lease_until = row.failing_since or now, None
        jitter = random.random()  # noqa: S311 - spreads tries, keeps no secret
        next_at = next_try(row.kind, row.failures, now, asked_wait=asked_wait, jitter=jitter)
        if next_at is None or is_gone:
            row.state = DestinationState.STOPPED
        row.next_at = next_at or now
        _record(session, claimed, sent, DeliveryOutcome.FAILED, now)


def current(claimed: DestinationClaim, edition: int) -> bool:
    """Tell whether the claim still counts, and nobody paused or changed the destination since."""
    chosen = (Destination.state == DestinationState.ACTIVE, Destination.edition == edition)
    return db.session.scalar(select(Destination.id).where(*_is(claimed), *chosen)) is not None


def prolong(claimed: DestinationClaim, now: datetime) -> bool:
    """Renew the lease of a long delivery. Return False if another has it."""
    with write() as session:
        return bool(changed(session, _held(claimed).values(lease_until=now + LEASE)))


def release(claimed: DestinationClaim, now: datetime) -> None:
    """Give the destination back, behind the others that are due."""
    with write() as session:
        session.execute(_held(claimed).values(lease_until=None, next_at=now))


def due_again(session: Session, destination_id: int, now: datetime) -> FeedDelivery | None:
    """Return a delivery of which something is to be sent once more now."""
    chosen = (FeedDelivery.destination_id == destination_id, FeedDelivery.next_at <= now)
    return session.scalar(select(FeedDelivery).where(*chosen).order_by(FeedDelivery.next_at).limit(1))


def end_again(
    claimed: DestinationClaim, delivery_id: int, outcome: DeliveryOutcome, sent: SentRange, now: datetime
) -> bool:
    """Record how sending once more ended, and renew the lease. Return False if it was lost."""
    values = {"outcome": outcome, "answer": sent.answer[:_LONGEST_ANSWER], "next_at": sent.next_at,
              "at": now, "tries": FeedDelivery.tries + 1}  # fmt: skip
    good = {"success_at": now, **_CALM} if outcome is DeliveryOutcome.SENT else {}
    with write() as session:
        if changed(session, _held(claimed).values(lease_until=now + LEASE, **good)) != 1:
            return False
        session.execute(update(FeedDelivery).where(FeedDelivery.id == delivery_id).values(values))
    return True


def _claimable(now: datetime) -> ColumnElement[bool]:
    # A time that is further ahead was written while the clock was ahead.
    due = or_(Destination.next_at <= now, Destination.next_at > now + 2 * LONGEST_WAIT)
    until = Destination.lease_until
    free = or_(until.is_(None), until < now, until > now + 2 * LEASE)
    return and_(Destination.state == DestinationState.ACTIVE, due, free, caution.is_off())


def _is(claimed: DestinationClaim) -> tuple[ColumnElement[bool], ...]:
    return (Destination.id == claimed.destination_id, Destination.fence == claimed.fence)


def _held(claimed: DestinationClaim) -> Update:
    return update(Destination).where(*_is(claimed))


def _record(
    session: Session, claimed: DestinationClaim, sent: SentRange, outcome: DeliveryOutcome, now: datetime
) -> None:
    """Add a delivery and forget the oldest ones, but none that is to be tried again."""
    row = FeedDelivery(
        destination_id=claimed.destination_id, first_id=sent.first, last_id=sent.last, records=sent.records,
        at=now, outcome=outcome, answer=sent.answer[:_LONGEST_ANSWER], next_at=sent.next_at,
    )  # fmt: skip
    session.add(row)
    own = FeedDelivery.destination_id == claimed.destination_id
    newest = (
        select(FeedDelivery.id).where(own).order_by(FeedDelivery.id.desc()).offset(DELIVERIES_KEPT).limit(1)
    )
    old = select(newest.scalar_subquery()).scalar_subquery()
    session.flush()
    session.execute(delete(FeedDelivery).where(own, FeedDelivery.id <= old, FeedDelivery.next_at.is_(None)))
