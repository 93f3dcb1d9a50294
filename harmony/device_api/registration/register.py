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
from harmony.device_api.registration.codes import CodeOfAnotherDevice, count_try
from harmony.device_api.registration.credentials import (
    AcceptedCredential,
    RefusedRegistration,
    accept,
    device_key,
    key_hash,
)
from harmony.device_api.registration.devices import device_of
from harmony.device_api.registration.message_codes import delete_message_codes
from harmony.device_api.registration.request_digest import is_same_request, request_digest
from harmony.device_api.registration.rules import rejection, superseded
from harmony.device_api.registration.situation import live_registrations, situation
from harmony.device_api.schemas import Register
from harmony.device_ids import is_placeholder, serial_key
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
from harmony.protection.change import Change, EventLine
from harmony.protection.record import load_states, record_changes, record_events, record_registration

_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class _CompletedRegistration:
    """A registration and the status of its device; `key` is the clear device key."""

    key: str
    device_id: int
    status: DeviceStatus
    risk: Risk


def register(
    request: Register, now: datetime, count: Callable[[int], None] = lambda _device_id: None
) -> _CompletedRegistration:
    """Register, or repeat the answer to the same request. Raises ApiError.

    `count` is called with the device's id when a registration without a code is about to be made, and may
    raise ApiError. Whatever was refused before that was counted against no device: anybody can say a UDID.
    """
    digest = request_digest(request)
    # Strangers are rejected without waiting for the write lock.
    try:
        integration_id = accept(db.session(), request, digest, now).integration_id
    except CodeOfAnotherDevice as error:
        release()
        count_try(error.code_id)
        raise
    release()
    try:
        return _register(request, digest, now, count)
    except ApiError as error:
        if error.status < _SERVER_ERROR and error.code != "too_many":
            raise RefusedRegistration(error.code, integration_id) from None
        raise


def _register(
    request: Register, digest: str, now: datetime, count: Callable[[int], None]
) -> _CompletedRegistration:
    if is_placeholder(request.udid):
        raise ApiError("udid_placeholder")
    with write() as session:
        credential = accept(session, request, digest, now)
        device = device_of(session, credential, request, now)
        live = live_registrations(session, device.id)
        existing = next((app for app in live if app.profile == request.profile), None)
        if again := _repeated(session, existing, digest):
            return again
        _reject_changed_request(credential.code, existing, digest)
        authorized = credential.code is not None or _has_old_key(live, request)
        _reject_shared_udid(device, live, request)
        circumstances = situation(session, device, live)
        if error := rejection(circumstances, request.profile, request.platform, authorized=authorized):
            raise ApiError(error)
        if credential.code is None:
            count(device.id)
        return _complete(session, device, request, credential, now)


def _repeated(session: Session, existing: Registration | None, digest: str) -> _CompletedRegistration | None:
    """Repeat the answer to the request that made `existing`; None if another did, or the secret changed."""
    if existing is None or existing.request_digest != digest:
        return None
    key = device_key(digest, existing.device_id, existing.registered_at.isoformat())
    if key_hash(key) != existing.key_hash:
        return None
    return _CompletedRegistration(
        key,
        existing.device_id,
        *load_states(session, [existing.device_id])[existing.device_id].protection_status,
    )


def _reject_changed_request(
    code: RegistrationCode | None, existing: Registration | None, digest: str
) -> None:
    if existing is not None and is_same_request(existing.request_digest, digest):
        raise ApiError("request_changed")
    if code is not None and code.used_at is not None:
        raise ApiError("code_used")


def _reject_shared_udid(device: Device, live: Sequence[Registration], request: Register) -> None:
    """Raises ApiError: a device that no sync has listed is registered under this UDID with another serial.

    What only devices say of themselves is all there is to tell a value that the app configuration repeats.
    """
    serials = {serial_key(registration.serial) for registration in live} - {""}
    serial = serial_key(request.serial)
    if device.added_by is not None and serial and serials and serial not in serials:
        raise ApiError("udid_not_unique")


def _has_old_key(live: Sequence[Registration], request: Register) -> bool:
    """Return True for the key of whatever profile of the device; no app changes its platform."""
    keys = {app.key_hash for app in live if app.platform in {"", request.platform}}
    return bool(request.device_key) and key_hash(request.device_key) in keys


def _complete(
    session: Session, device: Device, request: Register, credential: AcceptedCredential, now: datetime
) -> _CompletedRegistration:
    device_id, code = device.id, credential.code
    replaced = _end_superseded(session, device_id, request.profile, now)
    forget_inventory(session, device_id, replaced, now)
    key = _store(session, device_id, request, now)
    if code is not None:
        code.used_at, code.request_digest = now, request_digest(request)
        session.flush()
    delete_message_codes(session, device_id, request.profile)
    state = load_states(session, [device_id])[device_id]
    ended = {finding.id: finding.subject for finding in state.findings if finding.profile in replaced}
    statuses = record_changes(session, [Change(state, closed=ended, status=DeviceStatus.ACTIVE)], now)
    record_registration(session, device_id, now)
    line = EventLine(now, Verb.REGISTERED, Severity.INFORMATION, device_id, state.integration_id)
    detail = f"Profile: {request.profile.value}{'; with the former token' if credential.is_former else ''}"
    record_events(session, [line._replace(detail=detail)])
    return _CompletedRegistration(key, device_id, *statuses[device_id])


def _end_superseded(session: Session, device_id: int, profile: Profile, now: datetime) -> set[str]:
    """End the registrations that this one supersedes; return their profiles."""
    others = [app for app in live_registrations(session, device_id) if app.profile != profile]
    ending = set(superseded(profile, [Profile(app.profile) for app in others]))
    for app in others:
        if app.profile in ending:
            app.ended_at = now
    return {profile.value for profile in ending}


def _store(session: Session, device_id: int, request: Register, now: datetime) -> str:
    """Insert or renew the row of this profile; return its key. The next report is taken in full."""
    same = (Registration.device_id == device_id, Registration.profile == request.profile.value)
    row = session.scalar(select(Registration).where(*same))
    if row is None:
        row = Registration(device_id=device_id, profile=request.profile.value)
        session.add(row)
    digest = request_digest(request)
    key = device_key(digest, device_id, now.isoformat())
    row.key_hash, row.request_digest, row.report_digest = key_hash(key), digest, ""
    row.platform, row.model, row.serial = request.platform, request.model, request.serial
    row.os_version, row.client_version = request.os_version, request.client_version
    row.clock_skew, row.unread = None, ""
    row.registered_at = row.last_contact_at = now
    row.ended_at = None
    session.flush()
    return key
