"""Duties, the app sync and the tagging of an integration: who is due, who may run, how a run ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.orm import Session

from harmony.audit import SCHEDULE, audit
from harmony.db import changed, db, write
from harmony.jobs import server_waits
from harmony.jobs.device_sync import LEASE, LeaseLost
from harmony.jobs.outcome import Outcome
from harmony.jobs.process_identity import is_gone
from harmony.models import Duty, DutyName, DutyRun, Integration, IntegrationState, SyncRunState

ASKED_FOR = {DutyName.APPS: "Asked for an app sync", DutyName.TAGGING: "Asked for tagging"}
DIED = "The worker stopped before this was done. What it had done was kept; the next run goes on."

# While ids are those of the former UEM, whoever asks.
FIRST_SYNC = "It waits for the first complete device sync with these Server Details."


@dataclass(frozen=True, slots=True)
class Holding:
    """The right to do one duty of one integration until the lease ends; `fence` as in `schedule.Claim`."""

    integration_id: int
    name: DutyName
    run_id: int
    owner: str
    fence: int
    whole: bool
    by: str


def due(now: datetime) -> Sequence[tuple[int, DutyName]]:
    """The duties of active integrations whose time has come and that nobody does, the longest due first."""
    rows = select(Duty.integration_id, Duty.name).join(Integration).where(*_claimable(now))
    first = rows.order_by(Duty.next_at, Duty.integration_id, Duty.name.desc())
    found = [(id_, DutyName(name)) for id_, name in db.session.execute(first).all()]
    waiting = server_waits.waiting({id_ for id_, _name in found}, now)
    return [(id_, name) for id_, name in found if id_ not in waiting]


def request(integration_id: int, name: DutyName, by: str, now: datetime, *, whole: bool = True) -> bool:
    """A person asks: due now, even while it is parked. False when nothing can be done. Ring after it."""
    with write() as session:
        integration = session.get(Integration, integration_id)
        if integration is None or integration.state != IntegrationState.ACTIVE or integration.stopped_why:
            return False
        if integration.awaits_sync:
            return False
        duty = _row(session, integration_id, name)
        duty.next_at, duty.requested_at, duty.requested_by, duty.parked_why = now, now, by, None
        duty.whole = duty.whole or whole
        audit(session, by, ASKED_FOR[name], now, integration)
        return True


def nudge(
    session: Session, integration_id: int, name: DutyName, at: datetime, *, whole: bool = False
) -> None:
    """Due at `at` at the latest, inside the caller's `write()`; a duty that is due sooner stays so.

    One whose last run failed keeps the time of its next try: what changes meanwhile must not make it hurry.
    """
    duty = _row(session, integration_id, name)
    if duty.next_at is None or not duty.failures:
        duty.next_at = min(duty.next_at or at, at)
    duty.whole = duty.whole or whole


def claim(integration_id: int, name: DutyName, owner: str, now: datetime) -> Holding | None:
    """Take the duty if it is due and free, and open its run.

    None: not due, somebody was quicker, or the server asked to wait.
    """
    with write() as session:
        mine = (Duty.integration_id == integration_id, Duty.name == name)
        ready = select(Integration.id).join(Duty).where(*mine, *_claimable(now))
        if session.scalar(ready) is None or server_waits.standing(session, integration_id, now):
            return None
        duty = session.get_one(Duty, (integration_id, name))
        duty.lease_owner, duty.lease_until, duty.fence = owner, now + LEASE, duty.fence + 1
        by, whole = duty.requested_by or SCHEDULE, duty.whole
        # What is asked for from here on is for the next run.
        duty.requested_at = duty.requested_by = duty.next_at = None
        duty.whole = False
        run = DutyRun(
            integration_id=integration_id, duty=name, started_by=by, started_at=now, heartbeat_at=now,
            owner=owner, fence=duty.fence, counts={},
        )  # fmt: skip
        session.add(run)
        session.flush()
        return Holding(integration_id, name, run.id, owner, duty.fence, whole, by)


def renew(session: Session, held: Holding, now: datetime) -> None:
    """Prolong the lease inside the caller's `write()`. Raises LeaseLost when it is no longer ours."""
    active = select(Integration.id).where(Integration.state == IntegrationState.ACTIVE)
    prolong = update(Duty).where(*_held(held), Duty.integration_id.in_(active))
    if changed(session, prolong.values(lease_until=now + LEASE)) != 1:
        raise LeaseLost


def settle(
    session: Session, held: Holding, outcome: Outcome, next_at: datetime | None, now: datetime, *,
    done_up_to: datetime | None = None,
) -> None:  # fmt: skip
    """Close the run and give the duty back, if it is still ours; `next_at` is when it is due again.

    A good run moves `done_up_to`; any other asks the next one to look at as much as this one should have.
    """
    ended = {"state": outcome.state, "reason": outcome.reason, "advice": outcome.advice, "step": ""}
    open_run = (DutyRun.id == held.run_id, DutyRun.state == SyncRunState.RUNNING)
    session.execute(
        update(DutyRun).where(*open_run).values(ended | {"finished_at": now, "heartbeat_at": now})
    )
    duty = session.scalar(select(Duty).where(*_held(held)))
    if duty is None:
        return
    duty.lease_owner = duty.lease_until = None
    duty.failures = 0 if outcome.good else duty.failures + 1
    duty.whole = duty.whole or (held.whole and not outcome.good)
    if outcome.good and done_up_to is not None:
        duty.done_up_to = done_up_to
    if next_at is not None:
        duty.next_at = next_at if duty.next_at is None else min(duty.next_at, next_at)


def park(session: Session, held: Holding, why: str) -> None:
    """Do it no more by itself until somebody asks for it: only a person can mend what is wrong."""
    session.execute(update(Duty).where(*_held(held)).values(parked_why=why[:1024]))


def learn_limit(session: Session, held: Holding, devices: int) -> None:
    """Remember how many devices the UEM takes in a call."""
    session.execute(update(Duty).where(*_held(held)).values(batch_limit=devices))


def reap(now: datetime) -> int:
    """Close the runs whose worker is gone or whose lease ended; their duties are due again."""
    mine = (Duty.integration_id == DutyRun.integration_id) & (Duty.name == DutyRun.duty)
    running = select(DutyRun, Duty).join(Duty, mine).where(DutyRun.state == SyncRunState.RUNNING)
    if not db.session.execute(running.limit(1)).first():
        return 0
    with write() as session:
        dead = [pair for pair in session.execute(running) if _is_dead(*pair, now)]
        for run, duty in dead:
            run.state, run.finished_at, run.reason, run.step = SyncRunState.ABORTED, now, DIED, ""
            if duty.fence == run.fence:
                duty.lease_owner = duty.lease_until = None
                duty.next_at, duty.whole = now, True
    return len(dead)


def _is_dead(run: DutyRun, duty: Duty, now: datetime) -> bool:
    ours = (duty.lease_owner, duty.fence) == (run.owner, run.fence)
    return is_gone(run.owner) or not ours or (duty.lease_until or now) <= now


def _held(held: Holding) -> tuple[ColumnElement[bool], ...]:
    mine = (Duty.integration_id == held.integration_id, Duty.name == held.name)
    return (*mine, Duty.lease_owner == held.owner, Duty.fence == held.fence)


def _claimable(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        Integration.state == IntegrationState.ACTIVE,
        Integration.stopped_why.is_(None),
        Integration.redact_pending.is_(False),
        Integration.awaits_sync.is_(False),
        Duty.next_at <= now,
        Duty.parked_why.is_(None),
        or_(Duty.lease_until.is_(None), Duty.lease_until < now),
    )


def _row(session: Session, integration_id: int, name: DutyName) -> Duty:
    duty = session.get(Duty, (integration_id, name))
    if duty is None:
        duty = Duty(integration_id=integration_id, name=name, whole=True, failures=0, fence=0)
        session.add(duty)
    return duty
