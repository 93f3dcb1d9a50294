"""Registers a Protect app with the dashboard token or a one-time code: one write, one winner, one answer.

The same request again gets the same key, which is derived and not stored. Nothing is written for a request
that is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from harmony.apps.inventory import forget_inventory
from harmony.db import db, release, write
from harmony.device_api.errors import ApiError
from harmony.device_api.registration import auto_addition
from harmony.device_api.registration.credentials import Credential, present
from harmony.device_api.registration.keys import device_key, key_hash, request_digest, same_request
from harmony.device_api.registration.rules import displaced, refusal
from harmony.device_api.registration.situation import live_registrations, situation
from harmony.device_api.schemas import Register
from harmony.models import (
    Device,
    DeviceStatus,
    Profile,
    Registration,
    RegistrationCode,
    Risk,
    Severity,
    Verb,
)
from harmony.models.device_ids import udid_key
from harmony.protection.change import Change, EventLine
from harmony.protection.record import load_states, record_changes, record_events, record_registration


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A registration that stands; `key` is the clear device key."""

    key: str
    device_id: int
    status: DeviceStatus
    risk: Risk


def register(
    asked: Register, now: datetime, count: Callable[[int], None] = lambda _device_id: None
) -> Enrolled:
    """Register, or answer what was answered before to the same request. Raises ApiError.

    `count` is called with the device's id when a registration without a code is about to be made, and may
    raise ApiError. Whatever was refused before that was counted against no device: anybody can say a UDID.
    """
    digest = request_digest(asked)
    # Strangers are turned away without waiting for the writer's turn.
    present(db.session(), asked, digest, now)
    release()
    with write() as session:
        shown = present(session, asked, digest, now)
        device = _device(session, shown, asked, now)
        live = live_registrations(session, device.id)
        mine = next((one for one in live if one.profile == asked.profile), None)
        if again := _repeated(session, mine, digest):
            return again
        _refuse_what_changed(shown.code, mine, digest)
        entitled = shown.code is not None or _has_old_key(live, asked)
        stands = situation(session, device, live)
        if error := refusal(stands, asked.profile, asked.platform, entitled=entitled):
            raise ApiError(error)
        if shown.code is None:
            count(device.id)
        return _enrol(session, device, asked, shown.code, now)


def _device(session: Session, shown: Credential, asked: Register, now: datetime) -> Device:
    """The device that the code or else the UDID names; perhaps a new one."""
    device = shown.device or _of_udid(session, shown.integration_id, udid_key(asked.udid))
    if device is None:
        if not shown.auto_addition:
            raise ApiError("device_unknown")
        return auto_addition.add(session, shown.integration_id, asked, now)
    if device.deleted_at is not None:
        raise ApiError("device_deleted")
    return device


def _of_udid(session: Session, integration_id: int, key: str) -> Device | None:
    """Of several rows the live one, then the one that the UEM lists, then the newest.

    Raises ApiError: the UEM lists several devices under this UDID, which then names none of them.
    """
    same = (Device.integration_id == integration_id, Device.udid_key == key)
    order = (Device.deleted_at.is_not(None), Device.external_id.is_(None), Device.id.desc())
    rows = session.scalars(select(Device).where(*same).order_by(*order).limit(2)).all()
    if len([row for row in rows if row.deleted_at is None and row.external_id]) > 1:
        raise ApiError("udid_shared")
    return rows[0] if rows else None


def _repeated(session: Session, mine: Registration | None, digest: str) -> Enrolled | None:
    """The answer to the request that made `mine`; None when another did, or the secret has changed since."""
    if mine is None or mine.request_digest != digest:
        return None
    key = device_key(digest, mine.device_id, mine.registered_at.isoformat())
    if key_hash(key) != mine.key_hash:
        return None
    return Enrolled(
        key, mine.device_id, *load_states(session, [mine.device_id])[mine.device_id].protection_status
    )


def _refuse_what_changed(code: RegistrationCode | None, mine: Registration | None, digest: str) -> None:
    if mine is not None and same_request(mine.request_digest, digest):
        raise ApiError("request_changed")
    if code is not None and code.used_at is not None:
        raise ApiError("code_used")


def _has_old_key(live: Sequence[Registration], asked: Register) -> bool:
    """The key of whatever profile of the device; no app changes its platform."""
    keys = {one.key_hash for one in live if one.platform in {"", asked.platform}}
    return bool(asked.device_key) and key_hash(asked.device_key) in keys


def _enrol(
    session: Session, device: Device, asked: Register, code: RegistrationCode | None, now: datetime
) -> Enrolled:
    device_id = device.id
    replaced = _end_displaced(session, device_id, asked.profile, now)
    forget_inventory(session, device_id, replaced, now)
    key = _store(session, device_id, asked, now)
    if code is not None:
        code.used_at, code.request_digest = now, request_digest(asked)
    state = load_states(session, [device_id])[device_id]
    ended = {finding.id: finding.subject for finding in state.findings if finding.profile in replaced}
    statuses = record_changes(session, [Change(state, closed=ended, status=DeviceStatus.ACTIVE)], now)
    record_registration(session, device_id, now)
    line = EventLine(now, Verb.REGISTERED, Severity.INFORMATION, device_id, state.integration_id)
    record_events(session, [line._replace(detail=f"Profile: {asked.profile.value}")])
    return Enrolled(key, device_id, *statuses[device_id])


def _end_displaced(session: Session, device_id: int, profile: Profile, now: datetime) -> set[str]:
    """End the other registrations that this one takes the place of; which profiles they were on."""
    others = [one for one in live_registrations(session, device_id) if one.profile != profile]
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
    row.os_version, row.client_version = asked.os_version, asked.client_version
    row.clock_skew, row.unread = None, ""
    row.registered_at = row.last_contact_at = now
    row.ended_at = None
    session.flush()
    return key
