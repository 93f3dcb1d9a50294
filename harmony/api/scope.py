"""The devices that an API key sees: those of its device groups, or all."""

from __future__ import annotations

from sqlalchemy import ColumnElement, tuple_

from harmony.models import Device
from harmony.security.principal import Principal
from harmony.web.shared.ids import number


def in_scope(principal: Principal) -> tuple[ColumnElement[bool], ...]:
    """Return the condition of rows that are joined with their device; none without a scope."""
    if principal.scope is None:
        return ()
    pairs = [_group(key) for key in sorted(principal.scope)]
    return (tuple_(Device.integration_id, Device.group_id).in_([pair for pair in pairs if pair]),)


def _group(key: str) -> tuple[int, str] | None:
    """Return integration and organization group of a key (`security.principal.group_key`)."""
    integration, _, group_id = key.partition(":")
    integration_id = number(integration)
    return None if integration_id is None else (integration_id, group_id)
