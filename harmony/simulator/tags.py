"""Tags: search, create, put on and take off devices, read back (facts 6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harmony import clock
from harmony.simulator import changes
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
from harmony.simulator.devices import moment
from harmony.simulator.generate import stamp
from harmony.simulator.records import ENCODE, Tag

NOBODY = "Devices provided in the input could not be found or not enrolled or user does not have access."


def search(tenant: Tenant, call: Call) -> Answer:
    """`GET /mdm/tags/search`: the group is required, the name matches as a substring (facts 6.1)."""
    group, page = number(call, "organizationgroupid", 0), page_of(call)
    if not group:
        return error(400, 400, "organizationgroupid is required.")
    name = call.query.get("name", "").lower()
    with tenant.world.lock:
        found = [tag for tag in tenant.world.tags.values() if tag.group == group and name in tag.name.lower()]
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
    name = asked.get("TagName") if isinstance(asked, dict) else None
    if not isinstance(name, str) or not name:
        return error(400, 400, "TagName is required.")
    group = _number(asked.get("LocationGroupId"))
    with tenant.world.lock:
        if group not in tenant.world.groups:
            return error(400, 400, f"Organization Group not found with Id: {group}.")
        if tenant.switches["addtag_duplicate"] == "400" and _exists(tenant, name, group):
            return error(400, 400, f"Tag with name {name} already exists.")
        avatar, kind = str(asked.get("TagAvatar") or name), _number(asked.get("TagType")) or 1
        tag = changes.add_tag(tenant.world, name, avatar=avatar, kind=kind, group=group, when=clock.now())
    answer = ok({"Value": tag.id})
    answer.status = tenant.switches.number("addtag_status")
    return answer


def _exists(tenant: Tenant, name: str, group: int) -> bool:
    return any(tag.name == name and tag.group == group for tag in tenant.world.tags.values())


def add_devices(tenant: Tenant, call: Call) -> Answer:
    """`POST /mdm/tags/{id}/adddevices`: 200 also when some items fail (facts 6.2)."""
    now = stamp(clock.now())

    def put(tag: Tag, device: int) -> bool:
        done = device in tag.devices
        tag.devices.setdefault(device, now)
        return not done

    return _bulk(tenant, call, put)


def remove_devices(tenant: Tenant, call: Call) -> Answer:
    """`POST /mdm/tags/{id}/removedevices` (facts 6.2)."""
    return _bulk(tenant, call, lambda tag, device: tag.devices.pop(device, None) is not None)


def _bulk(tenant: Tenant, call: Call, change: Callable[[Tag, int], bool]) -> Answer:
    """Change each device of a BulkInput; faults name the items that could not be changed."""
    values = _values(tenant, call)
    with tenant.world.lock:
        tag = _asked(tenant, call)
        faults = [fault for value in values if (fault := _change(tenant, tag, value, change))]
    if len(faults) == len(values) and tenant.switches["bulk_all_fail"] == "404":
        return error(404, 404, NOBODY)
    answer: dict[str, Any] = {
        "TotalItems": len(values),
        "AcceptedItems": len(values) - len(faults),
        "FailedItems": len(faults),
    }
    return ok(answer | ({"Faults": {"Fault": faults}} if faults else {}))


def _change(
    tenant: Tenant, tag: Tag, value: Any, change: Callable[[Tag, int], bool]
) -> dict[str, Any] | None:
    """The fault of one item, if it has one."""
    device = _number(value)
    if device not in tenant.world.devices:
        return {"ErrorCode": 404, "ItemValue": str(value), "Message": "Device Not Found"}
    if not change(tag, device) and tenant.switches["bulk_again"] == "fault":
        return {"ErrorCode": 400, "ItemValue": str(value), "Message": "Nothing to change for this device"}
    return None


def _values(tenant: Tenant, call: Call) -> list[Any]:
    asked = call.json()
    bulk = asked.get("BulkValues") if isinstance(asked, dict) else None
    values = bulk.get("Value") if isinstance(bulk, dict) else None
    if not isinstance(values, list) or not values:
        raise Refusal(error(400, 400, "BulkValues must hold at least one Value."))
    limit = tenant.switches.number("bulk_limit")
    if len(values) > limit:
        raise Refusal(error(400, 400, f"At most {limit} values are allowed."))
    return values


def devices(tenant: Tenant, call: Call) -> Answer:
    """`GET /mdm/tags/{id}/devices`: the key is singular and the id a plain int (facts 6.3)."""
    since = moment(call.query.get("lastseen", ""))
    with tenant.world.lock:
        world, tag = tenant.world, _asked(tenant, call)
        items = [
            {"DeviceId": one.id, "FriendlyName": one.name, "DateTagged": when, "DeviceUuid": one.uuid}
            for ident, when in tag.devices.items()
            if (one := world.devices[ident]).last_seen >= since
        ]
    if not items and tenant.switches["tag_devices_empty"] == "204":
        return nothing()
    return ok({"Device": items})


def _asked(tenant: Tenant, call: Call) -> Tag:
    tag = tenant.world.tags.get(int(call.args[0]))
    if tag is None:
        raise Refusal(error(404, 404, f"Tag not found with Id: {call.args[0]}."))
    return tag


def _number(value: Any) -> int:
    """Ids come as strings or ints (facts 6.2); anything else is nobody's id."""
    return int(value) if str(value).isdecimal() else 0
