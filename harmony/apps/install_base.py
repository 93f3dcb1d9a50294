"""Recount the install base, and forget versions of apps that no device has any more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, exists, func, select

from harmony.clock import now
from harmony.db import bulk, db, release, table_of, write
from harmony.models import App, AppException, Device, InstalledApp

ROWS_PER_WRITE = 500
# As many are counted under the lock in a tenth of a second.
_DEVICES_PER_WRITE = 50_000
# An app that has just gone may come back with the next list; its page need not go in between.
_KEPT_WITHOUT_DEVICES = timedelta(days=1)

_UPDATE_APP_INSTALLS = """
UPDATE app SET installs = (
  SELECT count(DISTINCT i.device_id) FROM installed_app i JOIN device d ON d.id = i.device_id
  WHERE i.app_id = app.id AND d.deleted_at IS NULL)
WHERE id = ?
"""


def recount() -> None:
    """Correct the counts: deleting a device does not update those of its apps."""
    wrong = _wrong()
    release()
    for ids in _batches(wrong):
        with write() as session:
            # Counted again under the lock: another worker may have corrected them since.
            bulk.execute_many(session, _UPDATE_APP_INSTALLS, [(id_,) for id_ in ids])
    _forget(now())


def _wrong() -> Sequence[tuple[int, int]]:
    """Select the apps that are counted wrongly, and how many devices have them."""
    live = (
        select(InstalledApp.app_id, func.count(InstalledApp.device_id.distinct()).label("devices"))
        .join(Device, Device.id == InstalledApp.device_id)
        .where(Device.deleted_at.is_(None))
        .group_by(InstalledApp.app_id)
        .subquery()
    )
    right = func.coalesce(live.c.devices, 0)
    rows = select(App.id, right).outerjoin(live, live.c.app_id == App.id).where(right != App.installs)
    return [(id_, devices) for id_, devices in db.session.execute(rows.order_by(App.id))]


def _batches(wrong: Sequence[tuple[int, int]]) -> Iterator[list[int]]:
    """Yield the ids in portions that are counted in one short write."""
    batch: list[int] = []
    devices = 0
    for id_, count in wrong:
        batch.append(id_)
        devices += count
        if len(batch) == ROWS_PER_WRITE or devices >= _DEVICES_PER_WRITE:
            yield batch
            batch, devices = [], 0
    if batch:
        yield batch


def _forget(at: datetime) -> None:
    same = (AppException.platform == App.platform) & (AppException.identifier == App.identifier)
    unused = select(App.id).where(
        App.installs <= 0,
        App.first_seen_at < at - _KEPT_WITHOUT_DEVICES,
        ~exists().where(InstalledApp.app_id == App.id),
        ~exists().where(same),
    )
    ids = db.session.scalars(unused).all()
    release()
    for start in range(0, len(ids), ROWS_PER_WRITE):
        some = ids[start : start + ROWS_PER_WRITE]
        still = ~exists().where(InstalledApp.app_id == App.id)
        with write() as session:
            session.execute(delete(table_of(App)).where(App.id.in_(some), still))
