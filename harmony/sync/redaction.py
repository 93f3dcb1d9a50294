"""Purges personal data that was imported and is no longer to be: at once, in batches, restartable."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Table, func, literal, select, update
from sqlalchemy.orm import Session

from harmony.db import bulk, changed, db, release, table_of, write
from harmony.jobs import device_sync
from harmony.models import Device, Integration
from harmony.models.configuration import Synchronization
from harmony.sync import indexing
from harmony.uem.device_keys import search_text
from harmony.uem.privacy import PLACEHOLDER_EMAIL

log = logging.getLogger(__name__)

_SEARCHED = (Device.name, Device.serial, Device.udid, Device.user_name, Device.email)
_UPDATE_SEARCH_TEXT = "UPDATE device SET search_text = ? WHERE id = ?"
# Small enough that no other writer waits long for its turn.
ROWS_PER_WRITE = 2000


def purge(integration_id: int) -> int:
    """Blank what the Synchronization page in force does not import. Returns how many devices it touched.

    Does nothing unless `redact_pending` is set, and takes that back at the end; the next sync writes the
    devices anew. An edit in the middle leaves it set, and the next call sees to what that one changed.
    """
    integration = db.session.get(Integration, integration_id)
    if integration is None or not integration.redact_pending:
        return 0
    version, values = integration.version, _blanks(table_of(Device), device_sync.choice(integration))
    ranges = list(_ranges(integration_id))
    release()
    cleared = sum(_blank(integration_id, first, values) for first in ranges)
    _done(integration_id, version)
    log.info("Personal data of %d devices of integration %d was purged.", cleared, integration_id)
    return cleared


def finish_pending() -> None:
    """Finish what a process that died had begun."""
    pending = select(Integration.id).where(Integration.redact_pending.is_(True))
    for integration_id in db.session.scalars(pending).all():
        purge(integration_id)


def _blanks(device: Table, choice: Synchronization) -> dict[str, Any]:
    """The values, by column, that leave of a device only what `choice` imports.

    Without a fingerprint it counts as changed at the next sync.
    """
    column = device.c
    values: dict[str, Any] = {"fingerprint": ""}
    if not choice.import_name:
        values |= {"name": "", "name_key": "", "user_name": ""}
    if not choice.import_number:
        values["phone"] = ""
    if not choice.import_email:
        values["email"] = func.replace(literal(PLACEHOLDER_EMAIL), "{udid}", column.udid)
    return values


def _ranges(integration_id: int) -> Iterator[int]:
    """The first row id of each batch."""
    ends = select(func.min(Device.id), func.max(Device.id)).where(Device.integration_id == integration_id)
    first, last = db.session.execute(ends).one()
    return iter(range(first, last + 1, ROWS_PER_WRITE) if first is not None else ())


def _blank(integration_id: int, first: int, values: dict[str, Any]) -> int:
    conditions = (
        Device.integration_id == integration_id,
        Device.id >= first,
        Device.id < first + ROWS_PER_WRITE,
    )
    with write() as session:
        cleared = changed(session, update(table_of(Device)).where(*conditions).values(values))
        _fold_again(session, conditions)
    return cleared


def _fold_again(session: Session, conditions: Sequence[ColumnElement[bool]]) -> None:
    """Leave nothing to be found by what is no longer stored."""
    rows = session.execute(select(Device.id, *_SEARCHED).where(*conditions)).all()
    bulk.execute_many(session, _UPDATE_SEARCH_TEXT, [(search_text(*texts), id_) for id_, *texts in rows])


def _done(integration_id: int, version: int) -> None:
    conditions = (Integration.id == integration_id, Integration.version == version)
    with write() as session:
        indexing.empty(session)
        session.execute(update(Integration).where(*conditions).values(redact_pending=False))
