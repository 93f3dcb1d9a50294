"""How a duty of an integration stands: what runs, what is asked for, how it ended last, why it is parked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, select

from harmony.db import db
from harmony.models import Duty, DutyName, DutyRun, Integration, IntegrationState, SyncRunState
from harmony.sync.outcome import GOOD


@dataclass(frozen=True, slots=True)
class DutyState:
    """`running` is the run under way, `last` the newest that ended; `waiting`: asked for, not begun yet.

    `good_at` is when a run last ended well; `next_at` when the next one is planned.
    """

    running: DutyRun | None
    last: DutyRun | None
    waiting: bool
    parked_why: str | None
    good_at: datetime | None
    next_at: datetime | None

    @property
    def under_way(self) -> bool:
        """Whether a page about it should follow."""
        return self.waiting or self.running is not None


def state_of(integration: Integration, name: DutyName) -> DutyState:
    """Read from the rows that the worker wrote."""
    duty = db.session.get(Duty, (integration.id, name))
    newest = _newest(integration.id, name)
    running = newest if newest is not None and newest.state == SyncRunState.RUNNING else None
    asked = duty is not None and duty.requested_at is not None
    return DutyState(
        running=running,
        last=_newest(integration.id, name, DutyRun.state != SyncRunState.RUNNING) if running else newest,
        waiting=asked and running is None and integration.state == IntegrationState.ACTIVE,
        parked_why=duty.parked_why if duty else None,
        good_at=_good_at(integration.id, name),
        next_at=duty.next_at if duty else None,
    )


def _newest(integration_id: int, name: DutyName, *conditions: ColumnElement[bool]) -> DutyRun | None:
    mine = (DutyRun.integration_id == integration_id, DutyRun.duty == name, *conditions)
    return db.session.scalar(select(DutyRun).where(*mine).order_by(DutyRun.id.desc()).limit(1))


def _good_at(integration_id: int, name: DutyName) -> datetime | None:
    good = _newest(integration_id, name, DutyRun.state.in_(GOOD))
    return good.finished_at if good else None
