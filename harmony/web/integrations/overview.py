"""The facts on the integration pages: read from rows that a process wrote, never guessed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select

from harmony.apps import targets
from harmony.db import db
from harmony.jobs.kinds import JobKind
from harmony.jobs.outcome import GOOD
from harmony.models import (
    Device,
    Integration,
    IntegrationState,
    SkippedDevice,
    SyncKind,
    SyncRun,
    SyncRunState,
)
from harmony.models.configuration import (
    IN_FORCE,
    SERVER,
)
from harmony.setup.wizard_state import WizardState
from harmony.sync.deletion import soft_delete
from harmony.web.deletions import text as deletion_text
from harmony.web.devices import counts as device_counts
from harmony.web.runs import job_status
from harmony.web.runs.queries import KINDS
from harmony.web.shared.banners import attention
from harmony.web.shared.layout import Banner
from harmony.web.tags.state import tagging_context
from harmony.web.wizard.context import verification_context

_RECENT_RUNS = 10
_SKIPPED_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the list."""

    integration: Integration
    devices: int
    held: list[Banner]
    running: SyncRun | None
    last: SyncRun | None


def rows(_now: datetime) -> list[Row]:
    """Return every integration with its running run and its last full sync."""
    every = db.session.scalars(select(Integration).order_by(Integration.name, Integration.id)).all()
    return [
        Row(row, device_count(row.id), _waiting_deletions(row.id), running(row.id), _last_full_sync(row.id))
        for row in every
    ]


def page(integration: Integration, now: datetime) -> dict[str, Any]:
    """The context of the integration page and of its status part."""
    under_way, last = running(integration.id), _last_full_sync(integration.id)
    newest = _newest(integration.id, SyncRun.state != SyncRunState.RUNNING)
    in_force = integration.in_force
    server = in_force.server
    job = integration.sync_job
    due = job.next_at is not None and job.next_at <= now
    startable = integration.state == IntegrationState.ACTIVE and not integration.stopped_why
    syncs = {
        "running": under_way,
        "last": last,
        "newest": newest,
        "refresh": newest if newest and newest.kind == SyncKind.DELTA and newest.state not in GOOD else None,
        "kinds": KINDS,
        "waiting": startable and under_way is None and (due or job.requested_at is not None),
        "runs": recent(integration.id),
        "skipped": skipped(last),
        "server": server,
        "held": _waiting_deletions(integration.id),
        "attention": [*attention(integration, server, newest, now), *job_status.parked(integration)],
        "last_verified": last_verified(integration),
        "choice": in_force.synchronization,
        "deployment": in_force.deployment,
    }
    more = counts(integration.id) | _apps(integration, now) | tagging_context(integration)
    return syncs | more | verification_context(WizardState(integration), IN_FORCE)


def counts(integration_id: int) -> dict[str, Any]:
    """The numbers of its devices, each of which leads to the rows behind it."""
    return {
        "devices": device_count(integration_id),
        "missing": missing_count(integration_id),
        "deleted": soft_delete.deleted(integration_id),
        "unlisted": soft_delete.unlisted(integration_id),
        "statuses": device_counts.by_status(integration_id),
        "risks": device_counts.by_risk(integration_id),
    }


def _apps(integration: Integration, now: datetime) -> dict[str, Any]:
    return {
        "apps": job_status.job_status(integration, JobKind.APPS),
        "apps_fetched_at": targets.fetched_at(integration.id),
        "apps_share": job_status.share(integration, now),
        "other_jobs": _other_jobs(integration),
    }


def _other_jobs(integration: Integration) -> list[job_status.JobStatus]:
    """Return the status of each kind of job that has no words of its own on the page."""
    kinds = [kind for kind in JobKind if kind not in {JobKind.DEVICES, JobKind.APPS, JobKind.TAGGING}]
    return [job_status.job_status(integration, kind) for kind in kinds]


def last_verified(integration: Integration) -> datetime | None:
    """Return when the server was last asked, in the wizard or from the integration's page."""
    asked = [row.started_at for row in integration.verifications if row.subject in {SERVER, IN_FORCE}]
    return max(asked, default=None)


def running(integration_id: int) -> SyncRun | None:
    """Return the run under way."""
    return _newest(integration_id, SyncRun.state == SyncRunState.RUNNING)


def _last_full_sync(integration_id: int) -> SyncRun | None:
    """The last full sync that came to an end, however it ended: a refresh after it mends nothing of it."""
    return _newest(integration_id, SyncRun.state != SyncRunState.RUNNING, SyncRun.kind == SyncKind.SNAPSHOT)


def _newest(integration_id: int, *conditions: ColumnElement[bool]) -> SyncRun | None:
    runs = select(SyncRun).where(SyncRun.integration_id == integration_id, *conditions)
    return db.session.scalar(runs.order_by(SyncRun.id.desc()).limit(1))


def recent(integration_id: int) -> Sequence[SyncRun]:
    """Return the newest runs, newest first."""
    newest = SyncRun.integration_id == integration_id
    return db.session.scalars(
        select(SyncRun).where(newest).order_by(SyncRun.id.desc()).limit(_RECENT_RUNS)
    ).all()


def skipped(run: SyncRun | None) -> Sequence[SkippedDevice]:
    """Return the first devices that a run could not read."""
    if run is None or not run.skipped:
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


def missing_count(integration_id: int) -> int:
    """Count the live devices that the last complete sync did not list."""
    own, absent = Device.integration_id == integration_id, Device.missing_since.is_not(None)
    # The second `absent` lets their index win over the others.
    live = (absent, Device.absent_from.is_not(None), Device.deleted_at.is_(None))
    return db.session.scalar(select(func.count()).select_from(Device).where(own, *live)) or 0
