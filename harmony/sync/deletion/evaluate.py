"""The end of a complete snapshot: what it did not list is marked; what is due is deleted, or held."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from harmony.db import db, release, write
from harmony.jobs import caution
from harmony.models import Absence, Device, Hold, HoldState
from harmony.sync.deletion import guard, soft_delete
from harmony.sync.deletion import missing as deletion_missing
from harmony.sync.deletion.guard import Facts
from harmony.sync.deletion.holds import approval_counts, listed, listing, open_hold, pending
from harmony.sync.deletion.missing import Snapshot
from harmony.sync.deletion.soft_delete import BY_SYNC, Deletion, delete_softly, overdue

__all__ = ["Departed", "Snapshot", "depart", "facts"]

_ROLLING = timedelta(hours=24)

# Renews the lease inside the caller's `write()`, or raises LeaseLost.
_Beat = Callable[[Session], None]

# What a list that is held anew has from the one before.
_SAME_IN_A_NEW_HOLD = ("integration_id", "run_id", "up_to", "devices", "live", "digest", "reasons")
_APPROVED = "Missing in complete syncs; the deletion was approved by an administrator."


@dataclass(frozen=True, slots=True)
class Departed:
    """The outcome for absent devices: newly `missing`, `deleted`; or the open hold and its reasons.

    `kept` were not listed, but a doubtful row may be about them; so with `reappeared`, which had been
    missing.
    """

    missing: int = 0
    deleted: int = 0
    kept: int = 0
    reappeared: int = 0
    hold_id: int | None = None
    reasons: tuple[str, ...] = ()


def depart(snapshot: Snapshot, beat: _Beat, now: datetime) -> Departed:
    """Count the absences of a complete snapshot and let go whom the guard lets go.

    `beat` renews the lease inside each `write()`, and raises LeaseLost. Killed at any line and called again
    with the same number, it comes to the same end.
    """
    reappeared = deletion_missing.unmark(snapshot, beat, now)
    missing, kept = deletion_missing.mark(snapshot, beat, now)
    _expire_approval(snapshot.integration_id, beat, now)
    approved = _carry_out_approval(snapshot.integration_id, snapshot.run_id, beat, now)
    departed = Departed(missing, approved, kept, reappeared)
    up_to = guard.due_up_to(snapshot.number, snapshot.choice.deletion_after)
    found = _facts_of_due(snapshot, up_to, now)
    if found is None:
        _clear_hold(snapshot.integration_id, beat, now)
        return departed
    verdict = guard.decide(found)
    if verdict.allowed:
        return replace(departed, deleted=approved + _delete(snapshot, up_to, beat, now))
    stored, words = zip(*((str(reason), reason.sentence) for reason in verdict.reasons), strict=True)
    hold = _Held(snapshot.integration_id, snapshot.run_id, up_to, found.live, stored)
    return replace(departed, hold_id=_keep_hold(hold, beat, now), reasons=words)


def _facts_of_due(snapshot: Snapshot, up_to: int, now: datetime) -> Facts | None:
    """Return what the guard is asked about the devices that are due; None when there is none."""
    gone = overdue(snapshot.integration_id, up_to)
    due = db.session.scalar(select(func.count(Device.id)).where(*gone))
    if not due:
        return None
    live = soft_delete.live(snapshot.integration_id) - soft_delete.unlisted(snapshot.integration_id)
    whys = frozenset(
        Absence(why) for why in db.session.scalars(select(Device.absent_why).where(*gone).distinct())
    )
    emptied = deletion_missing.emptied_groups(snapshot, gone)
    found = facts(snapshot, due, live, now, whys=whys, emptied=emptied)
    release()
    return found


def facts(
    snapshot: Snapshot,
    due: int,
    live: int,
    now: datetime,
    *,
    whys: frozenset[Absence],
    emptied: Collection[tuple[str, str]],
) -> Facts:
    """Return what the guard is asked: may `due` of `live` devices go?

    What may be wrong about them: `whys` said it when they were first missed, `emptied` are the groups, kind
    and id, that list none now. Reads only; release() after it.
    """
    names = [group.name for group in snapshot.choice.groups if (group.kind, group.external_id) in emptied]
    return Facts(
        due,
        live,
        snapshot.choice.deletion_threshold,
        soft_delete.deleted_by_syncs(snapshot.integration_id, now - _ROLLING),
        whys | ({Absence.EMPTIED} if emptied else frozenset()),
        snapshot.suspect,
        open_hold(snapshot.integration_id) is not None,
        tuple(names),
    )


def _delete(snapshot: Snapshot, up_to: int, beat: _Beat, now: datetime) -> int:
    def may(session: Session) -> bool:
        beat(session)
        return True

    detail = f"Not listed by {snapshot.choice.deletion_after} complete syncs in a row, or more."
    gone = Deletion(BY_SYNC, detail, snapshot.run_id, now)
    return soft_delete.delete_softly(overdue(snapshot.integration_id, up_to), gone, may)


@dataclass(frozen=True, slots=True)
class _Held:
    """The deletions that a run held: the live devices missing since snapshot `up_to` or longer, and why."""

    integration_id: int
    run_id: int
    up_to: int
    live: int
    reasons: tuple[str, ...]


def _keep_hold(proposal: _Held, beat: _Beat, now: datetime) -> int:
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


def _clear_hold(integration_id: int, beat: _Beat, now: datetime) -> None:
    """Close the open hold, if there is one: none of its devices is due any more."""

    def close(_session: Session, hold: Hold) -> None:
        hold.state, hold.decided_at = HoldState.CLEARED, now

    _change_hold(integration_id, beat, lambda hold: hold.state == HoldState.OPEN, close)


def _expire_approval(integration_id: int, beat: _Beat, now: datetime) -> None:
    """An approval that no sync could carry out in time is over; its list is held anew, all of it."""

    def has_run_out(hold: Hold) -> bool:
        return hold.expires_at is not None and not approval_counts(hold, now)

    def hold_anew(session: Session, hold: Hold) -> None:
        hold.state = HoldState.EXPIRED
        same = {name: getattr(hold, name) for name in _SAME_IN_A_NEW_HOLD}
        session.add(Hold(state=HoldState.OPEN, created_at=now, **same))

    _change_hold(integration_id, beat, has_run_out, hold_anew)


def _carry_out_approval(integration_id: int, run_id: int, beat: _Beat, now: datetime) -> int:
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


def _change_hold(
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
