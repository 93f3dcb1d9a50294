"""SQL conditions on devices with two profiles, which Android Enterprise groups list."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ColumnElement, and_, exists, false, func, or_

from harmony.jobs.device_sync import choice
from harmony.models import Device, Integration, Membership, Profile, Registration


def in_enterprise_group(integrations: Iterable[Integration]) -> ColumnElement[bool]:
    """Return the condition that a chosen group for Android Enterprise lists the device."""
    of_each = [
        and_(
            Device.integration_id == integration.id,
            Membership.group_kind == group.kind,
            Membership.group_id == group.external_id,
        )
        for integration in integrations
        for group in choice(integration).groups
        if group.android_enterprise
    ]
    return exists().where(Membership.device_id == Device.id, or_(false(), *of_each))


def lacks_app(integrations: Iterable[Integration], profile: Profile) -> ColumnElement[bool]:
    """Return the condition that a device has two profiles, and no Protect app looks after this one."""
    looks_after = Registration.profile.in_((profile.value, Profile.DEVICE.value))
    registered = exists().where(
        Registration.device_id == Device.id, Registration.ended_at.is_(None), looks_after
    )
    is_android = func.lower(Device.platform).like("android%")
    return and_(is_android, in_enterprise_group(integrations), ~registered)
