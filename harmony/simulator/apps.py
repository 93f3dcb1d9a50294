"""The apps on one device (facts 7), made from its id whenever somebody asks."""

from __future__ import annotations

from typing import Any

from harmony.simulator import names
from harmony.simulator.answers import Answer, Call, envelope, error, nothing, ok, page_of
from harmony.simulator.context import Tenant
from harmony.simulator.generate import digest
from harmony.simulator.records import ENCODE

_WITHOUT = 17


def of_device(tenant: Tenant, call: Call) -> Answer:
    """`GET /mdm/devices/{id}/apps`; every 17th device has none."""
    ident, page = int(call.args[0]), page_of(call)
    if ident not in tenant.world.devices:
        return error(404, 5061, "Device not found for this request.")
    found = [] if ident % _WITHOUT == 0 else _apps(tenant, ident)
    shown = found[page.number * page.size :][: page.size]
    if shown:
        return envelope("DeviceApps", [ENCODE(app) for app in shown], page, len(found))
    if tenant.switches["device_apps_empty"] == "absent":
        return ok({"Page": page.number, "PageSize": page.size, "Total": len(found)})
    return nothing()


def _apps(tenant: Tenant, ident: int) -> list[dict[str, Any]]:
    chance = digest(tenant.world.seed, "apps", ident)
    worded = tenant.switches["device_apps_types"] == "string"
    return [
        _app(ident, number, chance[number], worded)
        for number in range(len(names.APPS))
        if chance[number] < 110
    ]


def _app(ident: int, number: int, chance: int, worded: bool) -> dict[str, Any]:
    name, identifier = names.APPS[number]
    return {
        "ApplicationName": name,
        "ApplicationIdentifier": identifier,
        "Version": f"{chance % 9 + 1}.{chance % 4}",
        "BuildVersion": str(100 + chance),
        "Status": "Installed" if worded else 2,
        "Size": f"{chance + 1} MB" if worded else (chance + 1) << 20,
        "Type": "Public" if worded else 3,
        "IsManaged": chance % 2 == 0,
        "Id": {"Value": 70 + number},
        "DeviceId": ident,
    }
