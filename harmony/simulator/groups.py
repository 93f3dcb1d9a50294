"""Organization groups: the searches of v1 and v2, one group, and the tree below it (facts 3)."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from harmony.simulator.answers import Answer, Call, Page, envelope, error, nothing, ok, page_of
from harmony.simulator.context import Tenant
from harmony.simulator.generate import INVISIBLE_ID, invisible_uuid
from harmony.simulator.records import ENCODE, Group

# Searches and single groups say 0 whatever the depth; only a tree counts, from the group asked (facts 14.2).
_NO_LEVEL = 0
_ORDERS = {"id": "id", "name": "name", "groupid": "group_id", "locationgrouptype": "type"}


def search(tenant: Tenant, call: Call) -> Answer:
    """`GET /system/groups/search`: envelope, ids and the empty answer differ by version (facts 3.1)."""
    page = page_of(call)
    with tenant.world.lock:
        found = _found(tenant, call)
        shown = found[page.number * page.size :][: page.size]
        if call.version == 2:
            return _second(tenant, call, shown, page, len(found))
        if not shown:
            return nothing()
        items = [ENCODE(_common(tenant, group) | {"Id": {"Value": group.id}}) for group in shown]
        lie = call.faults.get("lying_total")
        return envelope("LocationGroups", items, page, lie.value if lie else len(found))


def _found(tenant: Tenant, call: Call) -> list[Group]:
    query = call.query
    name, kind, group_id = (query.get(key, "").lower() for key in ("name", "type", "groupid"))
    order = _ORDERS.get(query.get("orderby", "").lower(), "id")
    found = [
        group
        for group in tenant.world.groups.values()
        if name in group.name.lower()
        and kind in ("", group.type.lower())
        and group_id in ("", group.group_id.lower())
    ]
    found.sort(key=lambda group: getattr(group, order), reverse=query.get("sortorder", "").upper() == "DESC")
    return found


def _second(tenant: Tenant, call: Call, shown: list[Group], page: Page, total: int) -> Answer:
    """v2: plain ids, `TotalResults`, and 200 with an empty array past the end."""
    items = [
        {"Id": group.id, "Uuid": group.uuid} | _common(tenant, group) | {"LgLevel": _NO_LEVEL}
        for group in shown
    ]
    for item in items:
        item.pop("IsCustomerTypeExistInParentHierarchy")
    links = [_link(call, "prev", page.number - 1, page.size)] if page.number else []
    links.append(_link(call, "self", page.number, page.size))
    if (page.number + 1) * page.size < total:
        links.append(_link(call, "next", page.number + 1, page.size))
    lie = call.faults.get("lying_total")
    return ok(
        {
            "OrganizationGroups": items,
            "AdditionalInfo": {"Links": links},
            "TotalResults": lie.value if lie else total,
        }
    )


def _link(call: Call, rel: str, number: int, size: int) -> dict[str, str]:
    """Links say http and echo the caller's spelling of the path (facts 11.11)."""
    asked = call.query | {"page": str(number), "pagesize": str(size)}
    return {
        "Rel": rel,
        "Href": f"http://{call.headers.get('host', 'localhost')}{call.path}?{urlencode(asked)}",
    }


def _common(tenant: Tenant, group: Group) -> dict[str, Any]:
    """What every group answer carries; the counts are strings of digits (facts 11.2)."""
    world = tenant.world
    counted = world.inclusive if tenant.switches["group_counts"] == "inclusive" else world.direct
    return {
        "Name": group.name,
        "GroupId": group.group_id,
        "LocationGroupType": group.type,
        "Country": "United States",
        "Locale": "English (United States)",
        "CreatedOn": group.created,
        "Users": str(len(counted(group.id)) * 6 // 10),
        "Admins": "2" if group.parent is None else "0",
        "Devices": str(len(counted(group.id))),
        "IsCustomerTypeExistInParentHierarchy": group.parent is not None,
    }


def one(tenant: Tenant, call: Call) -> Answer:
    """`GET /system/groups/{id}` (facts 3.2)."""
    group = _asked(tenant, call)
    if group is None:
        return _unknown(call)
    ident: dict[str, Any] = {"Id": group.id if call.version == 2 else {"Value": group.id}}
    return ok(_common(tenant, group) | {"LgLevel": _NO_LEVEL} | ident | {"Uuid": group.uuid})


def children(tenant: Tenant, call: Call) -> Answer:
    """`GET /system/groups/{id}/children`: a bare array, the group itself and all below it (facts 3.2)."""
    with tenant.world.lock:
        asked = _asked(tenant, call)
        if asked is None:
            return _unknown(call)
        return ok([_child(tenant, group, asked) for group in tenant.world.below(asked.id)])


def _child(tenant: Tenant, group: Group, asked: Group) -> dict[str, Any]:
    item = _common(tenant, group) | {"Locale": "en-US", "LgLevel": group.level - asked.level}
    del item["IsCustomerTypeExistInParentHierarchy"]
    item["ParentLocationGroup"] = _parent(tenant, group)
    return item | {"Id": {"Value": group.id}, "Uuid": group.uuid}


def _parent(tenant: Tenant, group: Group) -> dict[str, Any]:
    """The group above; above the account's own is one that no call of this account shows (facts 14.1)."""
    if group.parent is None:
        return {"Id": {"Value": INVISIBLE_ID}, "Uuid": invisible_uuid(tenant.world.seed)}
    parent = tenant.world.groups[group.parent]
    return {"Id": {"Value": parent.id}, "Uuid": parent.uuid}


def tags(tenant: Tenant, call: Call) -> Answer:
    """`GET /system/groups/{id}/tags`: the tags of one group with scalar ids, not filtered (facts 14.5)."""
    with tenant.world.lock:
        asked = _asked(tenant, call)
        if asked is None:
            return _unknown(call)
        found = [tag for tag in tenant.world.tags.values() if tag.group == asked.id]
    return ok({"Tags": [{"TagName": tag.name, "Id": tag.id} for tag in found]})


def _asked(tenant: Tenant, call: Call) -> Group | None:
    """The group of the path: by number, or by uuid where v2 is served."""
    key = call.args[0].lower()
    if key.isdecimal():
        return tenant.world.groups.get(int(key))
    return next(
        (group for group in tenant.world.groups.values() if call.version == 2 and group.uuid == key), None
    )


def _unknown(call: Call) -> Answer:
    return error(
        400, 400, f"Organization Group not found with Id: {call.args[0]} or User does not have access to it."
    )
