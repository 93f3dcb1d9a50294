"""Select the devices whose apps are to be read from the UEM, and count the calls they may cost."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, TextClause, func, or_, select, text

from harmony.apps.app_lists import ReadingOutcome
from harmony.apps.reader import DeviceToRead
from harmony.db import db
from harmony.jobs import runs
from harmony.jobs.kinds import JobKind
from harmony.models import (
    AppReading,
    Device,
    JobRun,
    SyncRunState,
)
from harmony.protection.risk import APPLE
from harmony.sync.current_ids import has_current_id


def waiting(integration_id: int) -> int:
    """Count the devices that were in contact since their apps were read in full, or never had them read."""
    count = select(func.count()).select_from(Device).outerjoin(AppReading)
    return db.session.scalar(count.where(*_unread(integration_id))) or 0


def targets(integration_id: int, most: int) -> list[DeviceToRead]:
    """Return at most so many of them: those never read first, then the longest not read.

    Those whose apps could not be read in full come last, so that they keep nobody waiting.
    """
    last = func.coalesce(AppReading.outcome, ReadingOutcome.WHOLE) != ReadingOutcome.WHOLE
    rows = (
        select(Device.id, Device.external_id, Device.last_seen_at, AppReading.outcome)
        .outerjoin(AppReading)
        .where(*_unread(integration_id))
        .order_by(last, AppReading.read_at.is_not(None), AppReading.read_at, Device.id)
        .limit(most)
    )
    return [
        DeviceToRead(id_, external_id or "", seen, outcome == ReadingOutcome.FAILED)
        for id_, external_id, seen, outcome in db.session.execute(rows)
    ]


def fetched_at(integration_id: int) -> datetime | None:
    """Return when apps were last fetched for any device of the integration, by a run that got that far."""
    fetched = (JobRun.calls > 0, JobRun.state.not_in((SyncRunState.FAILED, SyncRunState.AUTH_FAILED)))
    newest = runs.newest(db.session(), integration_id, JobKind.APPS, *fetched)
    return newest.heartbeat_at if newest else None


def was_read(integration_id: int) -> bool:
    """Tell whether the apps of any device of the integration were ever read."""
    listed = select(AppReading.device_id).join(Device).where(Device.integration_id == integration_id)
    return db.session.scalar(listed.where(AppReading.listed_at.is_not(None)).limit(1)) is not None


def _unread(integration_id: int) -> tuple[ColumnElement[bool] | TextClause, ...]:
    """The UEM's own time is compared with itself, so that it does not matter how its clock differs.

    No device is asked for by an id of a former UEM.
    """
    moved = or_(AppReading.seen_at.is_(None), Device.last_seen_at != AppReading.seen_at)
    return (
        Device.integration_id == integration_id,
        Device.deleted_at.is_(None),
        Device.external_id.is_not(None),
        func.lower(Device.platform).in_(APPLE),
        text(has_current_id("device")),
        or_(
            AppReading.device_id.is_(None),
            AppReading.outcome != ReadingOutcome.WHOLE,
            Device.last_seen_at.is_not(None) & moved,
        ),
    )
