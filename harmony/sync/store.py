"""Reads what is known of a page's devices, and writes what the plan says of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.orm import Session

from harmony.db import db, table_of, write
from harmony.models import Device, Membership
from harmony.sync.plan import Incoming, Known, PagePlan

# Small enough that no other writer waits long for its turn.
ROWS_PER_WRITE = 1000

# What a record of the UEM and a row call alike.
SAME_NAME = (
    "external_id", "uuid", "udid", "serial", "imei", "name", "phone", "email", "user_name", "platform",
    "model", "os_version", "ownership", "group_id", "group_name", "enrollment_status", "compliance",
    "compromised", "enrolled_at",
)  # fmt: skip

DEVICES = table_of(Device)
MEMBERSHIPS = table_of(Membership)


def known_devices(integration_id: int, external_ids: Collection[str]) -> dict[str, Known]:
    """What the database holds of these devices, by the UEM's id."""
    rows = db.session.execute(
        select(Device.external_id, Device.id, Device.fingerprint, Device.last_seen_at, Device.missing_since)
        .where(Device.integration_id == integration_id, Device.external_id.in_(external_ids))
    )  # fmt: skip
    return {row[0]: Known(row[1], row[2], row[3], row[4] is not None) for row in rows}


def write_page(session: Session, integration_id: int, plan: PagePlan, now: datetime) -> None:
    """Write one page's changes inside the caller's `write()`. Unchanged devices are not touched."""
    if plan.reappeared:
        changes = [{"row": id_} for id_ in plan.reappeared]
        session.execute(_where_row(update(DEVICES)).values(missing_since=None), changes)
    if plan.touched:
        moved = [{"row": id_, "seen": seen} for id_, seen in plan.touched]
        session.execute(_where_row(update(DEVICES)).values(last_seen_at=bindparam("seen")), moved)
    _create(session, integration_id, plan.create, now)
    _update(session, plan.update, now)


def mark_missing(
    integration_id: int, is_seen: Callable[[str, str], bool], now: datetime, beat: Callable[[Session], None]
) -> int:
    """Mark the devices that a complete snapshot did not list; they are kept. Returns how many.

    `is_seen` takes the UEM's id and the UDID; `beat` renews the lease inside each batch's transaction.
    """
    live = select(Device.id, Device.external_id, Device.udid).where(
        Device.integration_id == integration_id, Device.missing_since.is_(None)
    )
    rows = db.session.execute(live.execution_options(yield_per=ROWS_PER_WRITE))
    gone = [id_ for id_, external_id, udid in rows if not is_seen(external_id, udid)]
    for batch in _batches(gone, ROWS_PER_WRITE):
        with write() as session:
            beat(session)
            marks = [{"row": id_} for id_ in batch]
            session.execute(_where_row(update(DEVICES)).values(missing_since=now), marks)
    return len(gone)


def _create(session: Session, integration_id: int, created: Sequence[Incoming], now: datetime) -> None:
    if not created:
        return
    fixed: dict[str, Any] = {"integration_id": integration_id, "created_at": now}
    session.execute(insert(DEVICES), [fixed | _columns(one, now) for one in created])
    external_ids = [one.device.external_id for one in created]
    known = known_devices(integration_id, external_ids)
    _join(session, ((known[one.device.external_id].id, one) for one in created))


def _update(session: Session, updated: Sequence[tuple[int, Incoming]], now: datetime) -> None:
    if not updated:
        return
    names = _columns(updated[0][1], now)
    statement = _where_row(update(DEVICES)).values({name: bindparam(f"new_{name}") for name in names})
    rows = [
        {"row": id_} | {f"new_{name}": value for name, value in _columns(one, now).items()}
        for id_, one in updated
    ]
    session.execute(statement, rows)
    session.execute(delete(MEMBERSHIPS).where(MEMBERSHIPS.c.device_id.in_([id_ for id_, _ in updated])))
    _join(session, updated)


def _join(session: Session, devices: Iterable[tuple[int, Incoming]]) -> None:
    rows = [
        {"device_id": id_, "group_kind": kind, "group_id": group}
        for id_, one in devices
        for kind, group in one.memberships
    ]
    session.execute(insert(MEMBERSHIPS), rows)


def _columns(one: Incoming, now: datetime) -> dict[str, Any]:
    device = one.device
    return {name: getattr(device, name) for name in SAME_NAME} | {
        "udid_key": device.udid.casefold(),
        "name_key": device.name.casefold(),
        "last_seen_at": device.last_seen,
        "search_text": search_text(device.name, device.serial, device.udid, device.user_name),
        "fingerprint": one.fingerprint,
        "updated_at": now,
    }


def search_text(*parts: str) -> str:
    """What the search on the Devices page looks in: folded, so that case does not matter."""
    return "\n".join(parts).casefold()


def _where_row(statement: Any) -> Any:
    return statement.where(DEVICES.c.id == bindparam("row"))


def _batches(ids: Sequence[int], size: int) -> Iterator[list[int]]:
    pending = iter(ids)
    while batch := list(islice(pending, size)):
        yield batch
