"""The end of a complete snapshot: what it did not list is marked; what is due is deleted, or held."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from harmony.db import db, release
from harmony.models import Absence, Device
from harmony.sync.deletion import guard, run_holds, soft_delete
from harmony.sync.deletion import missing as deletion_missing
from harmony.sync.deletion.guard import Facts
from harmony.sync.deletion.holds import open_hold
from harmony.sync.deletion.missing import Snapshot
from harmony.sync.deletion.run_holds import Held
from harmony.sync.deletion.soft_delete import BY_SYNC, Deletion, overdue

__all__ = ["Departed", "Snapshot", "depart", "facts"]

_Beat = Callable[[Session], None]

_ROLLING = timedelta(hours=24)


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
    departed = Departed(missing, kept=kept, reappeared=reappeared)
    run_holds.expire(snapshot.integration_id, beat, now)
    approved = run_holds.carry_out(snapshot.integration_id, snapshot.run_id, beat, now)
    up_to = guard.due_up_to(snapshot.number, snapshot.choice.deletion_after)
    due = (
        db.session.scalar(select(func.count(Device.id)).where(*overdue(snapshot.integration_id, up_to))) or 0
    )
    if not due:
        run_holds.clear(snapshot.integration_id, beat, now)
        return replace(departed, deleted=approved)
    live = soft_delete.live(snapshot.integration_id) - soft_delete.unlisted(snapshot.integration_id)
    gone = overdue(snapshot.integration_id, up_to)
    whys = frozenset(
        Absence(why) for why in db.session.scalars(select(Device.absent_why).where(*gone).distinct())
    )
    emptied = deletion_missing.emptied_groups(snapshot, gone)
    verdict = guard.decide(facts(snapshot, due, live, now, whys=whys, emptied=emptied))
    release()
    if verdict.allowed:
        return replace(departed, deleted=approved + _delete(snapshot, up_to, beat, now))
    stored, words = zip(*((str(reason), reason.sentence) for reason in verdict.reasons), strict=True)
    hold = Held(snapshot.integration_id, snapshot.run_id, up_to, live, stored)
    return replace(departed, deleted=approved, hold_id=run_holds.keep(hold, beat, now), reasons=words)


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
