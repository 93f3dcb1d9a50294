"""Recount the install base, and forget versions of apps that no device has any more."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, exists, func, select

from harmony.clock import now
from harmony.db import bulk, db, release, table_of, write
from harmony.models import App, AppException, Device, InstalledApp

ROWS_PER_WRITE = 500
# An app that has just gone may come back with the next list; its page need not go in between.
_KEPT_WITHOUT_DEVICES = timedelta(days=1)

_UPDATE_APP_INSTALLS = "UPDATE app SET installs = installs + ? WHERE id = ?"


def recount() -> None:
    """Correct the counts: deleting a device does not update those of its apps."""
    wrong = _wrong()
    release()
    for start in range(0, len(wrong), ROWS_PER_WRITE):
        steps = [(step, id_) for id_, step in wrong[start : start + ROWS_PER_WRITE]]
        with write() as session:
            # By how much it was wrong, not what is right: others count on meanwhile.
            bulk.execute_many(session, _UPDATE_APP_INSTALLS, steps)
    _forget(now())


def _wrong() -> Sequence[tuple[int, int]]:
    """Select the apps that are counted wrongly, and what their counts lack."""
    live = (
        select(InstalledApp.app_id, func.count(InstalledApp.device_id.distinct()).label("devices"))
        .join(Device, Device.id == InstalledApp.device_id)
        .where(Device.deleted_at.is_(None))
        .group_by(InstalledApp.app_id)
        .subquery()
    )
    right = func.coalesce(live.c.devices, 0)
    rows = select(App.id, right - App.installs).outerjoin(live, live.c.app_id == App.id)
    return [(id_, step) for id_, step in db.session.execute(rows.where(right != App.installs))]


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
