"""`GET /mdm/devices/search`: the conditions of each version, pages, and 204 for nothing (facts 5.1, 14.7)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from harmony.simulator.answers import Answer, Call, Refusal, envelope, error, nothing, number, page_of
from harmony.simulator.context import Tenant
from harmony.simulator.records import Device

_DAY_LAST = re.compile(r"(\d\d)[/-](\d\d)[/-](\d{4})(.*)")
_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:T(\d\d:\d\d(?::\d\d(?:\.\d{1,7})?)?)Z?)?")
_ORDERS = {"model": "model", "lastseen": "last_seen", "ownership": "ownership", "platform": "platform"}
_COMPLIANCE = {"true": "compliant", "false": "noncompliant"}


@dataclass(frozen=True, slots=True)
class Names:
    """What the parameters are called in one version; a name of another version means nothing there."""

    group: str
    model: str
    platform: str
    compliance: tuple[str, ...]
    since: tuple[str, ...]
    size: str
    order: str
    descending: str


_FIRST = Names(
    group="lgid",
    model="model",
    platform="platform",
    compliance=("compliantstatus",),
    since=("seensince", "lastseen"),
    size="pagesize",
    order="orderby",
    descending="sortorder",
)
_SECOND = replace(
    _FIRST,
    compliance=("compliantstatus", "compliance_status"),
    since=("seensince", "seen_since", "lastseen"),
)
_THIRD = Names(
    group="organization_group_uuid",
    model="model_identifier",
    platform="device_type",
    compliance=("compliance_status",),
    since=("seen_since", "last_seen"),
    size="page_size",
    order="order_by",
    descending="sort_order",
)
_NAMES = {1: _FIRST, 2: _SECOND, 3: _THIRD}


@dataclass(frozen=True, slots=True)
class Wanted:
    """The conditions of a search; equal ones share one cached list."""

    group: int
    inclusive: bool
    user: str
    model: str
    platform: str
    ownership: str
    compliance: str
    since: str
    order: str
    descending: bool

    def takes(self, device: Device) -> bool:
        """Compare all but the group, each without case."""
        return (
            self.user in ("", device.user.lower())
            and self.model in ("", device.model.lower())
            and self.platform in ("", device.platform.lower())
            and self.ownership in ("", device.ownership.lower())
            and self.compliance in ("", device.compliance.lower())
            and device.last_seen >= self.since
        )

    def plain(self) -> bool:
        """The group's own list, as it is, answers the search."""
        conditions = (self.user, self.model, self.platform, self.ownership, self.compliance, self.since)
        return not (any(conditions) or self.order or self.descending)


def search(tenant: Tenant, call: Call) -> Answer:
    """Answer 204 when nothing is found or the page is past the end (facts 5.1)."""
    names = _NAMES[call.version]
    page = page_of(call, names.size)
    with tenant.world.lock:
        wanted = _wanted(tenant, call, names)
        if wanted.group not in tenant.world.groups:
            return _unknown_group(tenant, wanted.group)
        ids = _matching(tenant, wanted)
        slices = tenant.world.slices(page.of(_moved(call, ids)))
    if not slices:
        return nothing()
    lie = call.faults.get("lying_total")
    return envelope("Devices", slices, page, lie.value if lie else len(ids))


def _wanted(tenant: Tenant, call: Call, names: Names) -> Wanted:
    query = call.query
    compliance = _first(call, names.compliance).lower()
    return Wanted(
        group=_group(tenant, call, names),
        inclusive=tenant.switches["lgid_inclusive"] == "yes",
        user=query.get("user", "").lower(),
        model=_model(query.get(names.model, "")),
        platform=query.get(names.platform, "").lower(),
        ownership=query.get("ownership", "").lower(),
        compliance=_COMPLIANCE.get(compliance, compliance),
        since=parse_time(_first(call, names.since)),
        order=_ORDERS.get(query.get(names.order, "").lower().replace("_", ""), ""),
        descending=query.get(names.descending, "").upper() == "DESC",
    )


def _first(call: Call, names: tuple[str, ...]) -> str:
    return next((call.query[name] for name in names if call.query.get(name)), "")


def _model(text: str) -> str:
    """A model with parentheses finds nothing, as users of the real one report (facts 11.18)."""
    return "\0" if "(" in text else text.lower()


def _group(tenant: Tenant, call: Call, names: Names) -> int:
    """The group asked for, by number or (from v3 on) by uuid; the account's own where none is."""
    if names.group == "lgid":
        return number(call, "lgid", tenant.top)
    uuid = call.query.get(names.group, "").lower()
    groups = tenant.world.groups.values()
    return next((group.id for group in groups if group.uuid == uuid), 0) if uuid else tenant.top


def parse_time(text: str) -> str:
    """A date parameter in one of the documented forms (facts 5.1), as the devices' own dates are written."""
    if not text:
        return ""
    text = _DAY_LAST.sub(r"\3-\1-\2\4", text).replace("/", "-").replace(" ", "T")
    found = _DATE.fullmatch(text)
    if not found:
        raise Refusal(error(400, 400, "The date is not in a supported format."))
    clock = (found[4] or "00:00") + ("" if (found[4] or "").count(":") == 2 else ":00")
    return f"{found[1]}-{found[2]}-{found[3]}T{clock}"


def _matching(tenant: Tenant, wanted: Wanted) -> list[int]:
    world = tenant.world
    base = world.inclusive(wanted.group) if wanted.inclusive else world.direct(wanted.group)
    return base if wanted.plain() else world.kept(wanted, lambda: _ordered(tenant, wanted, base))


def _ordered(tenant: Tenant, wanted: Wanted, base: list[int]) -> list[int]:
    devices = tenant.world.devices
    found = [ident for ident in base if wanted.takes(devices[ident])]
    if wanted.order:
        found.sort(key=lambda ident: (getattr(devices[ident], wanted.order), ident))
    return found[::-1] if wanted.descending else found


def _moved(call: Call, ids: list[int]) -> list[int]:
    """The list as it looks when rows move between two calls (facts 11.8)."""
    fault = call.faults.get("moving_rows")
    if fault is None or not ids:
        return ids
    places = fault.value * (fault.hits - 1) % len(ids)
    return ids[places:] + ids[:places]


def _unknown_group(tenant: Tenant, group: int) -> Answer:
    position = tenant.switches["unknown_lgid"]
    if position == "204":
        return nothing()
    return error(
        int(position), int(position), f"Organization Group not found with Id: {group} or no access to it."
    )
