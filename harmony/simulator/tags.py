"""Tags: search, create, put on and take off devices, read back (facts 6)."""

from __future__ import annotations

from typing import Any

from harmony import clock
from harmony.simulator import bulk, changes
from harmony.simulator.answers import (
    Answer,
    Call,
    Refusal,
    envelope,
    error,
    nothing,
    number,
    ok,
    page_of,
)
from harmony.simulator.context import Tenant
from harmony.simulator.device_search import parse_time
from harmony.simulator.devices import device_by_uuid
from harmony.simulator.generate import stamp
from harmony.simulator.records import ENCODE, Tag


def search(tenant: Tenant, call: Call) -> Answer:
    """`GET /mdm/tags/search`: the group is required, the name matches as a substring (facts 6.1)."""
    group, page = number(call, "organizationgroupid", 0), page_of(call)
    if not group:
        return error(400, 400, "organizationgroupid is required.")
    name, kind = call.query.get("name", "").lower(), number(call, "tagtype", 0)
    with tenant.world.lock:
        found = [
            tag
            for tag in tenant.world.tags.values()
            if tag.group == group and name in tag.name.lower() and kind in (0, tag.type)
        ]
    shown = found[page.number * page.size :][: page.size]
    if not shown and tenant.switches["tags_search_empty"] == "204":
        return nothing()
    lie = call.faults.get("lying_total")
    return envelope("Tags", [ENCODE(_item(tag)) for tag in shown], page, lie.value if lie else len(found))


def _item(tag: Tag) -> dict[str, Any]:
    return {
        "TagName": tag.name,
        "TagAvatar": tag.avatar,
        "DateTagged": tag.created,
        "Id": {"Value": tag.id},
        "Uuid": tag.uuid,
    }


def create(tenant: Tenant, call: Call) -> Answer:
    """`POST /mdm/tags/addtag` (facts 6.1)."""
    asked = call.json()
    name = _name(tenant, asked)
    if not name:
        return error(400, 400, "TagName is required.")
    group = bulk.number_of(asked.get("LocationGroupId"))
    with tenant.world.lock:
        if group not in tenant.world.groups:
            return error(400, 400, f"Organization Group not found with Id: {group}.")
        if tenant.switches["addtag_duplicate"] == "400" and _exists(tenant, name, group):
            return error(400, 400, f"Tag with name {name} already exists.")
        avatar, kind = str(asked.get("TagAvatar") or name), bulk.number_of(asked.get("TagType")) or 1
        tag = changes.add_tag(tenant.world, name, avatar=avatar, kind=kind, group=group, when=clock.now())
    answer = ok({"Value": tag.id})
    answer.status = tenant.switches.number("addtag_status")
    return answer


def _name(tenant: Tenant, asked: Any) -> str:
    """The name as it will be kept: what is beyond the limit is cut without a word (facts 14.13)."""
    name = asked.get("TagName") if isinstance(asked, dict) else None
    limit = tenant.switches.number("tag_name_length")
    return (name[:limit] if limit else name).strip() if isinstance(name, str) else ""


def _exists(tenant: Tenant, name: str, group: int) -> bool:
    """Look for the name in the group, without case unless switched (facts 14.13)."""
    fold = str if tenant.switches["tag_name_case"] == "kept" else str.casefold
    return any(fold(tag.name) == fold(name) and tag.group == group for tag in tenant.world.tags.values())


def add_devices(tenant: Tenant, call: Call) -> Answer:
    """`POST /mdm/tags/{id}/adddevices` (facts 6.2)."""
    now = stamp(clock.now())

    def put(tag: Tag, device: int) -> bool:
        fresh = device not in tag.devices
        tag.devices.setdefault(device, now)
        return fresh

    return bulk.answer(tenant, call, lambda: _asked(tenant, call), put, bulk.ALREADY_ON)


def remove_devices(tenant: Tenant, call: Call) -> Answer:
    """`POST /mdm/tags/{id}/removedevices` (facts 6.2)."""

    def take(tag: Tag, device: int) -> bool:
        return tag.devices.pop(device, None) is not None

    return bulk.answer(tenant, call, lambda: _asked(tenant, call), take, bulk.NOT_ON)


def devices(tenant: Tenant, call: Call) -> Answer:
    """`GET /mdm/tags/{id}/devices`: the key is singular and the id a plain int (facts 6.3)."""
    since = parse_time(call.query.get("lastseen", ""))
    with tenant.world.lock:
        world, tag = tenant.world, _asked(tenant, call)
        items = [
            {
                "DeviceId": device.id,
                "FriendlyName": device.name,
                "DateTagged": when,
                "DeviceUuid": device.uuid,
            }
            for ident, when in tag.devices.items()
            if (device := world.devices[ident]).last_seen >= since
        ]
    if not items and tenant.switches["tag_devices_empty"] == "204":
        return nothing()
    return ok({"Device": items})


def of_device(tenant: Tenant, call: Call) -> Answer:
    """`GET /mdm/devices/{uuid}/tags`; the letters of its keys are not settled (facts 14.6)."""
    device = device_by_uuid(tenant, call)
    if isinstance(device, Answer):
        return device
    with tenant.world.lock:
        found = [tag for tag in tenant.world.tags.values() if device.id in tag.devices]
    if tenant.switches["device_tags_shape"] == "upper":
        return ok({"Tags": [_item(tag) for tag in found]})
    return ok({"tags": [{"id": tag.id, "uuid": tag.uuid, "name": tag.name} for tag in found]})


def _asked(tenant: Tenant, call: Call) -> Tag:
    tag = tenant.world.tags.get(int(call.args[0]))
    if tag is None:
        raise Refusal(error(404, 404, f"Tag not found with Id: {call.args[0]}."))
    return tag
