"""Which function answers which call, in which versions, and what permission it needs (facts 13)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from harmony.simulator import (
    admins,
    apps,
    device_search,
    devices,
    extensive_search,
    groups,
    smartgroups,
    system,
    tags,
)
from harmony.simulator.answers import Answer, Call
from harmony.simulator.context import Tenant

AREAS = ("system", "groups", "smartgroups", "devices", "apps", "tags", "tags_write")


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint; `name` is what the counters call it."""

    method: str
    pattern: re.Pattern[str]
    versions: tuple[int, ...]
    area: str
    answer: Callable[[Tenant, Call], Answer]
    name: str

    def served(self, asked: int | None) -> int:
        """The version that answers: the one asked, else the nearest older, else the oldest (facts 1.2)."""
        older = [version for version in self.versions if asked is not None and version <= asked]
        return max(older, default=self.versions[0])


def _route(
    method: str, path: str, versions: tuple[int, ...], area: str, answer: Callable[[Tenant, Call], Answer]
) -> Route:
    pattern = path.replace("{id}", r"(\d{1,18})").replace("{key}", "([^/]+)")
    return Route(
        method, re.compile("/api" + pattern, re.IGNORECASE), versions, area, answer, f"{method} {path}"
    )


ROUTES = (
    _route("GET", "/mdm/devices/search", (1, 2, 3), "devices", device_search.search),
    _route("GET", "/mdm/devices/extensivesearch", (1,), "devices", extensive_search.search),
    _route("GET", "/mdm/devices", (1,), "devices", devices.by_identifier),
    _route("GET", "/mdm/devices/udid/{key}", (1,), "devices", devices.by_udid),
    _route("GET", "/mdm/devices/{id}/apps", (1,), "apps", apps.of_device),
    _route("POST", "/mdm/devices/bulk", (1,), "devices", devices.trap),
    _route("GET", "/mdm/devices/{key}/tags", (1, 2), "tags", tags.of_device),
    _route("GET", "/mdm/devices/{key}", (1, 2), "devices", devices.one),
    _route("POST", "/mdm/tags/{id}/adddevices", (1,), "tags_write", tags.add_devices),
    _route("POST", "/mdm/tags/{id}/removedevices", (1,), "tags_write", tags.remove_devices),
    _route("GET", "/mdm/tags/{id}/devices", (1,), "tags", tags.devices),
    _route("GET", "/mdm/tags/search", (1,), "tags", tags.search),
    _route("POST", "/mdm/tags/addtag", (1,), "tags_write", tags.create),
    _route("GET", "/mdm/smartgroups/search", (1,), "smartgroups", smartgroups.search),
    _route("GET", "/mdm/smartgroups/{id}/devices", (1,), "smartgroups", smartgroups.devices),
    _route("GET", "/mdm/smartgroups/{id}", (1,), "smartgroups", smartgroups.one),
    _route("GET", "/system/info", (1,), "system", system.info),
    _route("GET", "/system/admins/search", (1, 2), "system", admins.search),
    _route("GET", "/system/groups/search", (1, 2), "groups", groups.search),
    _route("GET", "/system/groups/{key}/children", (1,), "groups", groups.children),
    _route("GET", "/system/groups/{key}/tags", (1,), "tags", groups.tags),
    _route("GET", "/system/groups/{key}", (1, 2), "groups", groups.one),
)


def find(call: Call) -> Route | None:
    """The route of a call, its path arguments filled in."""
    for route in ROUTES:
        if route.method == call.method and (found := route.pattern.fullmatch(call.path)):
            call.args = found.groups()
            return route
    return None
