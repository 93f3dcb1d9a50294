"""The job that sends the messages of one integration: claim, deliver, say how it ended, plan the next."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from harmony.clock import now
from harmony.db import write
from harmony.jobs import lease
from harmony.jobs.heartbeat import LeaseKeeper
from harmony.jobs.kinds import JobKind
from harmony.jobs.lease import Lease
from harmony.jobs.outcome import OVERTAKEN, Outcome, of_database
from harmony.jobs.presence import identity
from harmony.jobs.runner import EarlyOutcomes, attempt_without_uem, recording_outcome
from harmony.messages import claims
from harmony.messages.channel import open_sender
from harmony.messages.delivery import Opener, Round, exclusive
from harmony.messages.outcome import PAUSED, STOPPED, of_locked, of_round
from harmony.messages.results import DeliveryCounts
from harmony.messages.schedule import BREAK
from harmony.models import JobRun, Message, MessageState

log = logging.getLogger(__name__)

_NAME = "message run"


@dataclass(frozen=True, slots=True)
class _MessageRun:
    lease: Lease
    should_stop: Callable[[], bool]
    counts: DeliveryCounts = field(default_factory=DeliveryCounts)


def send_messages(
    integration_id: int, should_stop: Callable[[], bool] = lambda: False, opener: Opener = open_sender
) -> None:
    """Do the job if it is due and free. Every end is written to its run's row."""
    with exclusive() as is_alone:
        if not is_alone:
            lease.postpone(integration_id, JobKind.MESSAGES, now() + BREAK, now())
            return
        claimed = lease.claim(integration_id, JobKind.MESSAGES, identity(), now())
        if claimed is not None:
            _run(_MessageRun(claimed, should_stop), opener)


def _run(work: _MessageRun, opener: Opener) -> None:
    outcome = _attempt(work, opener)
    with recording_outcome(_NAME, work):
        _finish(work, outcome)


def _attempt(work: _MessageRun, opener: Opener) -> Outcome:
    def renew(session: Session, current_time: datetime) -> None:
        lease.renew(session, work.lease, current_time)

    def take(watch: LeaseKeeper) -> Outcome:
        return of_round(Round(work.lease.integration_id, watch.go_on, opener, work.counts).deliver())

    outcomes = EarlyOutcomes(_NAME, of_locked, of_database, STOPPED, PAUSED, OVERTAKEN)
    return attempt_without_uem(work, renew, take, outcomes)


def _finish(work: _MessageRun, outcome: Outcome) -> None:
    current_time, id_ = now(), work.lease.integration_id
    with write() as session:
        next_at = claims.next_due(id_, current_time, is_cut=work.counts.is_cut)
        counts = {**work.counts.numbers(), "waiting": _waiting(session, id_)}
        session.execute(update(JobRun).where(JobRun.id == work.lease.run_id).values(counts=counts))
        lease.settle(session, work.lease, outcome, next_at, current_time)
    log.info("Message run %d of integration %d: %s.", work.lease.run_id, id_, outcome.state)


def _waiting(session: Session, integration_id: int) -> int:
    states = (MessageState.QUEUED, MessageState.SENDING)
    chosen = (Message.integration_id == integration_id, Message.state.in_(states))
    return session.scalar(select(func.count()).select_from(Message).where(*chosen)) or 0
