"""The tagging job: claim, bring the UEM to what is wanted, say how it ended and when it goes on."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from harmony.apps.outcome import OVERTAKEN, PlannedOutcome, of_database, of_locked
from harmony.clock import now
from harmony.db import db, release, write
from harmony.jobs import lease, runs
from harmony.jobs.heartbeat import LeaseKeeper
from harmony.jobs.kinds import JobKind
from harmony.jobs.lease import Lease
from harmony.jobs.presence import identity
from harmony.jobs.runner import Outcomes, attempt, recording_outcome
from harmony.jobs.uem_client import ClientFactory, open_client
from harmony.models import Device, Integration, Job, JobRun
from harmony.models.configuration import SERVER, TAGGING, ServerDetails, Tagging, from_row
from harmony.tagging import outbox
from harmony.tagging.call_size import CallSize
from harmony.tagging.outcome import PAUSED, STOPPED, of_error, retry_wait
from harmony.tagging.plan import PER_CALL
from harmony.tagging.reconcile import OVERLAP, TaggingRun
from harmony.tagging.run_context import RunContext
from harmony.uem.client import UemClient
from harmony.uem.errors import UemError

log = logging.getLogger(__name__)

_NAME = "tagging run"


def tag(
    integration_id: int, should_stop: Callable[[], bool] = lambda: False, opener: ClientFactory = open_client
) -> None:
    """Do the job if it is due and free. Every end is written to its run's row."""
    claimed = lease.claim(integration_id, JobKind.TAGGING, identity(), now())
    if claimed is None:
        return
    work = _load(claimed, should_stop)
    end = _attempt(work, opener)
    with recording_outcome(_NAME, work):
        _finish(work, end)


def _load(claimed: Lease, should_stop: Callable[[], bool]) -> RunContext:
    integration = db.session.get_one(Integration, claimed.integration_id)
    job = db.session.get_one(Job, (claimed.integration_id, claimed.kind))
    applied = {page.name: page.applied for page in integration.pages}
    work = RunContext(
        claimed,
        integration.kind,
        from_row(ServerDetails, applied.get(SERVER)),
        from_row(Tagging, applied.get(TAGGING)),
        should_stop,
        began=now(),
        since=None if claimed.whole else _since(job),
        failures=job.failures,
        size=CallSize(job.batch_limit or PER_CALL),
    )
    release()
    return work


def _since(job: Job) -> datetime | None:
    """From when on changes of protection are all there is; None when devices came, went or changed too."""
    if job.done_up_to is None or job.done_up_to > now():  # the clock was ahead
        return None
    since = job.done_up_to - OVERLAP
    moved = or_(JobRun.finished_at >= since, runs.UNDER_WAY)
    conditions = (Device.integration_id == job.integration_id, Device.deleted_at >= since)
    found = runs.newest(db.session(), job.integration_id, JobKind.DEVICES, moved) or db.session.scalar(
        select(Device.id).where(*conditions).limit(1)
    )
    return since if found is None else None


def _attempt(work: RunContext, opener: ClientFactory) -> PlannedOutcome:
    def renew(session: Session, current_time: datetime) -> None:
        lease.renew(session, work.lease, current_time)

    def take(client: UemClient, _watch: LeaseKeeper) -> PlannedOutcome:
        try:
            return PlannedOutcome(TaggingRun(work, client).take())
        finally:
            work.note_usage(client)

    def ended(error: UemError) -> PlannedOutcome:
        return of_error(error, work.counts, work.server.use_oauth2)

    outcomes = Outcomes(_NAME, of_locked, of_database, STOPPED, PAUSED, OVERTAKEN, ended)
    return attempt(work, opener, renew, take, outcomes)


def _finish(work: RunContext, end: PlannedOutcome) -> None:
    """Close the run, plan the next one, and wait for a person where only one can help."""
    current_time, claimed = now(), work.lease
    next_at = work.next_at
    work.counts.waiting, (work.counts.failed, _) = outbox.waiting(work.id), outbox.failed(work.id)
    if end.park or not end.outcome.good:
        next_at = end.next_at(current_time + retry_wait(work.failures + 1), current_time)
    with write() as session:
        work.show(session, current_time)
        if end.park:
            lease.park(session, claimed, f"{end.outcome.reason} {end.outcome.advice}".strip())
        if work.size.learned is not None:
            lease.learn_limit(session, claimed, work.size.learned)
        lease.settle(session, claimed, end.outcome, next_at, current_time, done_up_to=work.began)
    log.info("Tagging run %d of integration %d: %s.", claimed.run_id, work.id, end.outcome.state)
