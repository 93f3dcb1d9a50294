"""The vendor's five lines of an integration: UEM Server, Device Sync, App Sync, Tagging, Deployment."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from flask import url_for
from sqlalchemy import ColumnElement

from harmony.apps import targets
from harmony.config import current_settings
from harmony.db import db
from harmony.device_api.errors import ERRORS
from harmony.device_api.registration import refusals
from harmony.jobs import runs
from harmony.jobs.kinds import JobKind
from harmony.jobs.runs import NewestRuns
from harmony.models import (
    DeviceStatus,
    EventListener,
    Integration,
    JobRun,
    Verification,
)
from harmony.models.configuration import IN_FORCE, SERVER
from harmony.setup.drafts import digest
from harmony.web.devices import counts as device_counts
from harmony.web.event_notifications import text as event_text
from harmony.web.runs import job_status
from harmony.web.shared.layout import Banner
from harmony.web.tags.state import tagging_context

_REFUSED_WITHIN = timedelta(days=7)


def status_lines(
    integration: Integration,
    now: datetime,
    statuses: Mapping[DeviceStatus, int] | None = None,
    newest: NewestRuns | None = None,
) -> dict[str, Any]:
    """Return what the partial of the five lines needs; its devices by status and newest runs, if known."""
    in_force, listener = integration.in_force, db.session.get(EventListener, integration.id)
    newest = newest or runs.newest_of_all(db.session(), integration.id)
    jobs = job_status.job_statuses(integration, newest)
    return {
        "job_statuses": jobs,
        "listener": listener,
        "server": in_force.server,
        "verified": last_verify(integration),
        "newest": newest.ended.get(JobKind.DEVICES),
        "last": newest.full_sync,
        "choice": in_force.synchronization,
        "deployment": in_force.deployment,
        "deleted_kept_days": current_settings().deleted_kept_days,
        "apps": jobs[JobKind.APPS],
        "apps_fetched_at": targets.fetched_at(integration.id),
        "apps_share": job_status.share(integration, now),
        "events": event_text.state(listener) if listener else None,
        "statuses": statuses or device_counts.of_integration(integration.id).statuses,
    } | (tagging_context(integration, jobs[JobKind.TAGGING]) | _refused(integration.id, now))


def last_verify(integration: Integration) -> Verification | None:
    """Return the newest Verify of the server that is in force, asked here or in the wizard."""
    page, tried = integration.page(SERVER), integration.verification(SERVER)
    applied = page.applied if page else None
    if tried and applied and tried.digest != digest(applied):
        tried = None
    asked = [row for row in (tried, integration.verification(IN_FORCE)) if row is not None]
    return max(asked, key=lambda row: row.started_at, default=None)


def last_full_sync(integration_id: int) -> JobRun | None:
    """Return the last full sync that ended, however it ended: a refresh after it mends nothing of it."""
    return newest_sync(integration_id, runs.ENDED, runs.FULL_SYNC)


def newest_sync(integration_id: int, *conditions: ColumnElement[bool]) -> JobRun | None:
    """Return the newest device sync that meets the conditions."""
    return runs.newest(db.session(), integration_id, JobKind.DEVICES, *conditions)


def unreplaced(integration_id: int, now: datetime) -> int:
    """Count the registrations that were refused lately because of a placeholder."""
    return refusals.total(integration_id, refusals.PLACEHOLDERS, now - _REFUSED_WITHIN)


def placeholders(integration: Integration, count: int) -> Banner | None:
    """Say that the UEM does not replace look-up values, so that devices cannot register."""
    if not count:
        return None
    carried = "registration carried" if count == 1 else "registrations carried"
    text = f"{count:,} {carried} a placeholder that the UEM did not replace, in the last 7 days."
    href = url_for("app_configuration.show", integration_id=integration.id)
    return Banner("warning", text, href, "Check the app configuration")


def _refused(integration_id: int, now: datetime) -> dict[str, int]:
    since = now - _REFUSED_WITHIN
    found = refusals.by_error(integration_id, since)
    replaced = sum(found[error] for error in refusals.PLACEHOLDERS)
    return {"placeholders": replaced, "refused": sum(found[error] for error in ERRORS)}
