"""Smart groups: search, one of them, and the devices it holds (facts 4)."""

from __future__ import annotations

from typing import Any

from harmony.simulator.answers import (
    Answer,
    Call,
    Page,
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
from harmony.simulator.records import ENCODE, Device, SmartGroup


def search(tenant: Tenant, call: Call) -> Answer:
    """`GET /mdm/smartgroups/search`: size honoured, Total constant, 204 past the end."""
    page = page_of(call)
    with tenant.world.lock:
        found = _found(tenant, call)
        shown = found[page.number * page.size :][: page.size]
        items = [ENCODE(_summary(tenant, group)) for group in shown]
    if not items:
        return nothing()
    lie = call.faults.get("lying_total")
    return envelope("SmartGroups", items, page, lie.value if lie else len(found))


def _found(tenant: Tenant, call: Call) -> list[SmartGroup]:
    name = call.query.get("name", "").lower()
    managed = number(call, "managedbyorganizationgroupid", 0) or number(call, "organizationgroupid", 0)
    start, end = (parse_time(call.query.get(name, "")) for name in ("modifiedfrom", "modifiedtill"))
    found = [
        group
        for group in tenant.world.smart_groups.values()
        if name in group.name.lower()
        and managed in (0, group.managed_by)
        and start <= group.modified
        and (not end or group.modified <= end)
    ]
    order = "name" if call.query.get("orderby", "").lower() == "name" else "id"
    found.sort(
        key=lambda group: getattr(group, order), reverse=call.query.get("sortorder", "").upper() == "DESC"
    )
    return found


def _summary(tenant: Tenant, group: SmartGroup) -> dict[str, Any]:
    """The id is an int, the managing group's a string (facts 4)."""
    managing = tenant.world.groups.get(group.managed_by)
    return {
        "Name": group.name,
        "SmartGroupID": group.id,
        "SmartGroupUuid": group.uuid,
        "ManagedByOrganizationGroupId": str(group.managed_by),
        "ManagedByOrganizationGroupUuid": managing.uuid if managing else "",
        "ManagedByOrganizationGroupName": managing.name if managing else "",
        "Devices": len(tenant.world.members(group.id)),
        "Assignments": group.id % 5,
        "Exclusions": 0,
    }


def one(tenant: Tenant, call: Call) -> Answer:
    """`GET /mdm/smartgroups/{id}`: the summary and the rule."""
    with tenant.world.lock:
        group = _asked(tenant, call)
        groups = [
            tenant.world.groups[ident] for ident in sorted(group.groups) if ident in tenant.world.groups
        ]
        rule: dict[str, Any] = {
            "CriteriaType": "All",
            "OrganizationGroups": [{"Id": str(og.id), "Name": og.name, "Uuid": og.uuid} for og in groups],
            "Platforms": sorted(group.platforms),
            "Ownerships": sorted(group.ownerships),
        }
        empty = (
            "DeviceAdditions,DeviceExclusions,UserAdditions,UserExclusions,UserGroups,UserGroupExclusions,Tags,"
            "Models,OperatingSystems,ManagementTypes,EnrollmentCategories,OEMAndModels,CpuArchitectures"
        )
        return ok(_summary(tenant, group) | rule | {key: [] for key in empty.split(",")})


def devices(tenant: Tenant, call: Call) -> Answer:
    """`GET /mdm/smartgroups/{id}/devices`: ids are scalar, and all come on one page (facts 4, 12)."""
    switches = tenant.switches
    with tenant.world.lock:
        ids = tenant.world.members(_asked(tenant, call).id)
        page = page_of(call) if switches["smartgroup_devices_paging"] == "paged" else Page(0, len(ids) or 1)
        since = parse_time(call.query.get("seensince", ""))
        devices = [tenant.world.devices[ident] for ident in page.of(ids)]
        items = [
            _member(device, switches["smartgroup_devices_id"])
            for device in devices
            if device.last_seen >= since
        ]
    if not items and switches["smartgroup_devices_empty"] == "204":
        return nothing()
    return ok({"Devices": items})


def _member(device: Device, form: str) -> dict[str, Any]:
    return {
        "Id": {"Value": device.id} if form == "value" else device.id,
        "Name": device.name,
        "Model": device.model,
        "Platform": device.platform,
        "Ownership": device.ownership,
    }


def _asked(tenant: Tenant, call: Call) -> SmartGroup:
    group = tenant.world.smart_groups.get(int(call.args[0]))
    if group is None:
        message = f"Smart Group not found with Id: {call.args[0]} or User does not have access to it."
        raise Refusal(error(400, 6, message))
    return group
