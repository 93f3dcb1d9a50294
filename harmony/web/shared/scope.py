"""The devices within the scope of whoever asks: a condition that every query of devices takes on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, and_, false, or_, select

from harmony.models import Device
from harmony.security.principal import current_principal


def current_scope() -> frozenset[str] | None:
    """Return the keys of the device groups that this request is limited to; None for every device."""
    principal = current_principal()
    return principal.scope if principal else None


def in_scope() -> tuple[ColumnElement[bool], ...]:
    """Return the condition of a query of devices; none without a scope."""
    scope = current_scope()
    return () if scope is None else (_devices_of(scope),)


def device_in_scope(device_id: Any) -> tuple[ColumnElement[bool], ...]:
    """Return the condition of a query whose rows name their device by this column; none without a scope."""
    scope = current_scope()
    return () if scope is None else (device_id.in_(select(Device.id).where(_devices_of(scope))),)


def has_in_scope(device: Device) -> bool:
    """Tell if a device may be seen by whoever asks."""
    scope = current_scope()
    return scope is None or (device.integration_id, device.group_id) in set(_pairs(scope))


def integrations_in_scope(column: Any) -> tuple[ColumnElement[bool], ...]:
    """Return the condition of a query of integrations, by the column of their ids; none without a scope."""
    scope = current_scope()
    return () if scope is None else (column.in_(sorted({id_ for id_, _ in _pairs(scope)})),)


def _devices_of(scope: Iterable[str]) -> ColumnElement[bool]:
    """Return the condition that a device is in one of these groups; an unreadable key finds none."""
    groups = defaultdict(list)
    for integration_id, group_id in sorted(_pairs(scope)):
        groups[integration_id].append(group_id)
    of_each = [
        and_(Device.integration_id == integration_id, Device.group_id.in_(ids))
        for integration_id, ids in groups.items()
    ]
    return or_(*of_each) if of_each else false()


def _pairs(scope: Iterable[str]) -> list[tuple[int, str]]:
    split = (key.partition(":") for key in scope)
    return [(int(id_), group) for id_, _, group in split if id_.isascii() and id_.isdigit() and group]
