"""The state of the jobs of an integration, in words for its page and for their own pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from flask import url_for
from sqlalchemy import bindparam, select

from harmony.clock import now
from harmony.config import current_settings
from harmony.db import db
from harmony.jobs import call_share, runs, server_waits
from harmony.jobs.kinds import KINDS, JobKind, Words
from harmony.jobs.lease import FIRST_SYNC
from harmony.jobs.quota import Share
from harmony.jobs.runs import NewestRuns
from harmony.models import Integration, IntegrationState, Job, JobRun
from harmony.web.shared.layout import Banner

# Built once, which takes longer than to run it.
_SELECT_JOBS = select(Job).where(Job.integration_id == bindparam("integration_id"))


@dataclass(frozen=True, slots=True)
class JobStatus:
    """A job with its run under way and its last one; `waiting`: somebody asked, no worker has begun yet.

    `first_sync`: it waits for a complete device sync with new Server Details. `server_wait` says until when
    the UEM asked that nothing is started.
    """

    kind: JobKind
    words: Words
    job: Job | None
    running: JobRun | None
    last: JobRun | None
    waiting: bool
    first_sync: bool
    server_wait: str | None

    @property
    def parked_why(self) -> str | None:
        """Why it does not start by itself; with `first_sync` a device sync starts it, else a person."""
        if self.first_sync:
            return FIRST_SYNC
        return self.job.parked_why if self.job else None


def job_status(integration: Integration, kind: JobKind) -> JobStatus:
    """Return the status of one job of the integration."""
    return job_statuses(integration)[kind]


def job_statuses(integration: Integration, newest: NewestRuns | None = None) -> dict[JobKind, JobStatus]:
    """Return the status of each job of the integration; `newest`: its newest runs, if they are known."""
    newest = newest or runs.newest_of_all(db.session(), integration.id)
    jobs = {job.kind: job for job in db.session.scalars(_SELECT_JOBS, {"integration_id": integration.id})}
    wait = server_waits.why_waiting(integration, now())
    return {kind: _status(integration, kind, jobs.get(kind), newest, wait) for kind in JobKind}


def _status(
    integration: Integration, kind: JobKind, job: Job | None, newest: NewestRuns, wait: str | None
) -> JobStatus:
    running, last = newest.under_way.get(kind), newest.ended.get(kind)
    active = integration.state == IntegrationState.ACTIVE
    asked = active and job is not None and job.requested_at is not None
    waiting = asked and running is None
    asks_uem = KINDS[kind].asks_uem
    first_sync = asks_uem and integration.awaits_sync
    wait = wait if asks_uem else None
    return JobStatus(kind, KINDS[kind].words, job, running, last, waiting, first_sync, wait)


def share(integration: Integration, now: datetime) -> Share:
    """Return what reading apps has used of its share of the UEM's daily calls."""
    return call_share.of_apps(integration.id, current_settings().apps_quota_percent, now)


def parked(integration: Integration, statuses: Mapping[JobKind, JobStatus] | None = None) -> Iterator[Banner]:
    """One banner for each job that waits for a person; that of tagging has a button (tags/_trouble.html).

    `statuses`: those of its jobs, if they are known.
    """
    if integration.awaits_sync:
        words, href = (
            KINDS[JobKind.APPS].words,
            url_for("jobs.index", integration_id=integration.id, kind="apps"),
        )
        yield Banner("info", f"{words.title}: {FIRST_SYNC}", href, words.title)
        return
    for job in _parked_jobs(integration, statuses):
        words = KINDS[JobKind(job.kind)].words
        href = url_for("jobs.index", integration_id=integration.id, kind=job.kind)
        text = f"{words.title} waits for you: {job.parked_why} Then choose {words.ask}."
        yield Banner("warning", text, href, words.title)


def _parked_jobs(integration: Integration, statuses: Mapping[JobKind, JobStatus] | None) -> list[Job]:
    if statuses is None:
        of_integration = {"integration_id": integration.id}
        jobs = list(db.session.scalars(_SELECT_JOBS.where(Job.parked_why.is_not(None)), of_integration))
    else:
        jobs = [status.job for status in statuses.values() if status.job is not None]
    waiting = (job for job in jobs if job.parked_why is not None and job.kind != JobKind.TAGGING)
    return sorted(waiting, key=lambda job: job.kind)


def why_not(integration: Integration, kind: JobKind) -> str:
    """Why it could not be started, and what to do."""
    if KINDS[kind].asks_uem and integration.awaits_sync:
        return f"{KINDS[kind].words.title} was not started. {FIRST_SYNC}"
    start = f"{KINDS[kind].words.title} was not started:"
    if integration.state == IntegrationState.PAUSED:
        return f"{start} the integration is paused. Resume it first."
    return f"{start} {integration.stopped_reason} Edit Server Details and save them."
