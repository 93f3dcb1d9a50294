"""Counts the calls that a purpose has made to a UEM against its share of the day's calls."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, or_, select

from harmony.audit import EVENTS
from harmony.db import db
from harmony.jobs.kinds import JobKind
from harmony.jobs.quota import DAY, Share, Spent, share
from harmony.models import Integration, IntegrationState, JobRun, SyncKind
from harmony.models.configuration import SERVER, ServerDetails, from_row
from harmony.uem.trust.address import reduced


def of_apps(integration_id: int, percent: int, now: datetime) -> Share:
    """Return the calls the app sync may make now."""
    return _share(integration_id, percent, now, JobRun.kind == JobKind.APPS)


def of_events(integration_id: int, percent: int, now: datetime) -> Share:
    """Return the calls that events may cause now; full syncs that they asked for count too."""
    caused = or_(JobRun.sync_kind == SyncKind.EVENTS, JobRun.started_by == EVENTS)
    return _share(integration_id, percent, now, JobRun.kind == JobKind.DEVICES, caused)


def _share(integration_id: int, percent: int, now: datetime, *purpose: ColumnElement[bool]) -> Share:
    """Count the calls of these runs over every integration of the same server."""
    ids = _same_server(integration_id)
    recent = (JobRun.integration_id.in_(ids), JobRun.started_at > now - DAY)
    rows = db.session.execute(select(JobRun.started_at, JobRun.calls).where(*purpose, *recent))
    return share(_limit(ids), percent, [Spent(at, calls) for at, calls in rows], now)


def _same_server(integration_id: int) -> list[int]:
    connected = select(Integration).where(Integration.state != IntegrationState.DRAFT)
    servers = {integration.id: _address(integration) for integration in db.session.scalars(connected)}
    own = servers.get(integration_id)
    return [id_ for id_, address in servers.items() if address == own or id_ == integration_id]


def _address(integration: Integration) -> str:
    page = integration.page(SERVER)
    server = from_row(ServerDetails, page.applied if page else None)
    return reduced(server.server_address).casefold().rstrip("/")


def _limit(integration_ids: Sequence[int]) -> int | None:
    """Return the daily quota as an answer last named it, in whichever run."""
    named = (JobRun.integration_id.in_(integration_ids), JobRun.quota_limit.is_not(None))
    return db.session.scalar(select(JobRun.quota_limit).where(*named).order_by(JobRun.id.desc()).limit(1))
