"""Registers a Protect app with the dashboard token or a one-time code: one write, one winner, one answer.

The same request again gets the same key, which is derived and not stored. Nothing is written for a request
that is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from harmony.db import db, release, write
from harmony.models import (
    Device,
    DeviceStatus,
    Profile,
    Protection,
    Registration,
    RegistrationCode,
    Risk,
    Severity,
    Verb,
)
from harmony.models.device_ids import udid_key
from harmony.protect import changes, events, unlisted
from harmony.protect.admission import displaced, may_register
from harmony.protect.apps import forget_inventory
from harmony.protect.bodies import Register
from harmony.protect.credentials import Credential, present
from harmony.protect.keys import device_key, key_hash, request_digest, same_request
from harmony.protect.refusals import Refused


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A registration that stands; `key` is the clear device key."""

    key: str
    device_id: int
    status: DeviceStatus
    risk: Risk


def register(asked: Register, now: datetime) -> Enrolled:
    """Register, or answer what was answered before to the same request. Raises Refused."""
    digest = request_digest(asked)
    # Strangers are turned away without waiting for the writer's turn.
    present(db.session(), asked, digest, now)
    release()
    with write() as session:
        shown = present(session, asked, digest, now)
        device = _device(session, shown, asked, now)
        live = _live(session, device.id)
        mine = next((one for one in live if one.profile == asked.profile), None)
        if again := _repeated(session, mine, digest):
            return again
        _refuse_what_changed(shown.code, mine, digest)
        displacing = displaced(asked.profile, [Profile(one.profile) for one in live])
        before = changes.standing(session, device.id)
        entitled = shown.code is not None or _has_old_key(live, asked.device_key)
        if not may_register(before.status, displacing, entitled=entitled):
            raise Refused("already_registered")
        return _enrol(session, device, asked, shown.code, now)


def _device(session: Session, shown: Credential, asked: Register, now: datetime) -> Device:
    """The device meant, of several rows the live one, then the newest; perhaps a new one."""
    mine = (Device.integration_id == shown.integration_id, Device.udid_key == udid_key(asked.udid))
    newest = select(Device).where(*mine).order_by(Device.deleted_at.is_not(None), Device.id.desc()).limit(1)
    device = shown.device or session.scalar(newest)
    if device is None:
        if not shown.auto_addition:
            raise Refused("device_unknown")
        return unlisted.add(session, shown.integration_id, asked, now)
    if device.deleted_at is not None:
        raise Refused("device_deleted")
    return device


def _live(session: Session, device_id: int) -> Sequence[Registration]:
    mine = (Registration.device_id == device_id, Registration.ended_at.is_(None))
    return session.scalars(select(Registration).where(*mine)).all()


def _repeated(session: Session, mine: Registration | None, digest: str) -> Enrolled | None:
    """The answer to the request that made `mine`; None when another did, or the secret has changed since."""
    if mine is None or mine.request_digest != digest:
        return None
    key = device_key(digest, mine.device_id, mine.registered_at.isoformat())
    if key_hash(key) != mine.key_hash:
        return None
    return Enrolled(key, mine.device_id, *changes.standing(session, mine.device_id))


def _refuse_what_changed(code: RegistrationCode | None, mine: Registration | None, digest: str) -> None:
    if mine is not None and same_request(mine.request_digest, digest):
        raise Refused("request_changed")
    if code is not None and code.used_at is not None:
        raise Refused("code_used")


def _has_old_key(live: Sequence[Registration], key: str) -> bool:
    return bool(key) and key_hash(key) in {one.key_hash for one in live}


def _enrol(
    session: Session, device: Device, asked: Register, code: RegistrationCode | None, now: datetime
) -> Enrolled:
    replaced = _end_displaced(session, device.id, asked.profile, now)
    forget_inventory(session, device.id, replaced, now)
    key = _store(session, device.id, asked, now)
    if code is not None:
        code.used_at, code.request_digest = now, request_digest(asked)
    closed = [one.id for one in changes.open_findings(session, device.id) if one.profile in replaced]
    stands = changes.apply(
        session, device.id, device.integration_id, now, closed_ids=closed, status=DeviceStatus.ACTIVE
    )
    protection = session.get_one(Protection, device.id, populate_existing=True)
    protection.registered_at = protection.registered_at or now
    protection.last_contact_at = now
    events.note(
        session, now, Verb.REGISTERED, Severity.INFORMATION, device_id=device.id,
        integration_id=device.integration_id, detail=f"Profile: {asked.profile.value}",
    )  # fmt: skip
    return Enrolled(key, device.id, *stands)


def _end_displaced(session: Session, device_id: int, profile: Profile, now: datetime) -> set[str]:
    """End the other registrations that this one takes the place of; which profiles they were on."""
    others = [one for one in _live(session, device_id) if one.profile != profile]
    ending = set(displaced(profile, [Profile(one.profile) for one in others]))
    for one in others:
        if one.profile in ending:
            one.ended_at = now
    return {one.value for one in ending}


def _store(session: Session, device_id: int, asked: Register, now: datetime) -> str:
    """The row of this profile, made or made anew, and its key; the next report is taken whole."""
    mine = (Registration.device_id == device_id, Registration.profile == asked.profile.value)
    row = session.scalar(select(Registration).where(*mine))
    if row is None:
        row = Registration(device_id=device_id, profile=asked.profile.value)
        session.add(row)
    digest = request_digest(asked)
    key = device_key(digest, device_id, now.isoformat())
    row.key_hash, row.request_digest, row.report_digest = key_hash(key), digest, ""
    row.platform, row.model, row.serial = asked.platform, asked.model, asked.serial
    row.os_version, row.client_version, row.clock_skew = asked.os_version, asked.client_version, None
    row.registered_at = row.last_contact_at = now
    row.ended_at = None
    session.flush()
    return key
