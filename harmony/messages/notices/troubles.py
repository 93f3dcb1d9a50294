"""Looks for troubles: what the database says of integrations, the worker and the devices, in words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from harmony.backup import record
from harmony.config import current_settings
from harmony.jobs import runs
from harmony.jobs.kinds import JobKind
from harmony.jobs.presence import worker_seen_at
from harmony.messages.notices.kinds import NoticeKind
from harmony.messages.notices.rules import Trouble, TroubleKey
from harmony.models import (
    AppException,
    Destination,
    DestinationState,
    DeviceStatus,
    Hold,
    HoldState,
    Integration,
    IntegrationState,
    Protection,
    SyncRunState,
)
from harmony.protection.catalogue import factor_of
from harmony.protection.expiry import ends_soon
from harmony.protection.policy import in_force
from harmony.uem.trust.certificates import WARN_DAYS, CertificateRefused, read_upload

WORKER_SILENT_AFTER = timedelta(minutes=3)
_FAILURES = 3
_FAILING_DESTINATION_AFTER = timedelta(minutes=15)
_LOST_FOR = timedelta(days=7)
# Of fewer devices a percentage says little.
_FEWEST_REGISTERED = 10
_TOKEN_SOON = timedelta(days=2)
_ENDINGS = {
    SyncRunState.FAILED: "is failing",
    SyncRunState.AUTH_FAILED: "cannot sign in to the UEM",
    SyncRunState.INCOMPLETE: "is read incompletely",
}
_BAD = frozenset(_ENDINGS)
_NUMBER = re.compile(r"\d[\d.,:]*")
# Told again as the end comes nearer.
_DAYS_LEFT = (1, 7, WARN_DAYS)


def troubles(session: Session, now: datetime) -> Iterator[Trouble]:
    """Yield every trouble that exists now."""
    states = (IntegrationState.ACTIVE, IntegrationState.PAUSED)
    integrations = session.scalars(select(Integration).where(Integration.state.in_(states))).all()
    for integration in integrations:
        yield from _of_integration(session, integration, now)
    yield from _held(session, integrations)
    yield from _exceptions(session, now)
    yield from _worker(now)
    yield from _backup(now)
    yield from _unheard(session)
    yield from _destinations(session, now)


def _of_integration(session: Session, integration: Integration, now: datetime) -> Iterator[Trouble]:
    page = f"/integrations/{integration.id}"
    if integration.stopped_why:
        text = f"{integration.stopped_reason} Nothing is synced until Server Details are edited and saved."
        key, title = TroubleKey(NoticeKind.STOPPED, str(integration.id)), f"{integration.name} is stopped"
        yield Trouble(key, integration.stopped_why, title, text, f"{page}/setup/server")
    # Also of a stopped one: that it is stopped now does not end what was told before.
    yield from _failing(session, integration, page)
    yield from _certificate(integration, page, now)
    yield from _token(integration, page, now)


def _failing(session: Session, integration: Integration, page: str) -> Iterator[Trouble]:
    """Yield a trouble when the last full syncs, so many in a row, read nothing or not everything."""
    full = runs.of_job(integration.id, JobKind.DEVICES, runs.FULL_SYNC, runs.ENDED)
    last = session.scalars(full.limit(_FAILURES)).all()
    if len(last) < _FAILURES or any(run.state not in _BAD for run in last):
        return
    state = "quarantined" if integration.sync_job.quarantined else last[0].state
    title = f"{integration.name} {_ENDINGS[SyncRunState(last[0].state)]}"
    text = (
        f"The last {_FAILURES} full syncs in a row did not end well. {last[0].reason} {_since(integration)}"
    )
    key = TroubleKey(NoticeKind.FAILING, str(integration.id))
    yield Trouble(key, _cause(state, last[0].reason), title, text, page)


def _cause(state: str, sentence: str) -> str:
    """Return what is the same for every run that ends for the same reason: counts and times differ.

    >>> _cause("failed", "Page 3 of 40 did not come.")
    'failed: Page # of # did not come.'
    """
    return f"{state}: {_NUMBER.sub('#', sentence)}"[:1024]


def _since(integration: Integration) -> str:
    if fresh := integration.fresh_as_of:
        return f"The last good one began {fresh:%d %b %Y, %H:%M} UTC; devices are kept as they were."
    return "None has succeeded yet."


def _certificate(integration: Integration, page: str, now: datetime) -> Iterator[Trouble]:
    server, name = integration.in_force.server, integration.name
    if not server.self_signed or not server.certificate:
        return
    key, href = TroubleKey(NoticeKind.CERTIFICATE, str(integration.id)), f"{page}/setup/server"
    try:
        days = min(certificate.days_left for certificate in read_upload(server.certificate, now).certificates)
    except CertificateRefused:
        text = "It has expired, or cannot be used any more: syncs fail until the new one is uploaded."
        yield Trouble(key, "expired", f"The certificate of {name} has expired", text, href)
        return
    if nearest := next((limit for limit in _DAYS_LEFT if days < limit), None):
        text = f"It ends in {days} days. Upload the new one on Server Details before that."
        yield Trouble(key, f"below {nearest}", f"The certificate of {name} ends soon", text, href)


def _token(integration: Integration, page: str, now: datetime) -> Iterator[Trouble]:
    until = integration.in_force.deployment.former_until
    if until is not None and now < until <= now + _TOKEN_SOON:
        text = (
            f"It is accepted until {until:%d %b %Y, %H:%M} UTC. Devices whose app configuration still has it "
            "cannot register after that; Events say which registered with it lately."
        )
        title = f"The former token of {integration.name} ends soon"
        key = TroubleKey(NoticeKind.TOKEN, str(integration.id))
        yield Trouble(key, until.isoformat(), title, text, f"{page}/setup/deployment")


def _held(session: Session, integrations: Sequence[Integration]) -> Iterator[Trouble]:
    names = {integration.id: integration.name for integration in integrations}
    for hold in session.scalars(select(Hold).where(Hold.state == HoldState.OPEN)).all():
        if name := names.get(hold.integration_id):
            text = f"A sync would have deleted {hold.devices:,} of {hold.live:,} devices. None was deleted."
            key = TroubleKey(NoticeKind.HELD, str(hold.integration_id))
            page = f"/integrations/{hold.integration_id}/holds"
            yield Trouble(key, f"hold {hold.id}", f"Deletions of {name} wait for you", text, page)


def _exceptions(session: Session, now: datetime) -> Iterator[Trouble]:
    """Yield a trouble for each exception of an app, and each changed risk, whose last day is near."""
    rows = select(AppException).where(AppException.ends_on.is_not(None)).order_by(AppException.id)
    ends = [(f"app:{row.id}", row.identifier, row.ends_on) for row in session.scalars(rows)]
    _version, record = in_force(session)
    for code, override in record.overrides.items():
        ends.append((f"risk:{code}"[:64], factor_of(code).name, override.ends_on))
    for subject, name, last_day in ends:
        if last_day is not None and ends_soon(last_day, now):
            text = f"It counts until the end of {last_day:%d %b %Y} (UTC). Prolong it, or let it end."
            key = TroubleKey(NoticeKind.EXCEPTION, subject)
            yield Trouble(
                key,
                last_day.isoformat(),
                f"The exception of {name} ends soon"[:256],
                text,
                "/settings/exceptions",
            )


def _worker(now: datetime) -> Iterator[Trouble]:
    seen = worker_seen_at(now)
    if seen is not None and now - seen > WORKER_SILENT_AFTER:
        text = f"It was last seen on {seen:%d %b %Y, %H:%M} UTC. Devices are not synced; see the log."
        yield Trouble(TroubleKey(NoticeKind.WORKER, ""), "silent", "The worker is silent", text)


def _backup(now: datetime) -> Iterator[Trouble]:
    if text := record.trouble(now):
        yield Trouble(TroubleKey(NoticeKind.BACKUP, ""), "missing", "No recent backup", text)


def _destinations(session: Session, now: datetime) -> Iterator[Trouble]:
    """Yield a trouble for each destination that has failed for long, was stopped, or lost records."""
    for row in session.scalars(select(Destination).order_by(Destination.id)):
        key, page = TroubleKey(NoticeKind.DESTINATION, str(row.id)), f"/settings/destinations/{row.id}"
        if row.lost_at is not None and now - row.lost_at < _LOST_FOR:
            text = f"{row.lost:,} records were older than is kept and were removed before they had been sent."
            yield Trouble(key, "lost", f"Destination {row.name} has lost records", text, page)
        elif row.state == DestinationState.STOPPED:
            text = f"{row.reason} Nothing more is sent to it until you resume it."
            yield Trouble(key, "stopped", f"Destination {row.name} was stopped", text, page)
        elif row.failing_since is not None and now - row.failing_since > _FAILING_DESTINATION_AFTER:
            yield Trouble(
                key, _cause("failing", row.reason), f"Destination {row.name} is failing", row.reason, page
            )


def _unheard(session: Session) -> Iterator[Trouble]:
    """Yield a trouble when more than a share of the registered devices is inactive."""
    counted = select(Protection.status, func.count()).group_by(Protection.status)
    counts = {status: count for status, count in session.execute(counted)}
    inactive, most = counts.get(DeviceStatus.INACTIVE, 0), current_settings().silent_devices_percent
    registered = inactive + counts.get(DeviceStatus.ACTIVE, 0)
    if registered >= _FEWEST_REGISTERED and inactive * 100 > most * registered:
        text = f"{inactive:,} of {registered:,} registered devices have not been heard from for too long."
        title = f"More than {most} % of the devices are inactive"
        yield Trouble(TroubleKey(NoticeKind.UNHEARD, ""), "above", title, text, "/devices?status=inactive")
