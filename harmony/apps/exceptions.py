"""App exceptions: set or lifted at once, and brought to the devices by the worker, a batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import delete, select, union, update
from sqlalchemy.orm import Session

from harmony.apps.findings import APP_CODES, BLOCKED, apply_exceptions, titled
from harmony.audit import SCHEDULE, audit
from harmony.clock import now
from harmony.db import db, release, write
from harmony.models import (
    Action,
    App,
    AppDecision,
    AppException,
    Finding,
    InstalledApp,
    Severity,
    Verb,
)
from harmony.protection.change import EventLine
from harmony.protection.expiry import counts
from harmony.protection.record import record_events

# A commit of so many devices is short enough that no other writer waits for it.
DEVICES_PER_WRITE = 500
WORDS = {Action.BLOCK: "Block", Action.LOW: "Low", Action.MEDIUM: "Medium", Action.NO_RISK: "No Risk"}


class Decision(NamedTuple):
    """A decision on an app; `action` None lifts its exception, `ends_on` is the last day it counts."""

    action: Action | None
    reason: str
    by: str
    at: datetime
    ends_on: date | None = None


def decide(app: App, decision: Decision) -> bool:
    """Set the exception of every version of an app, or lift it. False when it is so already.

    The devices follow in the worker: enqueue its task afterwards.
    """
    with write() as session:
        same = (AppException.platform == app.platform, AppException.identifier == app.identifier)
        row = session.scalar(select(AppException).where(*same))
        before = Action(row.action) if row else None
        if decision.action is before and (row is None or _grounds(row) == _grounds(decision)):
            return False
        if decision.action is None:
            session.execute(delete(AppException).where(*same))
        else:
            row = row or AppException(platform=app.platform, identifier=app.identifier)
            _fill(row, decision)
            session.add(row)
        _insert_decision(session, app, decision)
        _record_events(session, app, before, decision)
        return True


def end_expired(now: datetime) -> int:
    """Lift the exceptions that no longer count at `now`; return how many. Enqueue the task afterwards."""
    rows = db.session.scalars(select(AppException).where(AppException.ends_on.is_not(None))).all()
    over = [end_of(row, SCHEDULE, now) for row in rows if not counts(row.ends_on, now)]
    release()
    return sum(decide(app, decision) for app, decision in over)


def end_of(row: AppException, by: str, now: datetime) -> tuple[App, Decision]:
    """Return the app of an exception, and the decision that lifts it."""
    same = (App.platform == row.platform, App.identifier == row.identifier)
    named = db.session.scalar(select(App.name).where(*same).order_by(App.id.desc()).limit(1))
    app = App(platform=row.platform, identifier=row.identifier, name=named or row.identifier)
    reason = f"Ended on {row.ends_on:%d %b %Y}." if by == SCHEDULE else "Ended."
    return app, Decision(None, reason, by, now)


def pending() -> Sequence[int]:
    """Return the decisions whose devices have not all been brought in line, the oldest first."""
    rows = select(AppDecision.id).where(AppDecision.done_at.is_(None)).order_by(AppDecision.id)
    return db.session.scalars(rows).all()


def carry_out(should_stop: Callable[[], bool] = lambda: False) -> None:
    """Bring devices in line with every decision; after a kill another call goes on."""
    for id_ in pending():
        devices = _devices(db.session.get_one(AppDecision, id_))
        release()
        for start in range(0, len(devices), DEVICES_PER_WRITE):
            if should_stop() or not _step(id_, devices[start : start + DEVICES_PER_WRITE]):
                return
        _done(id_)


def _insert_decision(session: Session, app: App, decision: Decision) -> None:
    """Add a line of its history that is also the work to be done; an older one not done yet is overtaken."""
    same = (AppDecision.platform == app.platform, AppDecision.identifier == app.identifier)
    not_done = (*same, AppDecision.done_at.is_(None))
    session.execute(update(AppDecision).where(*not_done).values(done_at=decision.at))
    line = AppDecision(platform=app.platform, identifier=app.identifier)
    _fill(line, decision)
    session.add(line)


def _fill(row: AppException | AppDecision, decision: Decision) -> None:
    row.action, row.reason, row.by = decision.action or "", decision.reason, decision.by
    row.at, row.ends_on = decision.at, decision.ends_on


def _grounds(line: AppException | Decision) -> tuple[str, date | None]:
    return line.reason, line.ends_on


def _record_events(session: Session, app: App, before: Action | None, decision: Decision) -> None:
    verb = Verb.POLICY_CHANGED
    if Action.BLOCK in {before, decision.action}:
        verb = Verb.BLOCKED if decision.action is Action.BLOCK else Verb.UNBLOCKED
    detail = (
        f"{titled(app.name, app.identifier)}: {WORDS[decision.action] if decision.action else 'no exception'}"
    )
    severity = Severity.WARNING if verb is Verb.BLOCKED else Severity.INFORMATION
    record_events(
        session, [EventLine(decision.at, verb, severity, vector=BLOCKED.vector.value, detail=detail)]
    )
    what = "Set an app exception" if decision.action else "Lifted an app exception"
    after = decision.action
    changes = [("Exception", WORDS[before] if before else "none", WORDS[after] if after else "none")]
    audit(session, decision.by, what, decision.at, detail=detail, changes=changes)


def _devices(decision: AppDecision) -> list[int]:
    """Select the devices still to be looked at: those that have the app or a finding about it."""
    version = (App.platform == decision.platform, App.identifier == decision.identifier)
    have = select(InstalledApp.device_id.label("id")).join(App, App.id == InstalledApp.app_id).where(*version)
    about = (Finding.closed_at.is_(None), Finding.code.in_((BLOCKED.code, *APP_CODES)))
    found = select(Finding.device_id.label("id")).where(*about, Finding.subject == decision.identifier)
    every = union(have, found).subquery()
    rows = select(every.c.id).where(every.c.id > decision.done_up_to).order_by(every.c.id)
    return list(db.session.scalars(rows))


def _step(decision_id: int, device_ids: Sequence[int]) -> bool:
    """Do one batch; return False when a newer decision has taken over."""
    with write() as session:
        decision = session.get(AppDecision, decision_id)
        if decision is None or decision.done_at is not None:
            return False
        changed = apply_exceptions(session, device_ids, now(), decision.identifier)
        decision.devices += changed
        decision.done_up_to = max(decision.done_up_to, device_ids[-1])
        return True


def _done(decision_id: int) -> None:
    with write() as session:
        pending = (AppDecision.id == decision_id, AppDecision.done_at.is_(None))
        session.execute(update(AppDecision).where(*pending).values(done_at=now()))
