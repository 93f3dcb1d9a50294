"""The state of the jobs of an integration, in words for its page and for their own pages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from flask import url_for
from sqlalchemy import select

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


def job_status(integration: Integration, kind: JobKind, newest: NewestRuns | None = None) -> JobStatus:
    """Return where a job of the integration stands; `newest`: its newest runs, if they are known."""
    job = db.session.get(Job, (integration.id, kind))
    newest = newest or runs.newest_of_all(db.session(), integration.id)
    running, last = newest.under_way.get(kind), newest.ended.get(kind)
    active = integration.state == IntegrationState.ACTIVE
    asked = active and job is not None and job.requested_at is not None
    waiting = asked and running is None
    asks_uem = KINDS[kind].asks_uem
    wait = server_waits.why_waiting(integration, now()) if asks_uem else None
    first_sync = asks_uem and integration.awaits_sync
    return JobStatus(kind, KINDS[kind].words, job, running, last, waiting, first_sync, wait)


def share(integration: Integration, now: datetime) -> Share:
    """Return what reading apps has used of its share of the UEM's daily calls."""
    return call_share.of_apps(integration.id, current_settings().apps_quota_percent, now)


def parked(integration: Integration) -> Iterator[Banner]:
    """One banner for each job that waits for a person; that of tagging has a button (tags/_trouble.html)."""
    if integration.awaits_sync:
        words, href = (
            KINDS[JobKind.APPS].words,
            url_for("jobs.index", integration_id=integration.id, kind="apps"),
        )
        yield Banner("info", f"{words.title}: {FIRST_SYNC}", href, words.title)
        return
    other = Job.kind != JobKind.TAGGING
    conditions = (Job.integration_id == integration.id, Job.parked_why.is_not(None), other)
    for job in db.session.scalars(select(Job).where(*conditions).order_by(Job.kind)):
        words = KINDS[JobKind(job.kind)].words
        href = url_for("jobs.index", integration_id=integration.id, kind=job.kind)
        text = f"{words.title} waits for you: {job.parked_why} Then choose {words.ask}."
        yield Banner("warning", text, href, words.title)


def why_not(integration: Integration, kind: JobKind) -> str:
    """Why it could not be started, and what to do."""
    if KINDS[kind].asks_uem and integration.awaits_sync:
        return f"{KINDS[kind].words.title} was not started. {FIRST_SYNC}"
    start = f"{KINDS[kind].words.title} was not started:"
    if integration.state == IntegrationState.PAUSED:
        return f"{start} the integration is paused. Resume it first."
    return f"{start} {integration.stopped_reason} Edit Server Details and save them."
