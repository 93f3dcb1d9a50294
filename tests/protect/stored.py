"""Devices whose Protect app is registered, as check-ins would have left them, for tests of what follows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import count
from typing import Any

from sqlalchemy import select

from harmony.db import db, write
from harmony.jobs.kinds import JobKind
from harmony.models import Device, DeviceStatus, Event, Finding, Job, Profile, Protection, Registration
from harmony.protection.change import Change, ProtectionStatus
from harmony.protection.record import load_states, record_changes
from tests.builders import NOON
from tests.sync.stored import store_devices

NUMBERS = count(1)


def enrolled(integration_id: int, number: int = 1, **changes: Any) -> list[int]:
    """So many devices of the UEM that never registered; their ids."""
    store_devices(integration_id, number, **changes)
    mine = select(Device.id).where(Device.integration_id == integration_id).order_by(Device.id)
    return list(db.session.scalars(mine))


def registered(
    integration_id: int,
    number: int = 1,
    contact: datetime = NOON,
    *,
    device: dict[str, Any] | None = None,
    **told: Any,
) -> list[int]:
    """So many active devices, in contact then; `told` is what Protect tells, `device` what the UEM does."""
    ids = enrolled(integration_id, number, **(device or {}))
    with write() as session:
        for id_ in ids:
            session.add(
                Protection(
                    device_id=id_,
                    integration_id=integration_id,
                    status=DeviceStatus.ACTIVE,
                    risk=0,
                    registered_at=contact,
                    last_contact_at=contact,
                    changed_at=contact,
                )
            )
    for id_ in ids:
        protector(id_, contact=contact, **told)
    return ids


def protector(device_id: int, contact: datetime = NOON, profile: str = Profile.DEVICE, **told: Any) -> None:
    """A Protect app on the device."""
    with write() as session:
        session.add(
            Registration(
                device_id=device_id,
                profile=profile,
                key_hash=f"hash {next(NUMBERS)}",
                registered_at=contact,
                last_contact_at=contact,
                **{"platform": "android"} | told,
            )
        )


def found(device_id: int, code: str, risk: int = 0, subject: str = "", profile: str = Profile.DEVICE) -> None:
    """An open finding."""
    with write() as session:
        session.add(
            Finding(
                device_id=device_id, profile=profile, code=code, subject=subject, risk=risk, opened_at=NOON
            )
        )


def change(device_id: int, at: datetime, **decision: Any) -> ProtectionStatus:
    """Record a decision about the device; its status and risk then."""
    with write() as session:
        state = load_states(session, [device_id])[device_id]
        return record_changes(session, [Change(state, **decision)], at)[device_id]


def contact(device_id: int, at: datetime) -> None:
    """The device checks in, as far as it matters here."""
    with write() as session:
        for row in session.scalars(select(Registration).where(Registration.device_id == device_id)):
            row.last_contact_at = at
        protection = session.get_one(Protection, device_id)
        protection.last_contact_at, protection.status = at, DeviceStatus.ACTIVE


def of(device_id: int) -> Protection:
    """Where it stands now."""
    db.session.rollback()
    return db.session.get_one(Protection, device_id)


def open_codes(device_id: int) -> dict[str, int]:
    """The codes of its open findings and their risks."""
    rows = select(Finding.code, Finding.risk).where(Finding.device_id == device_id)
    return {code: risk for code, risk in db.session.execute(rows.where(Finding.closed_at.is_(None)))}


def events(device_id: int | None = None) -> Sequence[tuple[str, str]]:
    """The verbs and factors of what happened, in its order."""
    rows = select(Event.verb, Event.factor).order_by(Event.id)
    if device_id is not None:
        rows = rows.where(Event.device_id == device_id)
    return [(verb, factor) for verb, factor in db.session.execute(rows)]


def nudged(integration_id: int) -> datetime | None:
    """When tagging is due."""
    tagging = (Job.integration_id == integration_id) & (Job.kind == JobKind.TAGGING)
    return db.session.scalar(select(Job.next_at).where(tagging))
