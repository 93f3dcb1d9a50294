"""The section of a wizard page in a configuration file: made from its record, and put on top of one."""

from __future__ import annotations

from typing import Any

import msgspec

from harmony.clock import now
from harmony.models.configuration import SERVER, ChosenGroup, ServerDetails
from harmony.ops.configuration_file.schema import KEYS, SWITCHES, FileGroup
from harmony.ops.configuration_file.secrets import placeholder
from harmony.security.credentials import SECRET_FIELDS, fields_in_use
from harmony.setup import groups


def section(page: str, record: msgspec.Struct, number: int) -> dict[str, Any]:
    """Return the section of a page; `number` names the secrets of its integration."""
    values = {name: _value(record, name) for name in KEYS[page] if name not in SECRET_FIELDS}
    if not values.get("adopted", True):  # so that `apply --adopt-tags` may fill it
        del values["adopted"]
    if page != SERVER or not isinstance(record, ServerDetails):
        return values
    secrets = {name: placeholder(number, name) for name in fields_in_use(record)}
    values |= secrets
    return {name: values[name] for name in KEYS[page] if name in values}


def _value(record: Any, name: str) -> Any:
    return getattr(record, SWITCHES[name]) is not None if name in SWITCHES else _plain(getattr(record, name))


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_group(item) if isinstance(item, ChosenGroup) else item for item in value]
    return dict(sorted(value.items())) if isinstance(value, dict) else value


def _group(group: ChosenGroup) -> dict[str, Any]:
    shown = {"kind": group.kind, "id": group.external_id, "name": group.name}
    return shown | ({"android_enterprise": True} if group.android_enterprise else {})


def put(record: Any, said: dict[str, Any]) -> Any:
    """Return the record with what a section says; what it does not say stays, secrets as they are stored."""
    values = {name: value for name, value in said.items() if name not in {*SECRET_FIELDS, *SWITCHES}}
    switched = {field: said[name] for name, field in SWITCHES.items() if name in said}
    values |= {field: _since(record, field, on=on) for field, on in switched.items()}
    if "groups" in values:
        known = {groups.key(group.kind, group.external_id): group for group in record.groups}
        values["groups"] = tuple(_chosen(group, known) for group in values["groups"])
    return msgspec.structs.replace(record, **values)


def _since(record: Any, name: str, *, on: bool) -> Any:
    """Return since when a switch is on: what is on already stays as it is."""
    return (getattr(record, name) or now()) if on else None


def _chosen(group: FileGroup, known: dict[str, ChosenGroup]) -> ChosenGroup:
    stored = known.get(groups.key(group.kind, str(group.id)))
    return ChosenGroup(
        kind=group.kind,
        external_id=str(group.id),
        name=group.name or (stored.name if stored else str(group.id)),
        organization_group_id=stored.organization_group_id if stored else None,
        android_enterprise=group.android_enterprise,
    )
