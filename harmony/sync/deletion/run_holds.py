"""What a run does with holds: opens one, keeps it up to date, closes it, carries an approval out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from harmony.db import db, release, write
from harmony.jobs import caution
from harmony.models import Hold, HoldState
from harmony.sync.deletion.holds import approval_counts, listed, listing, pending
from harmony.sync.deletion.soft_delete import Deletion, delete_softly, overdue

# Renews the lease inside the caller's `write()`, or raises schedule.LeaseLost.
_Beat = Callable[[Session], None]

# What a list that is held anew has from the one before.
_SAME = ("integration_id", "run_id", "up_to", "devices", "live", "digest", "reasons")
_APPROVED = "Missing in complete syncs; the deletion was approved by an administrator."


@dataclass(frozen=True, slots=True)
class Held:
    """The deletions that a run held: the live devices missing since snapshot `up_to` or longer, and why."""

    integration_id: int
    run_id: int
    up_to: int
    live: int
    reasons: tuple[str, ...]


def keep(proposal: Held, beat: _Beat, now: datetime) -> int:
    """Open a hold, or bring the open one up to date; its id. One approved meanwhile stays as it is."""
    current = listing(db.session(), overdue(proposal.integration_id, proposal.up_to))
    with write() as session:
        beat(session)
        hold = pending(session, proposal.integration_id)
        if hold is None:
            hold = Hold(integration_id=proposal.integration_id, state=HoldState.OPEN, created_at=now)
            session.add(hold)
        if hold.state != HoldState.OPEN:
            return hold.id
        hold.run_id, hold.up_to, hold.live = proposal.run_id, proposal.up_to, proposal.live
        hold.devices, hold.digest, hold.reasons = current.devices, current.digest, list(proposal.reasons)
        session.flush()
        return hold.id


def clear(integration_id: int, beat: _Beat, now: datetime) -> None:
    """Close the open hold, if there is one: none of its devices is due any more."""

    def close(_session: Session, hold: Hold) -> None:
        hold.state, hold.decided_at = HoldState.CLEARED, now

    _change(integration_id, beat, lambda hold: hold.state == HoldState.OPEN, close)


def expire(integration_id: int, beat: _Beat, now: datetime) -> None:
    """An approval that no sync could carry out in time is over; its list is held anew, all of it."""

    def has_run_out(hold: Hold) -> bool:
        return hold.expires_at is not None and not approval_counts(hold, now)

    def hold_anew(session: Session, hold: Hold) -> None:
        hold.state = HoldState.EXPIRED
        same = {name: getattr(hold, name) for name in _SAME}
        session.add(Hold(state=HoldState.OPEN, created_at=now, **same))

    _change(integration_id, beat, has_run_out, hold_anew)


def carry_out(integration_id: int, run_id: int, beat: _Beat, now: datetime) -> int:
    """Delete the devices of the approved hold that are still missing, if there is one; how many."""
    hold = pending(db.session(), integration_id)
    if hold is None or hold.state != HoldState.APPROVED or caution.since() is not None:
        release()
        return 0
    hold_id, where = hold.id, listed(hold)
    deletion = Deletion(hold.decided_by or "", _APPROVED, run_id, now)
    release()

    def in_force(session: Session) -> bool:
        """Each batch looks again: a person may take the approval back at any moment."""
        beat(session)
        hold = session.get(Hold, hold_id)
        return hold is not None and hold.state == HoldState.APPROVED

    deleted = delete_softly(where, deletion, in_force)
    with write() as session:
        if in_force(session):
            session.get_one(Hold, hold_id).state = HoldState.DONE
    return deleted


def _change(
    integration_id: int,
    beat: _Beat,
    wanted: Callable[[Hold], bool],
    change: Callable[[Session, Hold], None],
) -> None:
    """Change the pending hold if it is `wanted`; otherwise nothing is written at all."""
    hold = pending(db.session(), integration_id)
    worth_it = hold is not None and wanted(hold)
    release()
    if not worth_it:
        return
    with write() as session:
        beat(session)
        hold = pending(session, integration_id)
        if hold is not None and wanted(hold):
            change(session, hold)
