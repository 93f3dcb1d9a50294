"""The apps on one device (facts 7): made from its id whenever somebody asks, and what a tester changed."""

from __future__ import annotations

from typing import Any

from harmony.simulator import names
from harmony.simulator.answers import Answer, Call, envelope, error, nothing, ok, page_of
from harmony.simulator.context import Tenant
from harmony.simulator.generate import digest
from harmony.simulator.records import ENCODE
from harmony.simulator.world import World

_WITHOUT = 17
# Of 256 devices, how many have one of the first apps, which nearly everybody has, and of the others.
_USUAL, _RARE = 235, 70
# And how many of those who have an app have not updated it yet.
_BEHIND = 48


def of_device(tenant: Tenant, call: Call) -> Answer:
    """`GET /mdm/devices/{id}/apps`; every 17th device has none."""
    ident, page = int(call.args[0]), page_of(call)
    if ident not in tenant.world.devices:
        return error(404, 5061, "Device not found for this request.")
    worded = tenant.switches["device_apps_types"] == "string"
    present = installed(tenant.world, ident)
    found = [_body(ident, *app, worded) for app in present]
    if present and tenant.switches["device_apps_assigned"] == "listed":
        found += [_not_installed(row, worded) for row in _assigned(ident, present, worded)]
    shown = found[page.number * page.size :][: page.size]
    if shown:
        return envelope("DeviceApps", [ENCODE(app) for app in shown], page, len(found))
    if tenant.switches["device_apps_empty"] == "absent":
        return ok({"Page": page.number, "PageSize": page.size, "Total": len(found)})
    return nothing()


def installed(world: World, ident: int) -> list[tuple[str, str, str]]:
    """Identifier, name and version of each app on a device."""
    found = {} if ident % _WITHOUT == 0 else dict(_born_with(world, ident))
    for identifier, app in world.apps.get(ident, {}).items():
        found.pop(identifier, None)
        if app is not None:
            found[identifier] = app
    return [(identifier, *app) for identifier, app in found.items()]


def _born_with(world: World, ident: int) -> list[tuple[str, tuple[str, str]]]:
    chance, age = digest(world.seed, "apps", ident), digest(world.seed, "versions", ident)
    return [
        (identifier, (names.spelled(name, world.quirks), _version(number, age[number] < _BEHIND)))
        for number, (name, identifier) in enumerate(names.APPS)
        if chance[number] < (_USUAL if number < names.USUAL_APPS else _RARE)
    ]


def _version(number: int, behind: bool) -> str:
    """The version that is out, or the one before it."""
    return f"{number % 9 + 1}.{number % 4 + (0 if behind else 1)}"


def _assigned(ident: int, present: list[tuple[str, str, str]], worded: bool) -> list[dict[str, Any]]:
    """The usual apps that this device lacks: assigned to everybody, and listed as such (facts 14.15)."""
    identifiers = {identifier for identifier, _, _ in present}
    return [
        _body(ident, identifier, name, _version(number, behind=False), worded)
        for number, (name, identifier) in enumerate(names.APPS[: names.USUAL_APPS])
        if identifier not in identifiers
    ]


def _not_installed(row: dict[str, Any], worded: bool) -> dict[str, Any]:
    return row | {
        "Status": "NotInstalled" if worded else 1,
        "Size": "0 MB" if worded else 0,
        "IsManaged": True,
    }


def _body(ident: int, identifier: str, name: str, version: str, worded: bool) -> dict[str, Any]:
    chance = digest(identifier)[0]
    return {
        "ApplicationName": name,
        "ApplicationIdentifier": identifier,
        "Version": version,
        "BuildVersion": str(100 + chance),
        "Status": "Installed" if worded else 2,
        "Size": f"{chance + 1} MB" if worded else (chance + 1) << 20,
        "Type": "Public" if worded else 3,
        "IsManaged": chance % 2 == 0,
        "Id": {"Value": 70 + chance},
        "DeviceId": ident,
    }
