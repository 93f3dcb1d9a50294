"""What somebody should look at, and why a sync does not start; in words, with the next step."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import lru_cache

from flask import url_for

from harmony.jobs import caution, server_waits
from harmony.jobs.kinds import JobKind, resting_in_caution
from harmony.jobs.presence import WORKER_SILENT_AFTER, worker_seen_at
from harmony.models import Integration, IntegrationState, JobRun, SyncKind
from harmony.models.configuration import SERVER, ServerDetails
from harmony.uem.trust.certificates import WARN_DAYS, CertificateRefused, read_upload
from harmony.web.shared.layout import Banner

_LOW_QUOTA_PERCENT = 10

_CLEARING = (
    "Personal data that is no longer imported is being cleared. A sync starts once that is done, "
    "within a minute or two."
)


def attention(
    integration: Integration, server: ServerDetails, newest: JobRun | None, wait: str | None, now: datetime
) -> Iterator[Banner]:
    """Yield the banners of the integration's page, the gravest first.

    `newest` is its newest ended run; `wait` says why nothing of it starts yet.
    """
    edit = url_for("wizard.show", integration_id=integration.id, page=SERVER)
    if integration.stopped_why:
        text = f"Stopped: {integration.stopped_reason} Nothing is synced until Server Details are edited."
        yield Banner("danger", text, edit, "Edit Server Details")
    elif integration.sync_job.quarantined and integration.state == IntegrationState.ACTIVE:
        yield Banner("danger", _quarantine(integration), edit, "Edit Server Details")
    if integration.redact_pending:
        yield Banner("info", _CLEARING)
    if wait:
        yield Banner("info", f"{wait} Syncs, app syncs and tagging start again after that.")
    if server.self_signed and (ending := _certificate(server.certificate, now)):
        yield Banner("warning", ending, edit, "Upload the new one")
    if newest is not None and _is_low(newest.quota_left, newest.quota_limit):
        yield Banner("warning", _quota(newest.quota_left or 0, newest.quota_limit or 0))


def why_no_sync(integration: Integration, what: str = "No sync was started") -> str:
    """Explain why Sync Now, or another wish that `what` names, could not start anything, and what to do."""
    if integration.state == IntegrationState.PAUSED:
        return f"{what}: the integration is paused. Resume it; that starts a sync at once."
    if integration.stopped_why:
        return f"{what}: {integration.stopped_reason} Edit Server Details and save them."
    return f"{what}: the set-up of this integration is not finished."


def already_running(run: JobRun) -> str:
    """Say since when and by whom a sync is under way, and what becomes of the wish for one."""
    since = f"since {run.started_at:%H:%M:%S} UTC, started by {run.started_by}"
    if run.sync_kind == SyncKind.DELTA:
        return f"Recently seen devices are being refreshed {since}. The full sync starts right after it."
    if run.sync_kind == SyncKind.EVENTS:
        return f"Devices that UEM events named are being read {since}. The full sync starts right after it."
    return f"A sync is already running {since}. No second one was started."


def waits_for_worker(
    integration: Integration, now: datetime, what: str = "The sync", kind: JobKind = JobKind.DEVICES
) -> str | None:
    """Explain why `what` was asked for and does not start yet; None when it does."""
    if integration.redact_pending:
        return _CLEARING
    if kind in resting_in_caution() and caution.since() is not None:
        return f"{what} is asked for. {caution.SENTENCE} It starts once an administrator confirms."
    if wait := server_waits.why_waiting(integration, now):
        return f"{wait} {what} starts by itself after that."
    seen = worker_seen_at(now)
    if seen is not None and now - seen <= WORKER_SILENT_AFTER:
        return None
    since = f"no worker has been seen since {seen:%d %b %Y, %H:%M} UTC" if seen else "no worker has run yet"
    return f"{what} is asked for, but {since}. It starts by itself once Harmony's worker runs again."


def _quarantine(integration: Integration) -> str:
    fresh = integration.fresh_as_of
    since = (
        f"No sync has succeeded since {fresh:%d %b %Y, %H:%M} UTC." if fresh else "No sync has succeeded yet."
    )
    due, failures = integration.sync_job.next_at, integration.sync_job.failures
    return (
        f"Quarantined: the last {failures} syncs in a row failed. {since} Devices are kept as "
        "they were. Harmony tries less often now, at least once a day"
        + (f"; the next try is at {due:%d %b %Y, %H:%M} UTC. " if due else ". ")
        + "Verify says what is wrong; Sync Now tries at once. One good sync ends it."
    )


def _certificate(pem: str, now: datetime) -> str | None:
    # From the next minute on, so that a certificate that was made just now is in force.
    return _certificate_at(pem, now.replace(second=0, microsecond=0) + timedelta(minutes=1))


# The part of a page that follows a run asks every two seconds, and a tenth of its time was to read this.
@lru_cache(maxsize=64)
def _certificate_at(pem: str, minute: datetime) -> str | None:
    try:
        days = min(certificate.days_left for certificate in read_upload(pem, minute).certificates)
    except CertificateRefused:
        return "The certificate of the server has expired or cannot be used any more; syncs will fail."
    return f"The certificate of the server ends in {days} days." if days < WARN_DAYS else None


def _is_low(left: int | None, limit: int | None) -> bool:
    return left is not None and limit is not None and left * 100 < _LOW_QUOTA_PERCENT * limit


def _quota(left: int, limit: int) -> str:
    return (
        f"Only {left:,} of the UEM's {limit:,} calls a day are left. The quota is shared with your other "
        "integrations; a sync that finds none left waits until it is renewed."
    )
