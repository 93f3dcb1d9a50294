"""What the control port shows: counts, counters, knobs, and the devices with their tags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harmony.simulator import apps
from harmony.simulator.context import Tenant

_MOST = 1000


def whole(tenant: Tenant) -> dict[str, Any]:
    """Everything but the devices themselves."""
    with tenant.world.lock:
        return {
            "devices": len(tenant.world.devices),
            "groups": groups(tenant),
            "smart_groups": smart_groups(tenant),
            "tags": tags(tenant),
            "calls": dict(tenant.meter.calls),
            "statuses": dict(tenant.meter.statuses),
            "recent": list(tenant.meter.recent),
            "traps": tenant.meter.traps,
            "tokens_issued": tenant.gate.issued,
            "access": {"revoked": tenant.gate.revoked, "denied": sorted(tenant.gate.denied)},
            "latency_ms": tenant.latency_ms,
            "switches": tenant.switches.all(),
            "faults": tenant.faults.all(),
            "events": events(tenant),
        }


def events(tenant: Tenant) -> dict[str, Any]:
    """The rule of event notifications without its password, and what became of the events."""
    rule, notifier = tenant.notifier.rule, tenant.notifier
    return {
        "url": rule.url,
        "user": rule.user,
        "active": rule.active,
        "spelling": rule.spelling,
        "doubled": rule.doubled,
        "reordered": rule.reordered,
        "nulls": rule.nulls,
        "sent": notifier.sent,
        "failed": notifier.failed,
        "last": notifier.last,
    }


def groups(tenant: Tenant) -> list[dict[str, Any]]:
    """The organization groups with their own devices and those below."""
    world = tenant.world
    return [
        {
            "id": group.id,
            "uuid": group.uuid,
            "name": group.name,
            "parent": group.parent,
            "level": group.level,
            "direct": len(world.direct(group.id)),
            "inclusive": len(world.inclusive(group.id)),
        }
        for group in world.groups.values()
    ]


def smart_groups(tenant: Tenant) -> list[dict[str, Any]]:
    """The smart groups with how many they hold."""
    world = tenant.world
    return [
        {
            "id": group.id,
            "name": group.name,
            "managed_by": group.managed_by,
            "devices": len(world.members(group.id)),
        }
        for group in world.smart_groups.values()
    ]


def tags(tenant: Tenant) -> list[dict[str, Any]]:
    """The tags with how many devices carry them."""
    return [
        {"id": tag.id, "name": tag.name, "group": tag.group, "devices": len(tag.devices)}
        for tag in tenant.world.tags.values()
    ]


def devices(tenant: Tenant, query: Mapping[str, str]) -> dict[str, Any]:
    """One page of devices that match `search`, `group` or `tag`, each with the tags it carries."""
    page, size = _number(query, "page", 0), min(_number(query, "size", 50), _MOST)
    with tenant.world.lock:
        found = _found(tenant, query)
        shown = found[page * size : (page + 1) * size]
        return {
            "total": len(found),
            "page": page,
            "size": size,
            "devices": [_row(tenant, device) for device in shown],
        }


def _found(tenant: Tenant, query: Mapping[str, str]) -> list[int]:
    world = tenant.world
    group, tag = _number(query, "group", 0), _number(query, "tag", 0)
    ids = world.inclusive(group) if group else list(world.devices)
    if tag:
        carriers = world.tags[tag].devices if tag in world.tags else {}
        ids = [ident for ident in ids if ident in carriers]
    words = query.get("search", "").strip().lower()
    return [ident for ident in ids if not words or _says(tenant, ident, words)]


def _says(tenant: Tenant, ident: int, words: str) -> bool:
    device = tenant.world.devices[ident]
    return words in device.name.lower() or words in device.user.lower() or words in (str(ident), device.uuid)


def _row(tenant: Tenant, ident: int) -> dict[str, Any]:
    device = tenant.world.devices[ident]
    return {
        "id": ident,
        "uuid": device.uuid,
        "name": device.name,
        "user": device.user,
        "group": device.group,
        "group_name": tenant.world.groups[device.group].name,
        "platform": device.platform,
        "last_seen": device.last_seen,
        "apps": [identifier for identifier, _, _ in apps.installed(tenant.world, ident)],
        "tags": [tag.name for tag in tenant.world.tags.values() if ident in tag.devices],
    }


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, "")
    return int(text) if text.isdecimal() else default
