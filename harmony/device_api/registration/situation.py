"""Load what decides about a registration: status, live registrations, what the UEM says of the device."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from harmony.device_api.registration.rules import LiveRegistration, Situation
from harmony.jobs import device_sync
from harmony.models import Device, Integration, Profile, Registration
from harmony.protection.catalogue import ANDROID
from harmony.protection.record import load_states
from harmony.protection.risk import platform_of


def situation(session: Session, device: Device, live: Sequence[Registration]) -> Situation:
    """Load the circumstances of a device, inside the caller's transaction."""
    integration = session.get_one(Integration, device.integration_id)
    return Situation(
        load_states(session, [device.id])[device.id].protection_status.status,
        [LiveRegistration(Profile(registration.profile), registration.platform) for registration in live],
        # A device that registered before the UEM listed it has only said itself which platform it is of.
        "" if device.added_by else platform_of(device.platform),
        has_two_profiles(device, integration),
    )


def live_registrations(session: Session, device_id: int) -> Sequence[Registration]:
    """Load the registrations of a device that have not ended."""
    of_device = (Registration.device_id == device_id, Registration.ended_at.is_(None))
    return session.scalars(select(Registration).where(*of_device)).all()


def has_two_profiles(device: Device, integration: Integration) -> bool:
    """Return True for an Android device in a chosen group for Android Enterprise."""
    if platform_of(device.platform) != ANDROID:
        return False
    groups = device_sync.choice(integration).groups
    enterprise = {(group.kind, group.external_id) for group in groups if group.android_enterprise}
    return any((member.group_kind, member.group_id) in enterprise for member in device.memberships)
