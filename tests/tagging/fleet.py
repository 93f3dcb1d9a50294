"""Devices with protection as rows, an integration whose tags are on, and its tagging runs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import delete, insert, select, text

from harmony.clock import now
from harmony.db import db, release, table_of, write
from harmony.jobs import lease
from harmony.jobs.kinds import JobKind
from harmony.models import (
    Device,
    Finding,
    Integration,
    Job,
    JobRun,
    KnownGroup,
    Protection,
    SetupPage,
    TagLink,
    UemTag,
)
from harmony.models.configuration import TAGGING, Tagging, from_row, to_row
from harmony.tagging import job as tagging_job
from harmony.tagging import removal
from harmony.tagging.names import is_managed
from harmony.uem.client import UemClient
from tests.builders import NOON, an_integration
from tests.sync.stored import _row
from tests.tagging.uem import GROUP

Link = tuple[str, str, bool, bool, str]


def a_fleet(count: int = 3, **tagging: Any) -> int:
    """An integration of `count` devices with the UEM's ids 1, 2, …, whose job is due."""
    id_ = an_integration()
    with write() as session:
        group = {"kind": "organization", "external_id": GROUP, "name": "Acme", "type": "Customer"}
        session.add(KnownGroup(integration_id=id_, **group))
    enrol(id_, *range(1, count + 1))
    settings(id_, **tagging)
    return id_


def enrol(integration_id: int, *numbers: int) -> None:
    """More devices, as a sync would have brought them."""
    rows = [_row(integration_id, number) for number in numbers]
    with write() as session:
        if rows:
            session.execute(insert(table_of(Device)), rows)
        lease.make_due(session, integration_id, JobKind.TAGGING, NOON)


def settings(integration_id: int, **changes: Any) -> Tagging:
    """Put other values of the Tagging page in force, as Save does."""
    with write() as session:
        page = session.get_one(SetupPage, (integration_id, TAGGING))
        record = msgspec.structs.replace(from_row(Tagging, page.applied), **changes)
        page.draft = page.applied = to_row(record)
        lease.make_due(session, integration_id, JobKind.TAGGING, NOON, whole=True)
    return record


def take_off(integration_id: int, before: Tagging, after: Tagging, at: datetime) -> None:
    """Take the tags off that these settings put on devices before and do not any more."""
    own = (UemTag.integration_id == integration_id, UemTag.external_id.is_not(None))
    with write() as session:
        keys = session.scalars(select(UemTag.key).where(*own).order_by(UemTag.key))
        gone = [key for key in keys if is_managed(key, before) and not is_managed(key, after)]
        removal.retire(session, session.get_one(Integration, integration_id), gone, "kim", at)


def device_of(integration_id: int, external_id: int | str) -> int:
    """Our id of the device."""
    mine = (Device.integration_id == integration_id, Device.external_id == str(external_id))
    found = db.session.scalars(select(Device.id).where(*mine)).one()
    release()
    return found


def protect(
    integration_id: int, external_id: int | str, status: str = "active", risk: int = 0, *codes: str,
    at: datetime | None = None,
) -> None:  # fmt: skip
    """Let the device be so, with these open findings, and nudge tagging as a check-in does."""
    id_, moment = device_of(integration_id, external_id), at or now()
    with write() as session:
        row = {"device_id": id_, "integration_id": integration_id, "status": status, "risk": risk}
        session.execute(delete(Protection).where(Protection.device_id == id_))
        session.add(Protection(changed_at=moment, **row))
        session.execute(delete(Finding).where(Finding.device_id == id_))
        session.add_all(
            Finding(device_id=id_, profile="device", code=code, risk=risk, opened_at=moment) for code in codes
        )
        lease.make_due(session, integration_id, JobKind.TAGGING, NOON)


def tag(
    integration_id: int, uem: UemClient, *, whole: bool = False, stop: Callable[[], bool] = lambda: False
) -> JobRun:
    """A run that somebody asks for; its row."""
    assert lease.request(integration_id, JobKind.TAGGING, "kim", now(), whole=whole)
    return tag_if_due(integration_id, uem, stop)


def tag_if_due(integration_id: int, uem: UemClient, stop: Callable[[], bool] = lambda: False) -> JobRun:
    """What the worker does when it is rung for; the row of the newest run."""
    tagging_job.tag(integration_id, stop, lambda *_: uem)
    release()
    of_job = (JobRun.integration_id == integration_id, JobRun.kind == JobKind.TAGGING)
    return db.session.scalars(select(JobRun).where(*of_job).order_by(JobRun.id.desc()).limit(1)).one()


def the_job(integration_id: int) -> Job:
    """Its row, read again."""
    release()
    return db.session.get_one(Job, (integration_id, JobKind.TAGGING))


def links(integration_id: int) -> list[Link]:
    """Every link: the UEM's id of the device, key, wanted, present, state."""
    columns = (TagLink.external_id, TagLink.key, TagLink.wanted, TagLink.present, TagLink.state)
    mine = select(*columns).where(TagLink.integration_id == integration_id)
    found = [tuple(row) for row in db.session.execute(mine.order_by(TagLink.external_id, TagLink.key))]
    release()
    return found  # type: ignore[return-value]  # five columns, five types


def standings(integration_id: int) -> list[tuple[str, str, int, list[str]]]:
    """How each live device is that the UEM has an id for: that id, status, risk, open findings."""
    found = []
    mine = (Device.integration_id == integration_id, Device.deleted_at.is_(None))
    for device in db.session.scalars(select(Device).where(*mine, Device.external_id.is_not(None))):
        one = db.session.get(Protection, device.id)
        open_ones = select(Finding.code).where(Finding.device_id == device.id, Finding.closed_at.is_(None))
        codes = list(db.session.scalars(open_ones))
        found.append(
            (device.external_id or "", one.status if one else "provisioned", one.risk if one else 0, codes)
        )
    release()
    return found


def set_devices(integration_id: int, condition: str, *, whole: bool = True, **values: Any) -> None:
    """Change device rows as a sync or a person would."""
    changes = ", ".join(f"{name} = :{name}" for name in values)
    with write() as session:
        sql = f"UPDATE device SET {changes} WHERE integration_id = :own AND {condition}"  # noqa: S608 - of a test
        session.execute(text(sql), values | {"own": integration_id})
        lease.make_due(session, integration_id, JobKind.TAGGING, NOON, whole=whole)
