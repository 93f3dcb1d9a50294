"""What a person or the set-up does to duties: begin, pause, resume, cancel; and their usual times."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from harmony.audit import audit
from harmony.db import db, write
from harmony.jobs import lease
from harmony.jobs import schedule as jobs_schedule
from harmony.jobs.device_sync import LEASE, choice
from harmony.models import Duty, DutyName, DutyRun, Integration, SyncRunState, UemTag

log = logging.getLogger(__name__)

CANCELLED = {DutyName.APPS: "Cancelled the app sync", DutyName.TAGGING: "Cancelled the tagging"}
# One and a half of the longest interval is what `timing.next_point` may put between two runs.
_LONGEST_AHEAD = timedelta(hours=36)


def interval(integration: Integration, name: DutyName) -> timedelta:
    """How often the duty is done when nothing else calls for it."""
    page = choice(integration)
    return timedelta(minutes=page.app_interval if name is DutyName.APPS else page.device_interval)


def usual(integration: Integration, name: DutyName, started: datetime, now: datetime) -> datetime:
    """The next point of its grid; that of the app sync mirrors the device sync's, so that they lie apart."""
    place = -integration.id if name is DutyName.APPS else integration.id
    return jobs_schedule.next_point(place, interval(integration, name), started, now)


def begin(session: Session, integration: Integration, name: DutyName, now: datetime) -> None:
    """Let the duty be there and due at its usual time, inside the caller's `write()`."""
    lease.nudge(session, integration.id, name, usual(integration, name, now, now), whole=True)


def after_sync(
    session: Session, integration: Integration, complete: bool, now: datetime, *, version: int | None = None
) -> None:
    """Every device sync is followed by tagging, and the first complete one by an app sync at once.

    The first since there are app syncs counts as the first. `version` is that of the settings the sync was
    made with: one made with former Server Details proves no id of another UEM.
    """
    if complete and integration.awaits_sync and version in {None, integration.version}:
        integration.awaits_sync, integration.ids_proven_at = False, now
        mine = update(Duty).where(Duty.integration_id == integration.id)
        session.execute(mine.values(whole=True, next_at=now))
    lease.nudge(session, integration.id, DutyName.TAGGING, now)
    known = session.get(Duty, (integration.id, DutyName.APPS)) is not None
    if complete and (integration.snapshots == 1 or not known):
        lease.nudge(session, integration.id, DutyName.APPS, now, whole=True)


def plan_anew(session: Session, integration: Integration, name: DutyName, now: datetime) -> None:
    """A new interval takes its own grid at once; what is due or asked for stays so."""
    duty = session.get(Duty, (integration.id, name))
    if duty is None:
        begin(session, integration, name, now)
    elif duty.next_at is not None and duty.next_at > now:
        duty.next_at = usual(integration, name, now, now)


def wake(session: Session, integration_id: int, now: datetime) -> None:
    """What kept them from running may be mended: every duty is due, the parked ones too."""
    mine = update(Duty).where(Duty.integration_id == integration_id)
    session.execute(mine.values(next_at=now, parked_why=None, failures=0))


def again(session: Session, integration_id: int, name: DutyName, now: datetime) -> None:
    """What it goes by was changed: all of it is due at once, even if it was parked."""
    lease.nudge(session, integration_id, name, now, whole=True)
    mine = update(Duty).where(Duty.integration_id == integration_id, Duty.name == name)
    session.execute(mine.values(next_at=now, parked_why=None, failures=0))


def await_sync(session: Session, integration_id: int, now: datetime) -> None:
    """Another UEM: its ids of devices and tags are not those we know, and nothing may be done by them.

    The integration says so until a complete device sync, and no duty is claimed before, whoever asks.
    """
    interrupt(session, integration_id, "Server Details were changed.", now)
    for name in DutyName:
        again(session, integration_id, name, now)
    moved = update(Integration).where(Integration.id == integration_id)
    session.execute(moved.values(awaits_sync=True, ids_proven_at=None))
    session.execute(update(Duty).where(Duty.integration_id == integration_id).values(batch_limit=None))
    session.execute(update(UemTag).where(UemTag.integration_id == integration_id).values(proven=False))


def interrupt(session: Session, integration_id: int, reason: str, now: datetime) -> None:
    """Close the runs under way as cancelled and make their workers powerless; the rest is due later.

    Inside the caller's `write()`. A worker finds its lease gone within seconds and writes nothing more.
    """
    for duty in session.scalars(select(Duty).where(Duty.integration_id == integration_id)):
        _take_back(session, duty, reason, now)


def cancel(integration_id: int, name: DutyName, by: str, now: datetime) -> bool:
    """End the run under way; the next one starts at its usual time. False when none was under way."""
    with write() as session:
        duty = session.get(Duty, (integration_id, name))
        integration = session.get(Integration, integration_id)
        if duty is None or integration is None or not _take_back(session, duty, f"Cancelled by {by}.", now):
            return False
        duty.next_at = usual(integration, name, now, now)
        audit(session, by, CANCELLED[name], now, integration)
        return True


def forget(session: Session, integration_id: int) -> None:
    """The integration is no link to a UEM any more; the history of the runs stays."""
    session.execute(delete(Duty).where(Duty.integration_id == integration_id))


def mend(now: datetime) -> int:
    """Pull in due times and leases that only a clock that was set back explains. Returns how many rows."""
    ahead, held = Duty.next_at > now + _LONGEST_AHEAD, Duty.lease_until > now + LEASE
    wrong = db.session.scalars(select(Duty).where(ahead | held)).all()
    if wrong:
        log.warning("The clock was set back: %d duties are planned anew.", len(wrong))
        with write() as session:
            session.execute(update(Duty).where(ahead).values(next_at=now))
            session.execute(update(Duty).where(held).values(lease_until=now + LEASE))
    return len(wrong)


def _take_back(session: Session, duty: Duty, reason: str, now: datetime) -> bool:
    mine = (DutyRun.integration_id == duty.integration_id, DutyRun.duty == duty.name)
    run = session.scalar(select(DutyRun).where(*mine, DutyRun.state == SyncRunState.RUNNING))
    duty.lease_owner, duty.lease_until, duty.fence = None, None, duty.fence + 1
    if run is None:
        return False
    run.state, run.reason, run.step, run.finished_at = SyncRunState.CANCELLED, reason, "", now
    # What the run should have looked at is left to the next one.
    duty.next_at, duty.whole = min(duty.next_at or now, now), True
    return True
