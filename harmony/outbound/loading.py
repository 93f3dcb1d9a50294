"""Reads the feed for a destination: some lines after its cursor, each with what is known of its device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from harmony.models import Destination, Device, FeedKind, FeedRow, Integration, Severity
from harmony.outbound.record import OutboundRecord, RecordDevice, Selection, severities_from

# More would make a page wait for a number that nobody can use.
MOST_COUNTED = 100_000
_FEED = (
    FeedRow.id, FeedRow.at, FeedRow.kind, FeedRow.name, FeedRow.severity, FeedRow.details,
    FeedRow.subject_id, FeedRow.integration_id, FeedRow.device_id, Integration.name.label("integration"),
)  # fmt: skip
_PLAIN = ("external_id", "platform", "model", "os_version", "ownership")
_PERSONAL = ("name", "serial", "udid", "imei", "user_name", "email", "phone")
_DEVICE = tuple(getattr(Device, name).label(f"device_{name}") for name in _PLAIN + _PERSONAL)
_STATE = (Device.id.label("there"), Device.status.label("device_status"), Device.risk.label("device_risk"))


@dataclass(frozen=True, slots=True)
class FeedBatch:
    """Some lines of the feed, of which `records` are for the destination; `last_id` is that of the last."""

    records: Sequence[OutboundRecord]
    last_id: int


def selection_of(destination: Destination) -> Selection:
    """Return what a destination asks for."""
    return Selection(frozenset(destination.kinds), Severity(destination.least_severity), destination.personal)


def next_batch(session: Session, selection: Selection, after: int, most: int) -> FeedBatch | None:
    """Return the next lines after an id; None when there are none."""
    return _batch(session, selection, FeedRow.id > after, most)


def batch_between(session: Session, selection: Selection, first: int, last: int) -> FeedBatch | None:
    """Return the lines from `first` to `last`, for a replay; None when none is kept any more."""
    return _batch(session, selection, FeedRow.id.between(first, last), last - first + 1)


def newest_id(session: Session) -> int:
    """Return the id of the newest line; 0 before the first."""
    return session.scalar(select(func.max(FeedRow.id))) or 0


def waiting_condition(selection: Selection, cursor: int) -> ColumnElement[bool]:
    """Return the condition of the lines that wait for a destination."""
    severe = or_(FeedRow.kind == FeedKind.AUDIT, FeedRow.severity.in_(severities_from(selection.least)))
    return and_(FeedRow.id > cursor, FeedRow.kind.in_(sorted(selection.kinds)), severe)


def _batch(session: Session, selection: Selection, lines: ColumnElement[bool], most: int) -> FeedBatch | None:
    # An id may be given again after a removal: what is older than its bearer meant another one.
    of_device = (Device.id == FeedRow.device_id) & (Device.created_at <= FeedRow.at)
    of_integration = (Integration.id == FeedRow.integration_id) & (Integration.created_at <= FeedRow.at)
    statement = select(*_FEED, *_STATE, *_DEVICE).outerjoin(Device, of_device)
    statement = statement.outerjoin(Integration, of_integration).where(lines)
    rows = session.execute(statement.order_by(FeedRow.id).limit(most)).all()
    if not rows:
        return None
    taken = [_record(row, selection) for row in rows if selection.takes(row.kind, row.severity)]
    return FeedBatch(taken, rows[-1].id)


def _record(row: Any, selection: Selection) -> OutboundRecord:
    return OutboundRecord(
        row.id, row.at, FeedKind(row.kind), row.name, Severity(row.severity), row.details,
        integration_id=row.integration_id, subject_id=row.subject_id, device_id=row.device_id,
        integration=row.integration or str(row.details.get("integration", "")),
        device=_device(row, selection.personal) if row.there is not None else None,
    )  # fmt: skip


def _device(row: Any, personal: bool) -> RecordDevice:
    names = _PLAIN + _PERSONAL if personal else _PLAIN
    values = {name: getattr(row, f"device_{name}") or "" for name in names}
    # A status of None is Provisioned: no Protect app looks at the device.
    return RecordDevice(row.there, risk=row.device_risk if row.device_status else None, **values)
