"""Devices as rows, without a sync or a Protect app; plans of statements; snapshots that list some of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Select, insert, select, text
from sqlalchemy.orm import Session

from harmony.db import db, release, table_of, write
from harmony.jobs.tally import Tally
from harmony.models import (
    Absence,
    Device,
    DeviceStatus,
    Hold,
    Integration,
    JobRun,
    Membership,
    Protection,
    Risk,
    SyncKind,
    SyncRunState,
)
from harmony.models.configuration import SYNCHRONIZATION, Synchronization, from_row
from harmony.sync.deletion import holds
from harmony.sync.deletion.evaluate import Departed, depart
from harmony.sync.deletion.missing import Snapshot
from harmony.uem.device_keys import search_text
from tests.builders import NOON

Groups = Sequence[tuple[str, str]]

GROUP = ("organization", "570")
BATCH = 5000


def store(integration_id: int, count: int, start: int = 0, groups: Groups = (GROUP,)) -> None:
    """`count` devices with the UEM's ids `start`, `start + 1`, …, each a member of `groups`."""
    for first in range(start, start + count, BATCH):
        numbers = range(first, min(first + BATCH, start + count))
        with write() as session:
            session.execute(insert(table_of(Device)), [_row(integration_id, number) for number in numbers])
            ids = [device.id for device in _rows(session, integration_id, numbers)]
            pairs = ((id_, kind, group) for id_ in ids for kind, group in groups)
            memberships = [
                dict(zip(("device_id", "group_kind", "group_id"), one, strict=True)) for one in pairs
            ]
            if memberships:
                session.execute(insert(table_of(Membership)), memberships)


def snapshot(integration_id: int, listed: Collection[int], **changes: Any) -> Snapshot:
    """The next complete snapshot of the integration; it listed the devices of these numbers."""
    integration = db.session.get_one(Integration, integration_id)
    page = integration.page(SYNCHRONIZATION)
    ids = {str(number) for number in listed}
    values: dict[str, Any] = {
        "number": integration.snapshots + 1,
        "choice": from_row(Synchronization, page.applied if page else None),
        "is_listed": lambda external_id: external_id in ids,
        "suspect": Absence(integration.suspect) if integration.suspect else None,
    }
    release()
    return Snapshot(integration_id=integration_id, run_id=a_run(integration_id), **(values | changes))


def a_sync(integration_id: int, at: datetime = NOON, **changes: Any) -> JobRun:
    """The row of a full sync that ended well; `changes` are columns and counts."""
    values = {
        "kind": "devices", "sync_kind": SyncKind.SNAPSHOT, "state": SyncRunState.OK, "started_by": "schedule",
        "started_at": at, "heartbeat_at": at, "finished_at": at, "owner": "w", "fence": 1, "version": 1,
    }  # fmt: skip
    counts = {name: changes.pop(name) for name in asdict(Tally()) if name in changes.keys() - Tally.COLUMNS}
    return JobRun(integration_id=integration_id, counts=counts, **values | changes)


def last_sync(integration_id: int | None = None) -> JobRun:
    """The newest device sync, of an integration or of all."""
    release()
    own = JobRun.integration_id == integration_id if integration_id else JobRun.integration_id.is_not(None)
    syncs = select(JobRun).where(own, JobRun.kind == "devices").order_by(JobRun.id.desc())
    return db.session.scalars(syncs.limit(1)).one()


def a_run(integration_id: int, at: datetime = NOON) -> int:
    """A run under way; its id."""
    with write() as session:
        run = a_sync(integration_id, at, started_by="test", owner="test")
        session.add(run)
        session.flush()
        return run.id


def no_beat(_session: Session) -> None:
    """A lease that nobody takes away."""


def synced(integration_id: int, listed: Collection[int], now: datetime = NOON, **changes: Any) -> Departed:
    """What the end of a run does: departures, and then the snapshot counts."""
    departed = depart(snapshot(integration_id, listed, **changes), no_beat, now)
    with write() as session:
        integration = session.get_one(Integration, integration_id)
        integration.snapshots, integration.suspect = integration.snapshots + 1, None
    return departed


def a_hold(integration_id: int, fleet: int, gone: int) -> Hold:
    """A hold over the first `gone` of `fleet` stored devices, after one snapshot (deletion after 1 try)."""
    store(integration_id, fleet)
    hold_id = synced(integration_id, range(gone, fleet)).hold_id
    assert hold_id is not None
    return db.session.get_one(Hold, hold_id)


def list_digest(hold: Hold) -> str:
    """The digest of the list as a person sees it now."""
    return holds.listing(db.session(), holds.listed(hold)).digest


def devices(integration_id: int, *conditions: Any) -> list[Device]:
    """The stored devices, in the order of their numbers."""
    mine = select(Device).where(Device.integration_id == integration_id, *conditions).order_by(Device.id)
    return list(db.session.scalars(mine))


def live(integration_id: int) -> list[str | None]:
    """The UEM's ids of the devices that are not deleted."""
    return [device.external_id for device in devices(integration_id, Device.deleted_at.is_(None))]


def missing(integration_id: int) -> list[str | None]:
    """The UEM's ids of the live devices that are marked missing."""
    marked = (Device.deleted_at.is_(None), Device.missing_since.is_not(None))
    return [device.external_id for device in devices(integration_id, *marked)]


def _rows(session: Session, integration_id: int, numbers: Collection[int]) -> Sequence[Device]:
    ids = [str(number) for number in numbers]
    mine = (Device.integration_id == integration_id, Device.external_id.in_(ids))
    return session.scalars(select(Device).where(*mine)).all()


def _row(integration_id: int, number: int) -> dict[str, Any]:
    name = f"phone {number:06}"
    texts = dict.fromkeys(
        (
            "imei", "phone", "email", "model", "os_version", "ownership", "group_id", "group_name",
            "enrollment_status", "compliance", "absent_why",
        ),
        "",
    )  # fmt: skip
    return texts | {
        "integration_id": integration_id,
        "external_id": str(number),
        "udid": f"UDID{number}",
        "udid_key": f"udid{number}",
        "uuid": f"u-{number}",
        "serial": f"S{number}",
        "name": name,
        "name_key": name,
        "user_name": f"user {number}",
        "platform": "Android",
        "search_text": search_text(name, f"S{number}", f"UDID{number}", f"user {number}", ""),
        "fingerprint": "",
        "last_seen_at": NOON,
        "created_at": NOON,
        "updated_at": NOON,
    }


def protect(device_id: int, status: DeviceStatus, risk: Risk = Risk.NONE) -> None:
    """Give a device a status and a risk, without a registration and without a check-in."""
    with write() as session:
        integration_id = session.get_one(Device, device_id).integration_id
        session.merge(
            Protection(
                device_id=device_id,
                integration_id=integration_id,
                status=status,
                risk=int(risk),
                changed_at=NOON,
            )
        )


def plan_of(statement: Select[*tuple[Any, ...]]) -> list[str]:
    """Return the steps of SQLite's plan of a statement."""
    sql = statement.compile(db.engine, compile_kwargs={"literal_binds": True})
    return [row[-1] for row in db.session.execute(text(f"EXPLAIN QUERY PLAN {sql}"))]
