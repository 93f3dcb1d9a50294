"""The facts on the integration pages: read from rows that a process wrote, never guessed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from harmony.db import db
from harmony.jobs import runs, server_waits
from harmony.jobs.kinds import JobKind
from harmony.jobs.outcome import GOOD
from harmony.models import (
    EventListener,
    Integration,
    IntegrationState,
    JobRun,
    SkippedDevice,
    SyncKind,
)
from harmony.models.configuration import IN_FORCE
from harmony.setup.wizard_state import WizardState
from harmony.sync.deletion import soft_delete
from harmony.web.deletions import text as deletion_text
from harmony.web.devices import counts as device_counts
from harmony.web.event_notifications import text as event_text
from harmony.web.integrations.status_lines import (
    last_full_sync,
    newest_sync,
    placeholders,
    status_lines,
    unreplaced,
)
from harmony.web.integrations.tags_left import FINISHED
from harmony.web.runs import job_status
from harmony.web.runs.queries import table_context
from harmony.web.shared.banners import attention
from harmony.web.shared.hidden import shown
from harmony.web.shared.layout import Banner
from harmony.web.wizard.context import verification_context

_RECENT_RUNS = 10
_SKIPPED_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the list."""

    integration: Integration
    devices: int
    holds: list[Banner]
    running: JobRun | None
    last: JobRun | None


def rows(live: Mapping[int, int] | None = None) -> list[Row]:
    """Return every integration with its running run and its last full sync.

    `live` are its devices by integration, if they were counted already.
    """
    listed = select(Integration).where(*shown(Integration.id)).order_by(Integration.name, Integration.id)
    every = db.session.scalars(listed).all()
    return [
        Row(
            row,
            device_count(row.id) if live is None else live.get(row.id, 0),
            _waiting_deletions(row.id),
            running(row.id),
            last_full_sync(row.id),
        )
        for row in every
    ]


def lines_of(rows: Sequence[Row], now: datetime) -> dict[int, dict[str, Any]]:
    """Return the five lines of each integration that is in force."""
    finished = [row.integration for row in rows if row.integration.state in FINISHED]
    return {integration.id: status_lines(integration, now) for integration in finished}


def attention_on(integration: Integration, now: datetime) -> list[Banner]:
    """Return what the integration's page says on top, the gravest first; held deletions stand elsewhere."""
    last = runs.newest_of_all(db.session(), integration.id).ended.get(JobKind.DEVICES)
    listener, refused = db.session.get(EventListener, integration.id), unreplaced(integration.id, now)
    wait = server_waits.why_waiting(integration, now)
    said = attention(integration, integration.in_force.server, last, wait, now)
    return [*said, *job_status.parked(integration), *_warnings(integration, listener, refused)]


def _attention_of(line: Mapping[str, Any], integration: Integration, now: datetime) -> list[Banner]:
    """Return the same out of the five lines, which have read all of it."""
    said = attention(integration, line["server"], line["newest"], line["pushes"].server_wait, now)
    parked = job_status.parked(integration, line["job_statuses"])
    return [*said, *parked, *_warnings(integration, line["listener"], line["placeholders"])]


def _warnings(integration: Integration, listener: EventListener | None, refused: int) -> list[Banner]:
    banners = event_text.stopped(integration, listener), placeholders(integration, refused)
    return [banner for banner in banners if banner is not None]


def page(integration: Integration, now: datetime) -> dict[str, Any]:
    """Return the context of the integration page and of its status part."""
    newest_runs, numbers = runs.newest_of_all(db.session(), integration.id), counts(integration.id)
    line = status_lines(integration, now, numbers["statuses"], newest_runs)
    newest, last, job = line["newest"], line["last"], integration.sync_job
    under_way = newest_runs.under_way.get(JobKind.DEVICES)
    due = job.next_at is not None and job.next_at <= now
    startable = integration.state == IntegrationState.ACTIVE and not integration.stopped_why
    # Counting looks at every device, and while a sync runs the page asks for itself every two seconds.
    lacking = {} if under_way else device_counts.lacking(integration)
    syncs = {
        "line": line,
        "running": under_way,
        "last": last,
        "refresh": newest if newest and _is_bad_refresh(newest) else None,
        "waiting": startable and under_way is None and (due or job.requested_at is not None),
        "runs": recent(integration.id),
        "skipped": skipped(last),
        "held": _waiting_deletions(integration.id),
        "attention": _attention_of(line, integration, now),
        "lacking": lacking,
        "pushes": line["pushes"],
        "awaits_sync": line["awaits_sync"],
        "other_jobs": _other_jobs(line["job_statuses"]),
    }
    return syncs | table_context() | numbers | verification_context(WizardState(integration), IN_FORCE)


def _is_bad_refresh(run: JobRun) -> bool:
    return run.sync_kind == SyncKind.DELTA and run.state not in GOOD


def counts(integration_id: int) -> dict[str, Any]:
    """The numbers of its devices, each of which leads to the rows behind it."""
    numbers = device_counts.of_integration(integration_id)
    return {
        "devices": numbers.live,
        "missing": numbers.missing,
        "deleted": numbers.deleted,
        "unlisted": numbers.unlisted,
        "statuses": numbers.statuses,
        "risks": numbers.risks,
    }


def _other_jobs(statuses: Mapping[JobKind, job_status.JobStatus]) -> list[job_status.JobStatus]:
    """Return the status of each kind of job that has no words of its own on the page."""
    elsewhere = {JobKind.DEVICES, JobKind.APPS, JobKind.TAGGING}
    return [status for kind, status in statuses.items() if kind not in elsewhere]


def running(integration_id: int) -> JobRun | None:
    """Return the run under way."""
    return newest_sync(integration_id, runs.UNDER_WAY)


def recent(integration_id: int) -> Sequence[JobRun]:
    """Return the newest runs, newest first; those for events are elsewhere."""
    syncs = runs.of_job(integration_id, JobKind.DEVICES, JobRun.sync_kind != SyncKind.EVENTS)
    return db.session.scalars(syncs.limit(_RECENT_RUNS)).all()


def skipped(run: JobRun | None) -> Sequence[SkippedDevice]:
    """Return the first devices that a run could not read."""
    if run is None or not run.count("skipped"):
        return []
    of_run = SkippedDevice.run_id == run.id
    return db.session.scalars(
        select(SkippedDevice).where(of_run).order_by(SkippedDevice.id).limit(_SKIPPED_SHOWN)
    ).all()


def _waiting_deletions(integration_id: int) -> list[Banner]:
    """Return what to say while deletions wait."""
    return list(deletion_text.banners(deletion_text.pending(integration_id)))


def device_count(integration_id: int) -> int:
    """Count the live devices of the integration, missing ones included."""
    return soft_delete.live(integration_id)
